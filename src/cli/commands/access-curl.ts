/** `postern access curl`: the system's curl, as somebody who is signed in. Its exit status is curl's own. */
import { applicationUrl, gatewayOfUrl } from '../application-url.ts';
import { GATEWAY_OPTIONS } from '../access-options.ts';
import { passForApplication } from '../app-token.ts';
import { isAttended, withClientSession } from '../client-session.ts';
import { defineCommand } from '../command.ts';
import { runCurl } from '../run-curl.ts';

export const accessCurl = defineCommand({
  positionals: {
    url: { type: 'string', demandOption: true, describe: 'Address to ask' },
    args: { type: 'string', array: true, describe: 'Options of curl, behind "--"' },
  },
  options: {
    purpose: { type: 'string', requiresArg: true, describe: 'Why, where the application asks' },
    ...GATEWAY_OPTIONS,
  },
  async run({ url: text, args = [], purpose, ...where }) {
    const url = applicationUrl(text);
    const { hostname, pathname: path, origin } = url;
    const { address } = await gatewayOfUrl({ ...where, url: origin });
    const { caFile } = address;
    return withClientSession(address, 'postern access curl', async (client) => {
      const ask = { hostname, path, purpose, origin, interactive: isAttended() };
      const pass = await passForApplication(client, ask);
      return runCurl({ url, args, pass, gateway: client.gateway, caFile });
    });
  },
});
