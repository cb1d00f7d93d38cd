/** `postern tunnel ingress rule`: which ingress rule a URL meets. */
import { loadConnectorConfig } from '../../../config/connector/connector-config.ts';
import { matchRule } from '../../../config/connector/ingress-rule.ts';
import { PosternError } from '../../../core/error.ts';
import { defineCommand } from '../../command.ts';
import { CONFIG_OPTION, connectorConfigFile } from '../../config-file.ts';
import { changedOptions, describeRule } from '../../connector/describe-rule.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

export const ingressRule = defineCommand({
  positionals: {
    url: { type: 'string', demandOption: true, describe: 'Such as https://wiki.example.com/page' },
  },
  options: { config: CONFIG_OPTION.connector, ...OUTPUT_OPTION },
  async run({ url: text, config, output }) {
    const { hostname, pathname } = parseUrl(text);
    const { ingress } = await loadConnectorConfig(connectorConfigFile(config));
    const rule = matchRule(ingress, hostname, pathname);
    // The last rule matches everything, or the file would have been refused.
    if (rule === undefined) throw new TypeError(`no rule matches ${hostname}`);
    printResult(
      output,
      { ...describeRule(rule), options: changedOptions(rule) },
      ({ rule: index, id, hostname: pattern, path, service, options }) =>
        table(
          [`rule`, String(index)],
          [
            ['id', id],
            ['hostname', pattern],
            ['path', path ?? 'any'],
            ['service', service],
            ...Object.entries(options),
          ],
        ),
    );
    return EXIT.done;
  },
});

/** The parts of a URL that rules look at; a hostname alone will do. */
function parseUrl(text: string): URL {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  if (URL.canParse(url) && new URL(url).hostname !== '') return new URL(url);
  const remedy = 'write it like https://wiki.example.com/page';
  throw new PosternError('CLI_USAGE', `Cannot read URL "${text}": it has no hostname; ${remedy}`);
}
