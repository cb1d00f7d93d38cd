/** `postern access logout`: ends the session at the gateway and forgets its credential. */
import { proveHost } from '../../../client/sign-in/gateway-proof.ts';
import { PosternError } from '../../../core/error.ts';
import { gatewayOfUrl } from '../../access/application-url.ts';
import { GATEWAY_OPTIONS } from '../../access/access-options.ts';
import { withClientSession } from '../../access/client-session.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const accessLogout = defineCommand({
  positionals: {
    url: { type: 'string', describe: 'Address of an application, or of the gateway' },
  },
  options: { ...GATEWAY_OPTIONS, ...OUTPUT_OPTION },
  async run({ url, output, ...where }) {
    const { address, origin } = await gatewayOfUrl({ ...where, url });
    return withClientSession(address, 'postern access logout', async (client) => {
      const { source, cache, http } = client;
      const { gateway } = await proveHost(http, origin ?? address.gateway);
      // One that must not be believed is forgotten like any other.
      const credential = await cache.find(gateway).catch(() => undefined);
      // Forgotten here in any case: whoever signs out does not want to be told to come again.
      const wasKept = await cache.remove(gateway);
      if (credential !== undefined) {
        try {
          const granted = { pass: { kind: 'session', credential }, gateway } as const;
          await (await source.client(granted)).logout(credential);
        } catch (cause) {
          const until = new Date(credential.expiresAt).toISOString();
          const message = `Cannot end the session at "${gateway}", which lasts until ${until}; its credential is forgotten here`;
          throw new PosternError('CLI_FAILED', message, { cause });
        }
      }
      const text = wasKept ? `Signed out at ${gateway}.` : `Nobody was signed in at ${gateway}.`;
      printResult(output, { gateway, wasSignedIn: wasKept }, () => [text]);
      return EXIT.done;
    });
  },
});
