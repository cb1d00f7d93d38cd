/** `postern gateway drain`: ends the running gateway gently, and waits until it has ended its work. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withRunningGateway } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const gatewayDrain = defineCommand({
  positionals: {},
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ config, output }) {
    const result = await withRunningGateway(config, (admin) => admin.call('gateway.drain', {}));
    printResult(output, result, ({ cut }) => [
      cut === 0 ? 'Drained.' : `Drained; ${cut} were cut when the grace period was over.`,
    ]);
    return EXIT.done;
  },
});
