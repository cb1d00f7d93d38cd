/** `postern gateway service-token rotate`: a new secret; the old one is good for a while. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import {
  issuedServiceTokenLines,
  SERVICE_TOKEN_ARGUMENT,
} from '../../gateway/issued-service-token.ts';
import { ADMIN_OPTIONS, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const serviceTokenRotate = defineCommand({
  positionals: SERVICE_TOKEN_ARGUMENT,
  options: {
    ...ADMIN_OPTIONS,
    overlap: {
      type: 'string',
      default: '1h',
      describe: 'How long the old secret is still good; 0 for not at all',
    },
    ...OUTPUT_OPTION,
  },
  async run({ name, overlap, config, output }) {
    const token = await withAdmin(config, (admin) =>
      admin.call('service-token.rotate', { name, overlap }),
    );
    const what = `Replaced the secret of service token "${name}"`;
    printResult(output, token, () => issuedServiceTokenLines(what, token));
    return EXIT.done;
  },
});
