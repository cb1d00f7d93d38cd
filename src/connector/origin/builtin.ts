/**
 * The services that need no origin: `http_status:NNN` and `hello_world`. They speak real HTTP, through a server that
 * never listens and is handed one end of an in-memory connection, so the gateway meets them like any other origin.
 *
 * Answers are small and made at once; request bodies are thrown away. A connection that stays idle is closed.
 */
import { createServer, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import { createDuplexPair } from './duplex-pair.ts';
import {
  HELLO_POLICY,
  renderHelloJson,
  renderHelloPage,
  type HelloIdentity,
  type HelloRequest,
} from './hello-page.ts';

/** What a connection answers: a fixed status, or the page. */
export type BuiltinAnswer =
  { readonly kind: 'http-status'; readonly status: number } | { readonly kind: 'hello-world' };

export class BuiltinOrigin {
  readonly #identity: HelloIdentity;
  readonly #clock: Clock;
  readonly #answers = new WeakMap<Duplex, BuiltinAnswer>();
  readonly #connections = new Set<Duplex>();
  readonly #server = createServer(
    // What the Keep-Alive header promises; our own timer below keeps it.
    { keepAliveTimeout: LIMITS.builtinIdleMs },
    (request, response) => this.#answer(request, response),
  );

  constructor(identity: HelloIdentity, clock: Clock) {
    this.#identity = identity;
    this.#clock = clock;
    // Node's own name for it, without documentation: a client that has ended its side still gets its answers.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
  }

  /** A new connection that answers every request with `answer`. The caller owns the stream. */
  connect(answer: BuiltinAnswer): Duplex {
    const [ours, theirs] = createDuplexPair();
    this.#answers.set(ours, answer);
    this.#connections.add(ours);
    // A server that never listens enforces none of its own timeouts.
    let idle: Timer | undefined;
    const restart = (): void => {
      idle?.cancel();
      idle = this.#clock.after(LIMITS.builtinIdleMs, () => ours.destroy());
    };
    restart();
    this.#server.emit('connection', ours);
    ours.on('data', restart);
    ours.once('close', () => {
      idle?.cancel();
      this.#connections.delete(ours);
    });
    // An error before the next owner listens must not end the process.
    theirs.on('error', () => undefined);
    return theirs;
  }

  /** Destroys every connection. */
  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const answer = this.#answers.get(request.socket);
    if (answer?.kind === 'http-status') answerStatus(response, answer.status);
    else answerHello(request, response, this.#identity);
  }
}

function answerStatus(response: ServerResponse, status: number): void {
  const hasBody = status !== 204 && status !== 304;
  const body = hasBody ? `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd() + '\n' : '';
  response.writeHead(status, {
    ...(hasBody && { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length }),
  });
  response.end(body);
}

function answerHello(
  request: IncomingMessage,
  response: ServerResponse,
  identity: HelloIdentity,
): void {
  const shown: HelloRequest = {
    method: request.method ?? '',
    url: request.url ?? '',
    version: `HTTP/${request.httpVersion}`,
    headers: pairs(request.rawHeaders),
  };
  const wantsJson = prefersJson(request.headers.accept ?? '');
  const body = wantsJson ? renderHelloJson(identity, shown) : renderHelloPage(identity, shown);
  response.writeHead(200, {
    'content-type': wantsJson ? 'application/json; charset=utf-8' : 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'content-security-policy': HELLO_POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    vary: 'Accept',
  });
  response.end(body);
}

/** JSON for whoever asks for it and does not ask for HTML too; weights are not compared. */
function prefersJson(accept: string): boolean {
  return /\bapplication\/json\b/i.test(accept) && !/\btext\/html\b/i.test(accept);
}

function pairs(rawHeaders: readonly string[]): [string, string][] {
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']);
  }
  return headers;
}
