/** `postern gateway service-token create`: a credential for a machine. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import {
  issuedServiceTokenLines,
  SERVICE_TOKEN_ARGUMENT,
} from '../../gateway/issued-service-token.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const serviceTokenCreate = defineCommand({
  positionals: SERVICE_TOKEN_ARGUMENT,
  options: {
    ...ADMIN_OPTIONS,
    expires: { type: 'string', requiresArg: true, describe: 'How long it is good, such as 90d' },
    ...OUTPUT_OPTION,
  },
  async run({ name, expires, config, output }) {
    const params = { name, ...(expires !== undefined && { expires }) };
    const token = await withAdmin(config, (admin) => admin.call('service-token.create', params));
    const what = `Created service token "${name}"`;
    printResult(output, token, () => issuedServiceTokenLines(what, token));
    return EXIT.done;
  },
});
