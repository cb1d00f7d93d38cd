/** `postern gateway user add`: adds a local user. */
import { changedUserLines } from '../../gateway/changed-user.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';
import { readPassword } from '../../gateway/read-password.ts';

export const userAdd = defineCommand({
  positionals: {
    name: { type: 'string', demandOption: true, describe: 'Name of the new user' },
  },
  options: {
    ...ADMIN_OPTIONS,
    email: { type: 'string', describe: 'E-mail address, for policies' },
    groups: { type: 'string', describe: 'Groups, for policies, with commas between them' },
    totp: { type: 'boolean', default: false, describe: 'Ask for a one-time code too' },
    ...OUTPUT_OPTION,
  },
  async run({ name, email, groups, totp, config, output }) {
    const password = await readPassword(name);
    const params = {
      name,
      password,
      ...(email !== undefined && { email }),
      ...(groups !== undefined && { groups }),
      totp: totp ? 'yes' : 'no',
    };
    const added = await withAdmin(config, (admin) => admin.call('user.add', params));
    printResult(output, added, () => changedUserLines(`Added user "${name}".`, added));
    return EXIT.done;
  },
});
