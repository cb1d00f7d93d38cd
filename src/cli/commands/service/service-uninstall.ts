/** `postern service uninstall`: takes back what `service install` did. Configuration and data stay. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';
import { uninstallWithLaunchd } from '../../service/launchd-service.ts';
import { SERVICE_ARGUMENTS, serviceManager, serviceName } from '../../service/service-arguments.ts';
import type { Uninstalled } from '../../service/service-plan.ts';
import { requireSystemd, uninstallWithSystemd } from '../../service/systemd-service.ts';

export const serviceUninstall = defineCommand({
  positionals: SERVICE_ARGUMENTS,
  options: OUTPUT_OPTION,
  epilogue: 'What is open may end first, for the grace period. Configuration and data stay.',
  async run({ kind, output, ...args }) {
    const name = serviceName(kind, args.name);
    const manager = serviceManager();
    if (manager === 'systemd') requireSystemd('uninstall the service');
    const uninstall = manager === 'systemd' ? uninstallWithSystemd : uninstallWithLaunchd;
    printResult(output, await uninstall(kind, name), describe);
    return EXIT.done;
  },
});

function describe({ removed, kept }: Uninstalled): string[] {
  return [
    ...(removed.length === 0 ? ['Nothing to do: it is not installed.'] : []),
    ...removed.map((path) => `Removed ${path}`),
    ...kept.map((what) => `Kept ${what}`),
  ];
}
