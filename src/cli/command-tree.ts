/** Every command there is, in the order in which the help shows them. */
import type { CommandGroup } from './command.ts';
import { gatewayDrain } from './commands/gateway-drain.ts';
import { gatewayRun } from './commands/gateway-run.ts';
import { gatewayStatus } from './commands/gateway-status.ts';
import { gatewayValidate } from './commands/gateway-validate.ts';
import { ingressRule } from './commands/ingress-rule.ts';
import { ingressValidate } from './commands/ingress-validate.ts';
import { routeAdd } from './commands/route-add.ts';
import { routeList } from './commands/route-list.ts';
import { routeRemove } from './commands/route-remove.ts';
import { tunnelCreate } from './commands/tunnel-create.ts';
import { tunnelDelete } from './commands/tunnel-delete.ts';
import { tunnelInfo } from './commands/tunnel-info.ts';
import { tunnelList } from './commands/tunnel-list.ts';
import { tunnelReady } from './commands/tunnel-ready.ts';
import { tunnelRotate } from './commands/tunnel-rotate.ts';
import { tunnelRun } from './commands/tunnel-run.ts';
import { version } from './commands/version.ts';

const gateway: CommandGroup = {
  name: 'gateway',
  summary: 'Run and control the gateway, the public server',
  commands: [gatewayRun, gatewayValidate, gatewayStatus, gatewayDrain],
};

const route: CommandGroup = {
  name: 'route',
  summary: 'Say which public hostnames lead to a tunnel',
  commands: [routeAdd, routeList, routeRemove],
};

const ingress: CommandGroup = {
  name: 'ingress',
  summary: "Check a connector's ingress rules",
  commands: [ingressValidate, ingressRule],
};

const tunnel: CommandGroup = {
  name: 'tunnel',
  summary: 'Manage tunnels, and run a connector beside your services',
  commands: [
    tunnelCreate,
    tunnelList,
    tunnelInfo,
    tunnelRotate,
    tunnelDelete,
    route,
    tunnelRun,
    tunnelReady,
    ingress,
  ],
};

/** `postern` and all below it. */
export const commandTree: CommandGroup = {
  name: 'postern',
  summary: 'Reach services on machines that accept no inbound connection.',
  commands: [gateway, tunnel, version],
};
