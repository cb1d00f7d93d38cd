/**
 * Calls the admin API of a running gateway over its Unix socket. One connection a call; errors come back as they were
 * thrown, by code and message. docs/decisions/0008.
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { codeOf, hasCode, isPosternError, messageOf, PosternError } from '../core/error.ts';
import type { AdminCall, AdminCalls, AdminPort } from './admin-api.ts';
import { followFeed } from './follow-feed.ts';
import { ADMIN_PATH, parseAdminAnswer } from './admin-request.ts';

export interface AdminClientOptions {
  /** From adminSocketPath(). */
  readonly path: string;
  /** Who asks, for the audit log: `cli:alice`. */
  readonly actor: string;
}

/** How long the gateway may stay silent, ms. */
const ANSWER_MS = 30_000;
/** What is answered when it is over, however long that takes: the gateway has limits of its own for a new worker. */
const LONG_CALLS: ReadonlySet<AdminCall> = new Set([
  'gateway.drain',
  'gateway.reload',
  'gateway.roll-back',
]);
/** Largest answer, bytes: a list of a hundred thousand tunnels. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export class AdminClient implements AdminPort {
  readonly #options: AdminClientOptions;

  constructor(options: AdminClientOptions) {
    this.#options = options;
  }

  /** As AdminPort says; CLI_GATEWAY_RUNNING when the socket cannot be used, CLI_FAILED when the answer is cut off. */
  async call<C extends AdminCall>(
    call: C,
    params: AdminCalls[C]['params'],
  ): Promise<AdminCalls[C]['result']> {
    const body = JSON.stringify({ actor: this.#options.actor, params });
    const { status, text } = await this.#post(call, body);
    // The gateway is ours, and its socket is for its own user.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return parseAdminAnswer(status, text) as AdminCalls[C]['result'];
  }

  /**
   * Makes a call whose answer goes on, and hands on its lines. Resolves when the gateway ends it, or `onLine` returns false. Throws
   * what call() does.
   */
  async follow<C extends AdminCall>(
    call: C,
    params: AdminCalls[C]['params'],
    onLine: (line: unknown) => Promise<boolean>,
  ): Promise<void> {
    const body = JSON.stringify({ actor: this.#options.actor, params });
    const { request, response } = await this.#ask(call, body, undefined);
    try {
      if (response.statusCode === 200) await followFeed(response, onLine);
      else parseAdminAnswer(response.statusCode ?? 0, await readAnswer(response));
    } catch (cause) {
      throw this.#failure(call, cause);
    } finally {
      request.destroy();
    }
  }

  async close(): Promise<void> {
    // Nothing is kept between calls.
  }

  async #post(call: AdminCall, body: string): Promise<{ status: number; text: string }> {
    const timeout = LONG_CALLS.has(call) ? undefined : ANSWER_MS;
    const { request, response } = await this.#ask(call, body, timeout);
    try {
      return { status: response.statusCode ?? 0, text: await readAnswer(response) };
    } catch (cause) {
      throw this.#failure(call, cause);
    } finally {
      request.destroy();
    }
  }

  /** Resolves with the head of the answer. */
  async #ask(
    call: AdminCall,
    body: string,
    timeout: number | undefined,
  ): Promise<{ request: ClientRequest; response: IncomingMessage }> {
    const { path: socketPath } = this.#options;
    const request = httpRequest({
      socketPath,
      method: 'POST',
      path: `${ADMIN_PATH}${call}`,
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      ...(timeout !== undefined && { timeout }),
    });
    request.once('timeout', () => {
      request.destroy(
        new PosternError('CLI_FAILED', `Cannot finish ${call}: no answer in ${ANSWER_MS} ms`),
      );
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', reject);
    });
    request.end(body);
    try {
      return { request, response: await answered };
    } catch (cause) {
      request.destroy();
      throw this.#failure(call, cause);
    }
  }

  #failure(call: AdminCall, cause: unknown): PosternError {
    if (isPosternError(cause)) return cause;
    const { path } = this.#options;
    if (hasCode(cause, 'EACCES') || hasCode(cause, 'EPERM')) {
      const remedy = "run the command as the gateway's user";
      const message = `Cannot use admin socket "${path}": permission denied; ${remedy}`;
      return new PosternError('CLI_GATEWAY_RUNNING', message, { cause });
    }
    const why = hasCode(cause, 'ECONNRESET') ? 'the gateway went away' : messageOf(cause);
    const message = `Cannot finish ${call}: ${why} (${codeOf(cause) ?? 'no code'} on "${path}")`;
    return new PosternError('CLI_FAILED', message, { cause });
  }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) {
      throw new PosternError('CLI_FAILED', 'Cannot read the answer of the gateway: it is too long');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
