/** Asks the operators' server of a connector whether it is ready. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { formatListenAddress, type ListenAddress } from '../../config/listen-address.ts';
import { codeOf, isPosternError, messageOf, PosternError } from '../../core/error.ts';

/** How long the answer may take, ms: probes are asked again soon. */
const ANSWER_MS = 3_000;
/** Largest answer, bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** What /ready says when it says yes. Throws CLI_NOT_READY for every other outcome. */
export async function askReadiness(address: ListenAddress): Promise<object> {
  const shown = formatListenAddress(address);
  try {
    const { status, body } = await ask(address);
    if (status === 200) return Object(JSON.parse(body));
    throw notReady(shown, `it answers ${status}: ${body.trim()}`);
  } catch (cause) {
    if (isPosternError(cause)) throw cause;
    const isRefused = codeOf(cause) === 'ECONNREFUSED';
    throw notReady(shown, isRefused ? 'nothing listens there' : messageOf(cause), cause);
  }
}

async function ask({ host, port }: ListenAddress): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  // What listens on every address listens on this one.
  const isEvery = host === '' || host === '0.0.0.0' || host === '::';
  const request = httpRequest({
    host: isEvery ? 'localhost' : host,
    port,
    path: '/ready',
    agent: false,
    signal,
  });
  try {
    request.end();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', (error) => {
        reject(signal.aborted ? new Error(`no answer in ${ANSWER_MS} ms`) : error);
      });
    });
    return { status: response.statusCode ?? 0, body: await read(response) };
  } finally {
    request.destroy();
  }
}

async function read(response: IncomingMessage): Promise<string> {
  let body = '';
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    body += text;
    if (body.length > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too long'));
  });
  await once(response, 'end');
  return body;
}

function notReady(shown: string, why: string, cause?: unknown): PosternError {
  const message = `Cannot call the connector at "${shown}" ready: ${why}`;
  return new PosternError('CLI_NOT_READY', message, { cause });
}
