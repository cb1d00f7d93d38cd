/**
 * Runs the system's curl with what an application wants to be shown.
 *
 * The secret goes through a pipe and never on the command line, which every user of the machine can read (case L9). A token goes as
 * a cookie of exactly that host: curl keeps it there whatever redirects and further addresses there are (case L5). The exit status is
 * curl's own.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { hasCode, PosternError } from '../core/error.ts';
import type { AppPass } from './app-token.ts';

export interface CurlRun {
  readonly url: URL;
  /** As the user wrote them. */
  readonly args: readonly string[];
  readonly pass: AppPass;
  /** Where the connection goes, where that is not the host itself. */
  readonly gateway?: URL | undefined;
  readonly caFile?: string | undefined;
}

/** The pipe that the secret goes through: the first after stdin, stdout and stderr. */
const PIPE = '/dev/fd/3';

/** Runs it to its end; resolves with its exit status. Rejects with CLI_FAILED when there is no curl. */
export async function runCurl(run: CurlRun): Promise<number> {
  if (process.platform === 'win32' && run.pass.kind !== 'none') {
    const message =
      'Cannot run curl: on Windows there is no pipe to hand it the token; use "access token --print"';
    throw new PosternError('CLI_FAILED', message);
  }
  const child = spawn('curl', curlArguments(run), {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  const secret = child.stdio[3];
  if (isWritable(secret)) {
    // One that ends before it reads says why by its exit status.
    secret.on('error', () => undefined);
    secret.end(secretText(run));
  }
  try {
    const [code, signal]: unknown[] = await once(child, 'close');
    return typeof code === 'number' ? code : 128 + (signal === 'SIGINT' ? 2 : 15);
  } catch (cause) {
    const why = hasCode(cause, 'ENOENT') ? 'it is not installed' : 'it cannot be started';
    throw new PosternError('CLI_FAILED', `Cannot run curl: ${why}`, { cause });
  }
}

/** Without anything secret. */
function curlArguments({ url, args, pass, gateway, caFile }: CurlRun): string[] {
  const secret = {
    none: [],
    'app-token': ['--cookie', PIPE],
    'service-token': ['--config', PIPE],
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

function isWritable(stream: unknown): stream is Writable {
  return typeof stream === 'object' && stream !== null && 'end' in stream;
}
