/**
 * WebSockets that stay open and never fall silent: numbered messages of random sizes, each of which must come back whole
 * and in turn. A user whose WebSocket ends opens a new one; whether it was allowed to end is not decided here.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { WebSocket } from 'ws';

import { cleanup } from '../cleanup.ts';
import type { Gateway } from '../gateway.ts';
import { patternBytes } from '../pattern.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { Failure } from './load.ts';
import { UsersLoad } from './users-load.ts';

export interface WebSocketLoadOptions {
  readonly gateway: Gateway;
  /** Leads to an http-origin.ts, whose `/ws` echoes. */
  readonly hostname: string;
  readonly random: SeededRandom;
  readonly users: number;
  /** Between two messages of one user, ms. */
  readonly paceMs: number;
}

const MOST_BYTES = 64 * 1024;
/** A message has its place in the pattern in front. */
const HEADER_BYTES = 8;
/** How long the last messages may take to come back, and the close to be answered, ms. */
const PATIENCE_MS = 60_000;
const NORMAL = 1000;
/** Before a user who could not connect, or was cut off, tries again, ms. */
const AGAIN_MS = 50;

export class WebSocketLoad extends UsersLoad {
  readonly #options: WebSocketLoadOptions;

  constructor(options: WebSocketLoadOptions) {
    super('websocket', options.users);
    this.#options = options;
    this.begin(async (user) => this.#use(user));
  }

  async #use(user: number): Promise<void> {
    while (!this.isOver) {
      const conversation = new Conversation(this.#options, (bytes) => {
        this.tally.moved(user, bytes);
        this.tally.succeeded();
      });
      this.tally.count('opened');
      const failure = await conversation.hold(() => this.isOver);
      if (failure === undefined) continue;
      this.tally.failed(failure);
      await delay(AGAIN_MS);
    }
  }
}

/** One WebSocket from its dial to its end. */
class Conversation {
  readonly #options: WebSocketLoadOptions;
  readonly #returned: (bytes: number) => void;
  readonly #socket: WebSocket;
  readonly #connectedAt = performance.now();
  readonly #ended: Promise<number>;
  /** Places and lengths of the messages that are not back. */
  readonly #awaited: { readonly from: number; readonly bytes: number }[] = [];
  #back = 0;
  #error: string | undefined;
  #errorHow: Failure['how'] = 'broken';
  #isOpen = false;
  #isClosing = false;
  /** Of the answer that was no WebSocket. */
  #status: number | undefined;

  constructor(options: WebSocketLoadOptions, returned: (bytes: number) => void) {
    this.#options = options;
    this.#returned = returned;
    const { host, port, ...tls } = options.gateway.connectOptions(options.hostname);
    const headers = { host: options.hostname };
    this.#socket = new WebSocket(`wss://${host}:${port}/ws`, [], { ...tls, headers });
    cleanup(() => this.#socket.terminate());
    this.#socket.on('open', () => {
      this.#isOpen = true;
      this.#closeWhenAllIsBack();
    });
    this.#socket.on('error', (error) => this.#note(error));
    this.#socket.on('message', (data) => this.#take(Buffer.isBuffer(data) ? data : undefined));
    this.#ended = new Promise((resolve) => this.#socket.on('close', resolve));
  }

  /** Talks until told that it is over. Resolves with what went wrong, if anything did. */
  async hold(isOver: () => boolean): Promise<Omit<Failure, 'kind' | 'failedAt'> | undefined> {
    while (this.#socket.readyState !== WebSocket.CLOSED && !isOver()) {
      if (this.#isOpen) this.#send();
      await Promise.race([this.#ended, delay(this.#options.paceMs)]);
    }
    this.#isClosing = true;
    this.#closeWhenAllIsBack();
    const late = setTimeout(() => this.#lose('hung', 'the last did not come back'), PATIENCE_MS);
    const code = await this.#ended.finally(() => clearTimeout(late));
    if (this.#error === undefined && code === NORMAL && isOver()) return undefined;
    const answer = this.#status ?? (code === 1006 ? undefined : code);
    return {
      what: `a WebSocket, ${this.#back} messages of which came back and ${this.#awaited.length} did not`,
      how: this.#errorHow === 'broken' && answer !== undefined ? 'answered' : this.#errorHow,
      detail: `close code ${code}, ${this.#error ?? 'no error'}`,
      code: answer ?? code,
      connectedAt: this.#connectedAt,
    };
  }

  #send(): void {
    const { random } = this.#options;
    const bytes = HEADER_BYTES + random.magnitude(MOST_BYTES);
    const from = random.below(2 ** 32);
    this.#awaited.push({ from, bytes });
    this.#socket.send(message(from, bytes));
  }

  #take(data: Buffer | undefined): void {
    const next = this.#awaited.shift();
    if (next === undefined || data?.equals(message(next.from, next.bytes)) !== true) {
      return this.#lose('wrong', `message ${this.#back} is not the one that was sent`);
    }
    this.#back += 1;
    this.#returned(next.bytes);
    this.#closeWhenAllIsBack();
  }

  #closeWhenAllIsBack(): void {
    if (this.#isClosing && this.#isOpen && this.#awaited.length === 0) this.#socket.close(NORMAL);
  }

  #note(error: Error): void {
    this.#error ??= error.message;
    if (Reflect.get(error, 'code') === 'ECONNREFUSED') this.#errorHow = 'refused';
    const status = /^Unexpected server response: (\d+)$/.exec(error.message)?.[1];
    if (status !== undefined) this.#status = Number(status);
  }

  #lose(how: Failure['how'], why: string): void {
    this.#errorHow = how;
    this.#error = why;
    this.#socket.terminate();
  }
}

function message(from: number, bytes: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeBigUInt64BE(BigInt(from));
  return Buffer.concat([header, patternBytes(bytes - HEADER_BYTES, from)]);
}
