/**
 * The newest published version, asked of the npm registry by npm itself: it knows the registry, the proxy, the authorities
 * and the credentials that `npm install` will use.
 */
import { execFile } from 'node:child_process';
import { hasCode, PosternError } from '../../core/error.ts';
import { isVersion } from './semantic-version.ts';

/** How long the registry may take, and npm altogether, ms. */
const FETCH_MS = 10_000;
const NPM_MS = 20_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** The version that `npm install -g <name>` would install. Throws CLI_REGISTRY. */
export async function newestVersion(name: string): Promise<string> {
  const version = parse(await askNpm(name));
  // It ends up in a command that people copy.
  if (typeof version === 'string' && isVersion(version)) return version;
  throw failure('what it answers is not a version');
}

async function askNpm(name: string): Promise<string> {
  const bounds = ['--fetch-retries=0', `--fetch-timeout=${FETCH_MS}`, '--no-update-notifier'];
  // Global: a file of the folder we happen to be in has no say.
  const args = ['view', name, 'version', '--json', '--global', ...bounds];
  const options = { timeout: NPM_MS, maxBuffer: MAX_OUTPUT_BYTES };
  return new Promise((resolve, reject) => {
    execFile('npm', args, options, (cause, stdout) => {
      if (cause === null) return resolve(stdout);
      if (hasCode(cause, 'ENOENT')) return reject(failure('npm is not installed', cause));
      if (cause.killed === true) return reject(failure(`no answer in ${NPM_MS / 1000} s`, cause));
      reject(failure(summaryOf(stdout), cause));
    });
  });
}

/** What npm says went wrong: `{"error":{"code":"E404","summary":"…"}}`. */
function summaryOf(output: string): string {
  const error: unknown = Reflect.get(Object(parse(output)), 'error');
  const [code, summary]: unknown[] = ['code', 'summary'].map((key) =>
    Reflect.get(Object(error), key),
  );
  const said = [code, summary].filter((part) => typeof part === 'string' && part !== '');
  return said.length === 0 ? 'npm failed' : said.join(': ');
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function failure(why: string, cause?: unknown): PosternError {
  const message = `Cannot ask the npm registry for the newest version: ${why}`;
  return new PosternError('CLI_REGISTRY', message, { cause });
}
