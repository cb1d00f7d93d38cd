/** `postern gateway validate`: reads the gateway's file and says whether a gateway would run with it. */
import { readSamlProviders } from '../../../access/saml/known-providers.ts';
import { formatListenAddress, formatListenRange } from '../../../config/listen-address.ts';
import { defineCommand } from '../../command.ts';
import { openCountries } from '../../gateway/country-database.ts';
import { EXIT } from '../../exit-code.ts';
import { configOfGateway } from '../../gateway/config-of-gateway.ts';
import { GATEWAY_OPTIONS } from '../../gateway/gateway-options.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';

export const gatewayValidate = defineCommand({
  positionals: {},
  options: { ...GATEWAY_OPTIONS, ...OUTPUT_OPTION },
  async run({ output, ...args }) {
    const config = await configOfGateway(args);
    await openCountries(config);
    await readSamlProviders(config);
    const { file, domain, dataDir, listen, applications } = config;
    const addresses = Object.entries(listen).flatMap(([name, address]) =>
      address === undefined ? [] : [[name, formatListenAddress(address)] as const],
    );
    const result = {
      file,
      valid: true,
      domain,
      dataDir,
      listen: Object.fromEntries(addresses),
      tcp: config.tcp.map((port) => ({
        listen: formatListenRange(port.listen),
        hostname: port.hostnames.map(({ text }) => text).join(', '),
      })),
      applications: applications.map(({ name }) => name),
      policyTests: applications.flatMap(({ tests }) => tests).length,
      warnings: config.warnings,
    };
    printResult(output, result, describe);
    return EXIT.done;
  },
});

interface Validity {
  readonly file: string;
  readonly policyTests: number;
  readonly warnings: readonly string[];
}

function describe({ file, policyTests, warnings }: Validity): string[] {
  const tests = `${policyTests} policy ${policyTests === 1 ? 'test' : 'tests'} passed`;
  return [
    ...warnings.map((warning) => `Warning: ${warning}`),
    policyTests === 0 ? `${file} is valid.` : `${file} is valid, and ${tests}.`,
  ];
}
