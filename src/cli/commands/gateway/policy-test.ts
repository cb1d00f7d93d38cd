/** `postern gateway policy test`: what the policies decide about a request, and why. */
import { isIP } from 'node:net';
import { explain } from '../../../access/policy/explain.ts';
import { loadGatewayConfig } from '../../../config/gateway-config.ts';
import { PosternError } from '../../../core/error.ts';
import { parseCertificate } from '../../gateway/certificate-argument.ts';
import { defineCommand } from '../../command.ts';
import { CONFIG_OPTION, gatewayConfigFile } from '../../config-file.ts';
import { openCountries } from '../../gateway/country-database.ts';
import { describeExplanation, summarise } from '../../gateway/describe-explanation.ts';
import { EXIT } from '../../exit-code.ts';
import { parseIdentity } from '../../gateway/identity-argument.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';
import { parsePolicyUrl } from '../../gateway/policy-url.ts';

const textOption = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

export const policyTest = defineCommand({
  positionals: {},
  options: {
    config: CONFIG_OPTION.gateway,
    url: { ...textOption('Such as https://wiki.example.com/page'), demandOption: true },
    identity: textOption('Who is signed in: email=ann@example.com,group=staff, @FILE, or none'),
    'service-token': textOption('Name of the service token that the request has'),
    'client-certificate': textOption('Of the connection: common-name=printer,name=…'),
    address: textOption('IP address that the request is from'),
    country: textOption('Country that it is from; left out, the database is asked'),
    ...OUTPUT_OPTION,
  },
  async run({ config: file, url, identity = 'none', address, country, output, ...args }) {
    const ask = parsePolicyUrl(url);
    const { 'service-token': serviceToken, 'client-certificate': certificate } = args;
    const person = await parseIdentity(identity);
    checkPlace(address, country);
    // Its own tests may fail: that is when somebody asks why.
    const config = await loadGatewayConfig(gatewayConfigFile(file));
    const countries = address === undefined ? undefined : await openCountries(config);
    const explanation = explain(config, ask, {
      identity: person,
      serviceToken: serviceToken === undefined ? undefined : { id: 'test', name: serviceToken },
      clientCertificate: certificate === undefined ? undefined : parseCertificate(certificate),
      address,
      country: country?.toUpperCase() ?? countries?.countryOf(address ?? ''),
      now: Date.now(),
    });
    printResult(output, summarise(ask, explanation), describeExplanation);
    return explanation.decision.outcome === 'allow' ? EXIT.done : EXIT.failed;
  },
});

function checkPlace(address: string | undefined, country: string | undefined): void {
  if (address !== undefined && isIP(address) === 0) {
    const remedy = 'write one such as 192.0.2.1';
    throw new PosternError('CLI_USAGE', `Cannot read address "${address}": ${remedy}`);
  }
  if (country !== undefined && !/^[a-z]{2}$/i.test(country)) {
    const remedy = 'write a code of two letters such as DE';
    throw new PosternError('CLI_USAGE', `Cannot read country "${country}": ${remedy}`);
  }
}
