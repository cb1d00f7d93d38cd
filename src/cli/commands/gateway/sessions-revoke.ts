/** `postern gateway sessions revoke`: signs people out; what they have open ends within a second. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const sessionsRevoke = defineCommand({
  positionals: { id: { type: 'string', describe: 'Id of the session' } },
  options: {
    ...ADMIN_OPTIONS,
    email: { type: 'string', requiresArg: true, describe: 'All sessions of this person' },
    all: { type: 'boolean', default: false, describe: 'All sessions of everybody' },
    ...OUTPUT_OPTION,
  },
  async run({ id, email, all, config, output }) {
    const params = {
      ...(id !== undefined && { id }),
      ...(email !== undefined && { email }),
      ...(all && { all: 'yes' }),
    };
    const result = await withAdmin(config, (admin) => admin.call('session.revoke', params));
    printResult(output, result, ({ revoked }) => [
      revoked === 1 ? 'Ended 1 session.' : `Ended ${revoked} sessions.`,
    ]);
    return EXIT.done;
  },
});
