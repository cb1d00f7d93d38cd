/**
 * `postern access token`: a token for one application, for programs that bring it along by themselves.
 *
 * A token on a screen is a token in a scrollback, so it is printed only where `--print` asks for it (case L9). Never opens a browser.
 */
import { PosternError } from '../../../core/error.ts';
import {
  GATEWAY_OPTIONS,
  gatewayArgument,
  hostnameArgument,
  HOSTNAME_OPTION,
} from '../../access/access-options.ts';
import { passForApplication } from '../../access/app-token.ts';
import { withClientSession } from '../../access/client-session.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { printLines, printText } from '../../output.ts';

export const accessToken = defineCommand({
  positionals: {},
  options: {
    ...HOSTNAME_OPTION,
    path: {
      type: 'string',
      requiresArg: true,
      default: '/',
      describe: 'Path of the application, where several share the hostname',
    },
    purpose: { type: 'string', requiresArg: true, describe: 'Why, where the application asks' },
    print: { type: 'boolean', default: false, describe: 'Print the token to standard output' },
    ...GATEWAY_OPTIONS,
  },
  async run({ hostname: given, path, purpose, print, ...where }) {
    const hostname = hostnameArgument(given);
    const address = await gatewayArgument(where, hostname);
    return withClientSession(address, 'postern access token', async (client) => {
      const origin = `https://${hostname}${portOf(address.gateway)}`;
      const ask = { hostname, path, purpose, origin, interactive: false };
      const pass = await passForApplication(client, ask);
      if (pass.kind !== 'app-token') {
        const why =
          pass.kind === 'none'
            ? 'it needs none'
            : 'a service token is shown to the application itself; there is no other for it';
        throw new PosternError('CLI_FAILED', `Cannot get a token for "${hostname}": ${why}`);
      }
      const { token, expiresAt, application } = pass.token;
      if (print) printText(token);
      else {
        const until = new Date(expiresAt).toISOString();
        printLines(`There is a token for "${application}" until ${until}; --print prints it.`);
      }
      return EXIT.done;
    });
  },
});

/** Applications are on the port of their gateway. */
function portOf(gateway: string): string {
  const { port } = new URL(gateway);
  return port === '' ? '' : `:${port}`;
}
