/** `postern tunnel route add`: leads a public hostname to a tunnel. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const routeAdd = defineCommand({
  positionals: {
    tunnel: { type: 'string', demandOption: true, describe: 'Name or id of the tunnel' },
    hostname: { type: 'string', demandOption: true, describe: 'Such as wiki.example.com' },
  },
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ tunnel, hostname, config, output }) {
    const route = await withAdmin(config, (admin) => admin.call('route.add', { tunnel, hostname }));
    printResult(output, route, () => [`${route.hostname} leads to tunnel "${route.tunnel}".`]);
    return EXIT.done;
  },
});
