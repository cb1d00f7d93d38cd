/** `postern gateway service-token revoke`: removes one; what it has open ends within a second. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { SERVICE_TOKEN_ARGUMENT } from '../../gateway/issued-service-token.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const serviceTokenRevoke = defineCommand({
  positionals: SERVICE_TOKEN_ARGUMENT,
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ name, config, output }) {
    const token = await withAdmin(config, (admin) => admin.call('service-token.revoke', { name }));
    printResult(output, token, () => [`Removed service token "${token.name}" (${token.id}).`]);
    return EXIT.done;
  },
});
