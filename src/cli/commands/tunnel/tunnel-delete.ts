/** `postern tunnel delete`: removes a tunnel with its routes. Its connectors are cut off at once. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, TUNNEL_ARGUMENT, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const tunnelDelete = defineCommand({
  positionals: TUNNEL_ARGUMENT,
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ tunnel, config, output }) {
    const deleted = await withAdmin(config, (admin) => admin.call('tunnel.delete', { tunnel }));
    printResult(output, deleted, ({ name, id }) => [`Deleted tunnel "${name}" (${id}).`]);
    return EXIT.done;
  },
});
