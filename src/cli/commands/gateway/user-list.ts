/** `postern gateway user list`: the local users. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

export const userList = defineCommand({
  positionals: {},
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ config, output }) {
    const users = await withAdmin(config, (admin) => admin.call('user.list', {}));
    printResult(output, users, () =>
      table(
        ['NAME', 'EMAIL', 'GROUPS', 'ONE-TIME CODE', 'CREATED'],
        users.map(({ name, email = '-', groups, totp, createdAt }) => [
          name,
          email,
          groups.join(', ') || '-',
          totp ? 'yes' : 'no',
          createdAt,
        ]),
      ),
    );
    return EXIT.done;
  },
});
