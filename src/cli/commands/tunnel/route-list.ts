/** `postern tunnel route list`: which public hostnames lead where. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

export const routeList = defineCommand({
  positionals: { tunnel: { type: 'string', describe: 'Name or id of a tunnel' } },
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ tunnel, config, output }) {
    const params = tunnel === undefined ? {} : { tunnel };
    const routes = await withAdmin(config, (admin) => admin.call('route.list', params));
    printResult(output, routes, () =>
      table(
        ['HOSTNAME', 'TUNNEL', 'CREATED'],
        routes.map((route) => [route.hostname, route.tunnel, route.createdAt]),
      ),
    );
    return EXIT.done;
  },
});
