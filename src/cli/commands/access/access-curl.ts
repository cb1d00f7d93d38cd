/** `postern access curl`: the system's curl, as somebody who is signed in. Its exit status is curl's own. */
import { clientHome } from '../../../client/client-home.ts';
import { applicationUrl, gatewayOfUrl } from '../../access/application-url.ts';
import { passForApplication } from '../../access/app-token.ts';
import { isAttended, withClientSession } from '../../access/client-session.ts';
import type { PassingCommand } from '../../command.ts';
import { parseCurlWords } from '../../access/curl-words.ts';
import { runCurl } from '../../access/run-curl.ts';

const HELP = `postern access curl <url> [args..]

Run curl as somebody who is signed in

The address comes first, then options of curl. All of it is for curl, but for these:

Options:
      --gateway  Address of the gateway [POSTERN_GATEWAY, the host of the address]
      --ca       PEM file of an authority to trust for the gateway [POSTERN_CA]
      --purpose  Why, where the application asks
  -h, --help     Show help, when it comes first

curl gets a token for this one application, and not on its command line. The exit status is that of curl.

  postern access curl https://wiki.example.com/api/pages -X POST -d @page.json`;

export const accessCurl: PassingCommand = {
  help: HELP,
  async run(words) {
    const { url: text, own, args } = parseCurlWords(words);
    const url = applicationUrl(text);
    const { hostname, pathname: path, origin } = url;
    const where = { gateway: own.get('gateway'), ca: own.get('ca') };
    const { address } = await gatewayOfUrl({ ...where, url: origin });
    return withClientSession(address, 'postern access curl', async (client) => {
      const purpose = own.get('purpose');
      const ask = { hostname, path, purpose, origin, interactive: isAttended() };
      const pass = await passForApplication(client, ask);
      const { gateway } = client;
      const { caFile } = address;
      return runCurl({ url, args, pass, gateway, caFile, home: clientHome(process.env) });
    });
  },
};
