/** `postern gateway user remove`: removes a local user. */
import { changedUserLines } from '../../gateway/changed-user.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const userRemove = defineCommand({
  positionals: {
    name: { type: 'string', demandOption: true, describe: 'Name of the user' },
  },
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ name, config, output }) {
    const removed = await withAdmin(config, (admin) => admin.call('user.remove', { name }));
    const what = `Removed user "${name}". Their sessions have ended.`;
    printResult(output, removed, () => changedUserLines(what, removed));
    return EXIT.done;
  },
});
