/**
 * Connections that carry checked bytes both ways at once, through a tunnel, with both ends in the test's own process.
 *
 * Each end sends a part of the pattern that no other stream has, so that a lost, repeated, reordered or misdirected
 * byte is found at once. An exchange is done when both ends have seen exactly what the other sent, and then its FIN.
 */
import { connect, type Socket } from 'node:net';

import { cleanup } from './cleanup.ts';
import { PatternCheck, PatternSource } from './pattern.ts';
import { startTcpOrigin, type TcpOrigin } from './real/tcp-origin.ts';
import { whenPeerEnds } from './real/peer-end.ts';

export interface ExchangePlan {
  /** What the client sends, in bytes. Infinity: until `finish`. */
  readonly up: number;
  /** What the origin sends, in bytes. */
  readonly down: number;
  /** Time between two writes of an end, in ms. Default 0: as fast as the socket takes them. */
  readonly paceMs?: number;
  /** Bytes of one write. Default 16 KiB. */
  readonly chunkBytes?: number;
}

/** Between the parts of the pattern that two ends send; no end sends as much. */
const SPACING = 2 ** 32;

const HEADER_BYTES = 4;

/** The origin of exchanges, and who starts them. */
export class Exchanges {
  readonly #open = new Map<number, Exchange>();
  #origin: TcpOrigin | undefined;
  #started = 0;
  #receivedBefore = 0;
  /** How often an origin saw a connection end that no client had made known: none may get lost on the way. */
  #strays = 0;

  static async start(): Promise<Exchanges> {
    const exchanges = new Exchanges();
    exchanges.#origin = await startTcpOrigin((socket) => exchanges.#serve(socket));
    return exchanges;
  }

  get origin(): TcpOrigin {
    if (this.#origin === undefined) throw new Error('Cannot name the origin: not started');
    return this.#origin;
  }

  /** Exchanges that were started and are not done. */
  get open(): readonly Exchange[] {
    return [...this.#open.values()];
  }

  get started(): number {
    return this.#started;
  }

  /** Bytes that arrived at either end of all exchanges so far. */
  get received(): number {
    return this.open.reduce((sum, { received }) => sum + received, this.#receivedBefore);
  }

  /** Connections that reached the origin and belonged to no exchange. */
  get strays(): number {
    return this.#strays;
  }

  /** Starts an exchange over a port that leads to the origin. */
  begin(port: number, plan: ExchangePlan): Exchange {
    this.#started += 1;
    const exchange = new Exchange(this.#started, port, plan);
    this.#open.set(exchange.id, exchange);
    const close = (): void => {
      this.#open.delete(exchange.id);
      this.#receivedBefore += exchange.received;
    };
    exchange.done.then(close, close);
    return exchange;
  }

  #serve(socket: Socket): void {
    let head = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      if (head.byteLength < HEADER_BYTES) return;
      socket.off('data', read);
      const exchange = this.#open.get(head.readUInt32BE(0));
      if (exchange === undefined) this.#strays += 1;
      else exchange.serve(socket, head.subarray(HEADER_BYTES));
    };
    socket.on('data', read);
  }
}

export class Exchange {
  readonly id: number;
  /** Resolves when both ends saw all and nothing else. Rejects at the first wrong byte, early end or reset. */
  readonly done: Promise<void>;
  readonly #plan: ExchangePlan;
  readonly #client: End;
  #server: End | undefined;
  #isFinishing = false;
  #isOver = false;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(id: number, port: number, plan: ExchangePlan) {
    this.id = id;
    this.#plan = plan;
    this.done = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const over = (): void => void (this.#isOver = true);
    this.done.then(over, over);
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    cleanup(() => socket.destroy());
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(id);
    socket.write(header);
    this.#client = this.#end('client', socket, plan.up, 0);
    this.#client.start();
  }

  /** For the origin: takes over the accepted socket. `early` came behind the header. */
  serve(socket: Socket, early: Buffer): void {
    this.#server = this.#end('origin', socket, this.#plan.down, 1);
    if (early.byteLength > 0) this.#server.take(early);
    if (this.#isFinishing) this.#server.finish();
    else this.#server.start();
  }

  /** Sends no more than was sent, from now on, and ends. */
  finish(): void {
    this.#isFinishing = true;
    this.#client.finish();
    this.#server?.finish();
  }

  /** Lets go of both ends, whatever became of them. */
  giveUp(): void {
    this.#client.destroy();
    this.#server?.destroy();
  }

  /** Whether `done` is settled. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the client has sent all it had to send and seen the end of what it was sent. */
  get isClientDone(): boolean {
    return this.#client.hasFinished && this.#client.isEnded;
  }

  /** Whether the connection got as far as the origin. */
  get hasArrived(): boolean {
    return this.#server !== undefined;
  }

  /** Bytes that arrived so far, at both ends together. */
  get received(): number {
    return this.#client.received + (this.#server?.received ?? 0);
  }

  /** Bytes that arrived at each end. */
  get receivedAt(): { readonly client: number; readonly origin: number } {
    return { client: this.#client.received, origin: this.#server?.received ?? 0 };
  }

  /** The longest time in which nothing arrived at one of the ends while the other was sending, in ms. */
  get longestGapMs(): number {
    return Math.max(this.#client.longestGapMs, this.#server?.longestGapMs ?? 0);
  }

  #end(name: string, socket: Socket, bytes: number, lane: 0 | 1): End {
    const at = (2 * this.id + lane) * SPACING;
    const expectedAt = (2 * this.id + 1 - lane) * SPACING;
    return new End({
      socket,
      bytes,
      paceMs: this.#plan.paceMs ?? 0,
      chunkBytes: this.#plan.chunkBytes ?? 16 * 1024,
      source: new PatternSource(at),
      check: new PatternCheck(expectedAt),
      onEnd: () => this.#ended(),
      onFail: (why) => this.#fail(name, why),
    });
  }

  #ended(): void {
    const [client, server] = [this.#client, this.#server];
    // Each is judged as soon as it has its FIN: behind that nothing more can come.
    const why = endProblem(client, server);
    if (why !== undefined) return this.#fail('client', why);
    if (server === undefined) return;
    const other = endProblem(server, client);
    if (other !== undefined) return this.#fail('origin', other);
    if (client.isEnded && server.isEnded) this.#resolve();
  }

  #fail(name: string, why: string): void {
    const sent = `${this.#client.sent} up and ${this.#server?.sent ?? 0} down were sent`;
    const came = `${this.#server?.received ?? 0} and ${this.#client.received} arrived`;
    this.#reject(new Error(`Exchange ${this.id}, ${name}: ${why} (${sent}, ${came})`));
  }
}

interface EndOptions {
  readonly socket: Socket;
  readonly bytes: number;
  readonly paceMs: number;
  readonly chunkBytes: number;
  readonly source: PatternSource;
  readonly check: PatternCheck;
  readonly onEnd: () => void;
  readonly onFail: (why: string) => void;
}

/** One end of an exchange. */
class End {
  readonly #options: EndOptions;
  #left: number;
  #sent = 0;
  #isEnded = false;
  #timer: NodeJS.Timeout | undefined;
  #lastAt = performance.now();
  #longestGapMs = 0;
  #error: string | undefined;

  constructor(options: EndOptions) {
    this.#options = options;
    this.#left = options.bytes;
    const { socket } = options;
    socket.on('error', (error) => (this.#error = String(Reflect.get(error, 'code'))));
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('drain', () => this.#send());
    socket.on('close', () => {
      clearTimeout(this.#timer);
      // An end that has all it waited for learns in no other way that it cannot send the rest.
      if (!socket.writableFinished) options.onFail('it closed before it had sent all');
    });
    whenPeerEnds(socket, (end) => this.#peerEnded(end));
  }

  get sent(): number {
    return this.#sent;
  }

  get received(): number {
    return this.#options.check.bytes;
  }

  /** Whether the other end's FIN arrived. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether it has sent its last byte and FIN. */
  get hasFinished(): boolean {
    return this.#options.socket.writableEnded;
  }

  get longestGapMs(): number {
    return this.#longestGapMs;
  }

  start(): void {
    this.#send();
  }

  finish(): void {
    this.#left = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#send();
  }

  destroy(): void {
    this.#options.socket.destroy();
  }

  take(chunk: Buffer): void {
    this.#moved();
    try {
      this.#options.check.push(chunk);
    } catch (error) {
      this.#options.onFail(String(error));
    }
  }

  #moved(): void {
    const now = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAt);
    this.#lastAt = now;
  }

  #peerEnded(end: 'fin' | 'reset'): void {
    this.#moved();
    if (end === 'reset' && !this.#isEnded) {
      const code = this.#error === undefined ? '' : ` (${this.#error})`;
      this.#options.onFail(`it was reset${code}`);
      return;
    }
    this.#isEnded = true;
    this.#options.onEnd();
  }

  #send(): void {
    const { socket, source, paceMs, chunkBytes } = this.#options;
    if (!socket.writable || this.#timer !== undefined) return;
    while (this.#left > 0) {
      const bytes = Math.min(this.#left, chunkBytes);
      this.#left -= bytes;
      this.#sent += bytes;
      const isTaken = socket.write(source.next(bytes));
      if (paceMs > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#send();
        }, paceMs);
        return;
      }
      if (!isTaken) return;
    }
    socket.end();
  }
}

/** What is wrong with the end that one of the two has seen, if it has seen one. */
function endProblem(to: End, from: End | undefined): string | undefined {
  if (!to.isEnded) return undefined;
  if (from === undefined) return 'it ended before it had reached the origin';
  if (!from.hasFinished) return 'it ended before the other end did';
  if (to.received === from.sent) return undefined;
  return `it ended after ${to.received} bytes of ${from.sent}`;
}
