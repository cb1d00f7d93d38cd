/** `postern tunnel rotate`: replaces a tunnel's token. Connectors with the old one are cut off at once. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { issuedTokenLines } from '../../issued-token.ts';
import { ADMIN_OPTIONS, TUNNEL_ARGUMENT, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const tunnelRotate = defineCommand({
  positionals: TUNNEL_ARGUMENT,
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ tunnel, config, output }) {
    const issued = await withAdmin(config, (admin) => admin.call('tunnel.rotate', { tunnel }));
    const what = `Replaced the token of tunnel "${issued.name}"`;
    printResult(output, issued, () => issuedTokenLines(what, issued));
    return EXIT.done;
  },
});
