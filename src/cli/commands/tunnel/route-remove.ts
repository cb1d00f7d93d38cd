/** `postern tunnel route remove`: a public hostname leads nowhere from now on. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const routeRemove = defineCommand({
  positionals: {
    hostname: { type: 'string', demandOption: true, describe: 'As "route list" shows it' },
  },
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ hostname, config, output }) {
    const route = await withAdmin(config, (admin) => admin.call('route.remove', { hostname }));
    printResult(output, route, () => [
      `${route.hostname} leads to tunnel "${route.tunnel}" no longer.`,
    ]);
    return EXIT.done;
  },
});
