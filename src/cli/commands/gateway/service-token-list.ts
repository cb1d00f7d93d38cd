/** `postern gateway service-token list`: the credentials of machines, without their secrets. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

export const serviceTokenList = defineCommand({
  positionals: {},
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ config, output }) {
    const tokens = await withAdmin(config, (admin) => admin.call('service-token.list', {}));
    printResult(output, tokens, () =>
      table(
        ['NAME', 'ID', 'CREATED', 'ROTATED', 'EXPIRES'],
        tokens.map(({ name, id, createdAt, rotatedAt = '-', expiresAt = 'never' }) => [
          name,
          id,
          createdAt,
          rotatedAt,
          expiresAt,
        ]),
      ),
    );
    return EXIT.done;
  },
});
