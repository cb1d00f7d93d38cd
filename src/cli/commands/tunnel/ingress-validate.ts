/** `postern tunnel ingress validate`: reads the connector's file and says whether a connector would run with it. */
import { defineCommand } from '../../command.ts';
import { CONNECTOR_OPTIONS, configOfConnector } from '../../connector/connector-options.ts';
import { describeRule } from '../../connector/describe-rule.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const ingressValidate = defineCommand({
  positionals: {},
  options: { ...CONNECTOR_OPTIONS, ...OUTPUT_OPTION },
  async run({ output, ...args }) {
    const { file, gateways, ingress } = await configOfConnector(args);
    const result = { file, valid: true, gateways, ingress: ingress.map(describeRule) };
    const count = ingress.length === 1 ? '1 ingress rule' : `${ingress.length} ingress rules`;
    printResult(output, result, () => [`${file ?? 'The command line'} is valid: ${count}.`]);
    return EXIT.done;
  },
});
