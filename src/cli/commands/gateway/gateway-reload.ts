/** `postern gateway reload`: hands over to a worker of what is on disk, or back to the one before. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withRunningGateway } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const gatewayReload = defineCommand({
  positionals: {},
  options: {
    ...ADMIN_OPTIONS,
    'roll-back': {
      type: 'boolean',
      describe: 'Go back to the process before, as long as that one still drains',
    },
    ...OUTPUT_OPTION,
  },
  async run({ config, output, 'roll-back': isBack }) {
    const call = isBack === true ? 'gateway.roll-back' : 'gateway.reload';
    const result = await withRunningGateway(config, (admin) => admin.call(call, {}));
    printResult(output, result, ({ generation, pid, version, draining }) => [
      `Generation ${generation} serves (version ${version}, process ${pid}).`,
      ...(draining.length === 0 ? [] : [`Draining: generation ${draining.join(', ')}.`]),
    ]);
    return EXIT.done;
  },
});
