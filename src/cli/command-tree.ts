/** Every command there is, in the order in which the help shows them. */
import type { CommandGroup } from './command.ts';
import { gatewayRun } from './commands/gateway-run.ts';
import { routeAdd } from './commands/route-add.ts';
import { tunnelCreate } from './commands/tunnel-create.ts';
import { tunnelRun } from './commands/tunnel-run.ts';

const gateway: CommandGroup = {
  name: 'gateway',
  summary: 'Run and control the public server',
  commands: [gatewayRun],
};

const route: CommandGroup = {
  name: 'route',
  summary: 'Say which public hostnames lead to a tunnel',
  commands: [routeAdd],
};

const tunnel: CommandGroup = {
  name: 'tunnel',
  summary: 'Manage tunnels, and run a connector',
  commands: [tunnelCreate, route, tunnelRun],
};

/** `postern` and all below it. */
export const commandTree: CommandGroup = {
  name: 'postern',
  summary: 'Reach services on machines that accept no inbound connection.',
  commands: [gateway, tunnel],
};
