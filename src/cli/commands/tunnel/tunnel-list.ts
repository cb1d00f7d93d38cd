/** `postern tunnel list`: every tunnel, and how many connectors it has. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

export const tunnelList = defineCommand({
  positionals: {},
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ config, output }) {
    const tunnels = await withAdmin(config, (admin) => admin.call('tunnel.list', {}));
    printResult(output, tunnels, () =>
      table(
        ['NAME', 'ID', 'CREATED', 'ROUTES', 'REPLICAS', 'LINKS'],
        tunnels.map(({ name, id, createdAt, routes, replicas, links }) => [
          name,
          id,
          createdAt,
          String(routes),
          // Only a gateway that runs knows.
          String(replicas ?? '?'),
          String(links ?? '?'),
        ]),
      ),
    );
    return EXIT.done;
  },
});
