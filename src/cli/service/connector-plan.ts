/**
 * A connector as a service of systemd, with its token in a file that root alone can read and that systemd hands over.
 *
 * Its user exists only while it runs, so everybody must be able to read its configuration, which holds no secret.
 */
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { loadConnectorConfig } from '../../config/connector/connector-config.ts';
import { parseCredentials } from '../../config/connector/credentials-file.ts';
import { readTextFile } from '../../config/read-text-file.ts';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { connectorConfigFile } from '../config-file.ts';
import { OWN_PROGRAM } from '../own-program.ts';
import { launchdPlan } from './launchd-service.ts';
import {
  checkVisible,
  stopSeconds,
  tokenPath,
  UNIT_FOLDER,
  type PlannedFile,
  type ServiceManager,
  type ServicePlan,
} from './service-plan.ts';
import { unitFile, unitPath } from './unit-file.ts';

/** A token with all that `tunnel create -o json` prints has some 200. */
const MAX_TOKEN_CHARS = 16 * 1024;

export interface ConnectorPlanOptions {
  /** Of several connectors on one machine. */
  readonly name: string | undefined;
  /** `--config`. */
  readonly config: string | undefined;
  /** `--token-file`; `-` is stdin. */
  readonly tokenFile: string | undefined;
}

/** The unit of a connector. */
export function connectorUnit(name: string | undefined): string {
  return name === undefined ? 'postern-connector.service' : `postern-connector@${name}.service`;
}

/** Makes the plan. Throws CONFIG_*, REGISTER_REFUSED for what is no token, CLI_USAGE for what a service cannot use. */
export async function connectorPlan(
  options: ConnectorPlanOptions,
  manager: ServiceManager,
): Promise<ServicePlan> {
  const { name } = options;
  const file = configFile(options);
  const flags = options.tokenFile === '-' ? {} : { 'token-file': options.tokenFile };
  const config = await loadConnectorConfig(file, { flags });
  const token = await plannedToken(options, config.credentialsFile);
  const graceMs = config.gracePeriodMs;
  const words = ['tunnel', 'run', '--config', file, '--token-file'];
  const files = token === undefined ? [] : [token];
  if (manager === 'launchd') {
    const plan = await launchdPlan({
      kind: 'connector',
      name,
      words: [...words, tokenPath(name)],
      graceMs,
    });
    return { ...plan, files: [...files, ...plan.files] };
  }
  await checkForEverybody(file, 'configuration');
  if (config.caFile !== undefined) await checkForEverybody(config.caFile, 'authority');
  for (const path of OWN_PROGRAM) checkVisible(path, 'program');
  const program = OWN_PROGRAM.map((path) => unitPath(path)).join(' ');
  const unit = connectorUnit(name);
  unitPath(file);
  const content = await unitFile(name === undefined ? unit : 'postern-connector@.service', {
    ExecStart: `${program} ${words.join(' ')} \${CREDENTIALS_DIRECTORY}/token`,
    ExecReload: `${program} tunnel reload --pid $MAINPID`,
    LoadCredential: `token:${tokenPath(name)}`,
    TimeoutStopSec: `${stopSeconds(graceMs)}s`,
  });
  return {
    unit,
    units: [unit],
    files: [...files, { path: `${UNIT_FOLDER}/${unit}`, content, mode: 0o644 }],
  };
}

function configFile({ name, config }: ConnectorPlanOptions): string {
  const file = config ?? (name === undefined ? connectorConfigFile(undefined) : undefined);
  return resolve(file ?? `/etc/postern/${name ?? 'config'}.yml`);
}

/** The token that was given; else that of the configuration; else the installed one stays, which is no file to write. */
async function plannedToken(
  { name, tokenFile }: ConnectorPlanOptions,
  credentialsFile: string | undefined,
): Promise<PlannedFile | undefined> {
  const path = tokenPath(name);
  const source = tokenFile ?? credentialsFile;
  if (source === undefined) {
    if (await isThere(path)) return undefined;
    const remedy = 'name a file with --token-file, or write it to stdin of --token-file -';
    throw new PosternError('CLI_USAGE', `Cannot install the connector: it has no token; ${remedy}`);
  }
  const shown = source === '-' ? 'stdin' : `"${source}"`;
  try {
    const content = await (source === '-' ? readStdin() : readTextFile(source));
    parseCredentials(content);
    return { path, content: `${content.trim()}\n`, mode: 0o600, isSecret: true };
  } catch (cause) {
    const code = hasCode(cause, 'CONFIG_INVALID') ? 'REGISTER_REFUSED' : 'CONFIG_UNREADABLE';
    throw new PosternError(code, `Cannot use the token of ${shown}: it ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Of a size that a token never has. */
async function readStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.length > MAX_TOKEN_CHARS) break;
  }
  return text;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function checkForEverybody(file: string, what: string): Promise<void> {
  checkVisible(file, what);
  for (let path = file; path !== '/'; path = dirname(path)) {
    // oxlint-disable-next-line no-await-in-loop
    const { mode } = await stat(path);
    const [bit, letter] = path === file ? [0o004, 'r'] : [0o001, 'x'];
    if ((mode & bit) !== 0) continue;
    const remedy = `chmod o+${letter} ${path}`;
    const why = 'the user of the service exists only while it runs';
    throw new PosternError(
      'CLI_USAGE',
      `Cannot use ${what} "${file}": not everybody may read it, and ${why}; ${remedy}`,
    );
  }
}
