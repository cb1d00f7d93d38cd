/** `postern service install`: a gateway or a connector that the system starts, watches and hands over. */
import { PosternError } from '../../../core/error.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printLines, printResult, printText } from '../../output.ts';
import { connectorPlan } from '../../service/connector-plan.ts';
import { gatewayPlan } from '../../service/gateway-plan.ts';
import { installWithLaunchd } from '../../service/launchd-service.ts';
import { SERVICE_ARGUMENTS, serviceManager, serviceName } from '../../service/service-arguments.ts';
import type { Installed, ServiceManager, ServicePlan } from '../../service/service-plan.ts';
import { installWithSystemd, requireSystemd } from '../../service/systemd-service.ts';

export const serviceInstall = defineCommand({
  positionals: SERVICE_ARGUMENTS,
  options: {
    config: {
      type: 'string',
      requiresArg: true,
      describe:
        'Configuration of the service [in /etc/postern: gateway.yaml, config.yml, NAME.yml]',
    },
    'token-file': {
      type: 'string',
      requiresArg: true,
      describe: "File with the connector's token, which is copied; - reads it from stdin",
    },
    'no-start': { type: 'boolean', describe: 'Install it without starting it' },
    print: { type: 'boolean', describe: 'Print what would be written, and change nothing' },
    ...OUTPUT_OPTION,
  },
  epilogue: 'Running it again changes only what differs. Only root may install services.',
  async run(args) {
    const { kind, config, output, print = false } = args;
    const name = serviceName(kind, args.name);
    const manager = serviceManager();
    if (!print && manager === 'systemd') requireSystemd('install the service');
    const tokenFile = args['token-file'];
    if (kind === 'gateway' && tokenFile !== undefined) {
      throw new PosternError('CLI_USAGE', 'Cannot use --token-file: only connectors have a token');
    }
    const plan =
      kind === 'gateway'
        ? await gatewayPlan(config, manager)
        : await connectorPlan({ name, config, tokenFile }, manager);
    if (print) {
      printPlan(plan);
      return EXIT.done;
    }
    const install = manager === 'systemd' ? installWithSystemd : installWithLaunchd;
    const installed = await install(plan, { start: args['no-start'] !== true });
    printResult(output, { unit: plan.unit, ...installed }, () => [
      ...describe(plan, installed),
      '',
      ...nextSteps(plan, manager),
    ]);
    return EXIT.done;
  },
});

function printPlan(plan: ServicePlan): void {
  for (const { path, content, isSecret = false } of plan.files) {
    printLines(`# ${path}`);
    printText(isSecret ? '(a secret)\n' : content);
  }
}

function describe(plan: ServicePlan, done: Installed): string[] {
  const { written, enabled, started, needsRestart } = done;
  const lines = [
    ...written.map((path) => `Wrote ${path}`),
    ...enabled.map((unit) => `Enabled ${unit}`),
    ...started.map((unit) => `Started ${unit}`),
  ];
  if (lines.length === 0) return [`Nothing to do: ${plan.unit} is installed like this already.`];
  if (!needsRestart) return lines;
  return [...lines, `All of it is in force after a restart of ${plan.units.join(' and ')}.`];
}

function nextSteps({ unit, units }: ServicePlan, manager: ServiceManager): string[] {
  if (manager === 'launchd') {
    return [
      `See how it is:  launchctl print system/${unit}`,
      `Read its log:   /var/log/${unit}.log`,
      `Restart it:     launchctl kickstart -k system/${unit}`,
    ];
  }
  return [
    `See how it is:  systemctl status ${unit}`,
    `Read its log:   journalctl -u ${unit} -f`,
    `After a change of its configuration, or an upgrade; drops nothing:  systemctl reload ${unit}`,
    `Stop it, when what is open has ended:  systemctl stop ${units.join(' ')}`,
  ];
}
