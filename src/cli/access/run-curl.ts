/**
 * Runs the system's curl with what an application wants to be shown.
 *
 * The secret goes through an open file without a name and never on the command line, which every user of the machine can read (case L9). A token goes as
 * a cookie of exactly that host: curl keeps it there whatever redirects and further addresses there are (case L5). The exit status is
 * curl's own.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants } from 'node:os';
import { openHiddenFile } from '../../client/hidden-file.ts';
import { hasCode, PosternError } from '../../core/error.ts';
import type { AppPass } from './app-token.ts';

export interface CurlRun {
  readonly url: URL;
  /** As the user wrote them. */
  readonly args: readonly string[];
  readonly pass: AppPass;
  /** Where the connection goes, where that is not the host itself. */
  readonly gateway?: URL | undefined;
  readonly caFile?: string | undefined;
  /** The client's folder. */
  readonly home: string;
}

/** Where curl finds the secret: the first open file after stdin, stdout and stderr. */
const SECRET = '/dev/fd/3';

/** Runs it to its end; resolves with its exit status. Rejects with CLI_FAILED when there is no curl. */
export async function runCurl(run: CurlRun): Promise<number> {
  if (process.platform === 'win32' && run.pass.kind !== 'none') {
    const why = 'on Windows there is no way to hand it the token; use "access token --print"';
    throw new PosternError('CLI_FAILED', `Cannot run curl: ${why}`);
  }
  const secret = await openHiddenFile(run.home, secretText(run));
  try {
    const stdio = ['inherit', 'inherit', 'inherit', secret.fd] as const;
    const child = spawn('curl', curlArguments(run), { stdio: [...stdio] });
    const [code, signal]: unknown[] = await once(child, 'close');
    return typeof code === 'number' ? code : statusOfSignal(signal);
  } catch (cause) {
    const why = hasCode(cause, 'ENOENT') ? 'it is not installed' : 'it cannot be started';
    throw new PosternError('CLI_FAILED', `Cannot run curl: ${why}`, { cause });
  } finally {
    await secret.close();
  }
}

/** As shells say it. */
function statusOfSignal(signal: unknown): number {
  const [, number = 1] = Object.entries(constants.signals).find(([name]) => name === signal) ?? [];
  return 128 + number;
}

/** Without anything secret. */
function curlArguments({ url, args, pass, gateway, caFile }: CurlRun): string[] {
  const secret = {
    none: [],
    'app-token': ['--cookie', SECRET],
    'service-token': ['--config', SECRET],
  }[pass.kind];
  return [
    ...secret,
    ...(caFile === undefined ? [] : ['--cacert', caFile]),
    ...(gateway === undefined
      ? []
      : ['--connect-to', `${url.hostname}:${portOf(url)}:${gateway.hostname}:${portOf(gateway)}`]),
    ...args,
    // What the user wrote may end in an option that takes a value: then it takes this one, and curl says so.
    '--url',
    url.href,
  ];
}

function portOf({ port }: URL): string {
  return port === '' ? '443' : port;
}

/** A cookie file, or a config file, of curl. */
function secretText({ url, pass }: CurlRun): string {
  switch (pass.kind) {
    case 'none':
      return '';
    case 'app-token': {
      const { token, application } = pass.token;
      const name = createHash('sha256').update(application).digest('hex').slice(0, 12);
      const fields = [url.hostname, 'FALSE', '/', 'TRUE', '0', `__Host-postern_app_${name}`, token];
      return `# Netscape HTTP Cookie File\n${fields.join('\t')}\n`;
    }
    case 'service-token':
      // A header would follow redirects to other hosts.
      return [
        `header = "Postern-Service-Token-Id: ${quoted(pass.id)}"`,
        `header = "Postern-Service-Token-Secret: ${quoted(pass.secret)}"`,
        'max-redirs = 0',
        'proto = "=https"',
        '',
      ].join('\n');
  }
}

function quoted(text: string): string {
  return text.replaceAll(/[\\"]/g, '\\$&').replaceAll(/[\r\n]/g, '');
}
