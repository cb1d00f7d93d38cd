/** `postern gateway sessions list`: who is signed in. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

export const sessionsList = defineCommand({
  positionals: {},
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ config, output }) {
    const sessions = await withAdmin(config, (admin) => admin.call('session.list', {}));
    printResult(output, sessions, () =>
      table(
        ['ID', 'WHO', 'PROVIDER', 'KIND', 'ADDRESS', 'SINCE', 'UNTIL'],
        sessions.map(({ id, email, subject, provider, kind, address, createdAt, expiresAt }) => [
          id,
          email ?? subject,
          provider,
          kind,
          address,
          createdAt,
          expiresAt,
        ]),
      ),
    );
    return EXIT.done;
  },
});
