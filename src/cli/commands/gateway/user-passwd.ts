/** `postern gateway user passwd`: gives a local user a new password, and a second step or none. */
import { changedUserLines } from '../../gateway/changed-user.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';
import { readPassword } from '../../gateway/read-password.ts';

export const userPasswd = defineCommand({
  positionals: {
    name: { type: 'string', demandOption: true, describe: 'Name of the user' },
  },
  options: {
    ...ADMIN_OPTIONS,
    totp: {
      choices: ['new', 'none', 'keep'],
      default: 'keep',
      describe: 'What becomes of the one-time code',
    },
    ...OUTPUT_OPTION,
  },
  async run({ name, totp, config, output }) {
    const password = await readPassword(name);
    const params = { name, password, totp };
    const changed = await withAdmin(config, (admin) => admin.call('user.passwd', params));
    const what = `Changed the password of user "${name}". Their sessions have ended.`;
    printResult(output, changed, () => changedUserLines(what, changed));
    return EXIT.done;
  },
});
