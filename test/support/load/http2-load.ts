/**
 * Users of a web application over HTTP/2: requests side by side on one connection each. Told to go away, a user finishes
 * there what was begun and makes a new connection for the rest, as browsers do. As they do, a user asks again for what the
 * server says that it has not begun to process (RFC 9113 §8.7), and for nothing else.
 */
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';

import { cleanup } from '../cleanup.ts';
import type { Gateway } from '../gateway.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { HttpJobError, randomJob, runHttpJob, type HttpCall, type HttpHead } from './http-job.ts';
import type { HttpJob } from './http-job.ts';
import { UsersLoad } from './users-load.ts';

export interface Http2LoadOptions {
  readonly gateway: Gateway;
  /** Leads to an http-origin.ts. */
  readonly hostname: string;
  readonly random: SeededRandom;
  /** How many users, each with a connection. */
  readonly users: number;
  /** How many requests of one user are under way at once. */
  readonly together: number;
  /** Between two requests of each of these, ms. */
  readonly paceMs: number;
}

const MOST_BYTES = 256 * 1024;
/** Connections that one request may be tried on. */
const MOST_TRIES = 3;

export class Http2Load extends UsersLoad {
  readonly #options: Http2LoadOptions;

  constructor(options: Http2LoadOptions) {
    super('http2', options.users);
    this.#options = options;
    this.begin(async (user) => this.#use(user));
  }

  async #use(user: number): Promise<void> {
    const connection = new Connection(this.#options, () => this.tally.count('connections'));
    const ask = async (): Promise<void> => {
      while (!this.isOver) {
        await this.#ask(user, connection);
        await delay(this.#options.paceMs);
      }
    };
    await Promise.all(Array.from({ length: this.#options.together }, ask));
    connection.close();
  }

  async #ask(user: number, connection: Connection): Promise<void> {
    const { hostname, random } = this.#options;
    const job = randomJob(random, MOST_BYTES);
    for (let tries = 1; ; tries += 1) {
      const carrier = connection.current();
      const call = callHttp2(carrier.session, hostname, job);
      try {
        await runHttpJob(job, call, (bytes) => this.tally.moved(user, bytes));
        return this.tally.succeeded();
      } catch (error) {
        if (!(error instanceof HttpJobError)) throw error;
        if (call.isUnprocessed() && tries < MOST_TRIES) {
          this.tally.count('asked again');
          continue;
        }
        return this.tally.failed({
          what: `${job.method} of ${job.bytes} bytes as stream ${call.id() ?? 'none'}`,
          how: error.how,
          detail: `${error.message}, ${carrier.toString()}`,
          code: error.status,
          connectedAt: carrier.beganAt,
        });
      }
    }
  }
}

/** One session, from its first request until it goes away. */
interface Carrier {
  readonly session: ClientHttp2Session;
  readonly beganAt: number;
  toString(): string;
}

/** The session that takes new requests now. */
class Connection {
  readonly #options: Http2LoadOptions;
  readonly #opened: () => void;
  #carrier: Carrier | undefined;

  constructor(options: Http2LoadOptions, opened: () => void) {
    this.#options = options;
    this.#opened = opened;
  }

  current(): Carrier {
    this.#carrier ??= this.#open();
    return this.#carrier;
  }

  close(): void {
    this.#carrier?.session.close();
  }

  #open(): Carrier {
    this.#opened();
    const { gateway, hostname } = this.#options;
    const { host, port, ...tls } = gateway.connectOptions(hostname);
    let fate = 'not told to go away';
    const session = connect(`https://${hostname}:${port}`, {
      createConnection: () => {
        const socket = connectTls({ host, port, ...tls, ALPNProtocols: ['h2'] });
        socket.once('secureConnect', () => {
          if (socket.alpnProtocol !== 'h2') socket.destroy(new Error('it speaks no HTTP/2'));
        });
        return socket;
      },
    });
    const carrier: Carrier = { session, beganAt: performance.now(), toString: () => fate };
    const leave = (why: string): void => {
      fate = why;
      if (this.#carrier === carrier) this.#carrier = undefined;
    };
    session.on('goaway', (code, last) => leave(`told to go away (${code}) after stream ${last}`));
    session.on('close', () => leave(`${fate}, then closed`));
    // Each request on it says what became of it.
    session.on('error', () => undefined);
    cleanup(() => session.destroy());
    return carrier;
  }
}

interface Http2Call extends HttpCall {
  readonly id: () => number | undefined;
  /** Whether the server, or what it said before, makes sure that it has not begun with it. */
  readonly isUnprocessed: () => boolean;
}

function callHttp2(session: ClientHttp2Session, hostname: string, job: HttpJob): Http2Call {
  let isRefused = false;
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: job.method,
    [constants.HTTP2_HEADER_PATH]: job.path,
    [constants.HTTP2_HEADER_AUTHORITY]: hostname,
  });
  stream.on('error', () => (isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM));
  const head = new Promise<HttpHead>((resolve, reject) => {
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('it was closed without an answer')));
    stream.on('response', (headers) => {
      const { ':status': status = 0, 'x-request-id': requestId = '' } = headers;
      resolve({
        status,
        requestId: String(requestId),
        body: stream,
        isGone: () => session.destroyed,
      });
    });
  });
  return {
    body: stream,
    head,
    destroy: (error) => stream.destroy(error),
    id: () => stream.id,
    isUnprocessed: () => isRefused,
  };
}
