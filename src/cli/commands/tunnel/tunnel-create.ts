/** `postern tunnel create`: makes a tunnel and shows its token, this once. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';
import { issuedTokenLines } from '../../issued-token.ts';

export const tunnelCreate = defineCommand({
  positionals: {
    name: { type: 'string', demandOption: true, describe: 'Name of the new tunnel' },
  },
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ name, config, output }) {
    const created = await withAdmin(config, (admin) => admin.call('tunnel.create', { name }));
    printResult(output, created, () => issuedTokenLines(`Created tunnel "${name}"`, created));
    return EXIT.done;
  },
});
