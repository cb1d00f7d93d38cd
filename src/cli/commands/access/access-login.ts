/** `postern access login`: signs the user in, unless they are. */
import { applicationUrl, gatewayOfUrl } from '../../access/application-url.ts';
import { GATEWAY_OPTIONS } from '../../access/access-options.ts';
import { withClientSession } from '../../access/client-session.ts';
import { PosternError } from '../../../core/error.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const accessLogin = defineCommand({
  positionals: {
    url: { type: 'string', describe: 'Address of an application, or of the gateway' },
  },
  options: {
    ...GATEWAY_OPTIONS,
    headless: {
      type: 'boolean',
      default: false,
      describe: 'Show a code to type in a browser elsewhere; so too where there is no screen',
    },
    ...OUTPUT_OPTION,
  },
  async run({ url, headless, output, ...where }) {
    const { address, origin } = await gatewayOfUrl({ ...where, url });
    return withClientSession(address, 'postern access login', async (client) => {
      if (client.serviceToken !== undefined) {
        const message =
          'Cannot sign in: the environment has a service token, which signs in by itself';
        throw new PosternError('CLI_USAGE', message);
      }
      const { source, gateway } = client;
      const ask = { gateway, origin, interactive: true, headless, replacesBad: true };
      const first = await source.ensure(ask);
      if (first.pass.kind !== 'session') throw new PosternError('CLI_USAGE', NO_TLS);
      const isGood = await (await source.client(first)).isSignedIn(first.pass.credential);
      const { pass } = isGood ? first : await source.renew(ask, first.pass.credential);
      if (pass.kind !== 'session') throw new PosternError('CLI_USAGE', NO_TLS);
      const { gateway: signedInAt, email, expiresAt } = pass.credential;
      const until = new Date(expiresAt).toISOString();
      printResult(output, { gateway: signedInAt, email, expiresAt: until }, () => [
        `Signed in at ${applicationUrl(signedInAt).host}${email === undefined ? '' : ` as ${email}`} until ${until}.`,
      ]);
      return EXIT.done;
    });
  },
});

const NO_TLS = 'Cannot sign in: the gateway must be reached over https';
