/**
 * Clients of a TCP port that leads through a tunnel: as fast as they can, at a fixed pace, or checking what is echoed.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { cleanup } from './cleanup.ts';
import { patternBytes, PatternCheck, PatternSource } from './pattern.ts';

/** Connects to a port of 127.0.0.1, half-open allowed. How it breaks is the test's to look at, never a crash. */
export function openTcp(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  return socket;
}

/** Sends the same 256 KiB for as long as the socket takes them: fast. */
export function pour(socket: Socket): void {
  const chunk = patternBytes(256 * 1024);
  pourFrom(socket, () => chunk);
}

/** Sends the pattern for as long as the socket takes it: to be checked. */
export function pourPattern(socket: Socket): void {
  const source = new PatternSource();
  pourFrom(socket, () => source.next(64 * 1024));
}

function pourFrom(socket: Socket, next: () => Buffer): void {
  const send = (): void => {
    while (socket.writable && socket.write(next())) {
      // The socket says when to stop.
    }
  };
  socket.on('drain', send);
  send();
}

/** Takes the pattern out of a socket at a fixed pace and checks it. The rest stays in the kernel. */
export class SlowClient {
  readonly #check = new PatternCheck();

  constructor(socket: Socket, bytesPerSecond: number) {
    const since = performance.now();
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - since) / 1000) * bytesPerSecond);
      const chunk: unknown = socket.read(
        Math.min(due - this.bytes, bytesPerSecond, socket.readableLength || 1),
      );
      if (Buffer.isBuffer(chunk)) this.#check.push(chunk);
    }, 50);
    socket.on('close', () => clearInterval(timer));
  }

  /** How many bytes it took, all of them right. */
  get bytes(): number {
    return this.#check.bytes;
  }
}

/** A client of an echo that sends the pattern from a place of its own on, and checks that just that comes back. */
export class EchoClient {
  readonly #socket: Duplex;
  readonly #source: PatternSource;
  readonly #check: PatternCheck;
  #sent = 0;
  #onAll: () => void = () => undefined;
  #onFail: (error: unknown) => void = () => undefined;

  constructor(socket: Duplex, offset: number) {
    this.#socket = socket;
    this.#source = new PatternSource(offset);
    this.#check = new PatternCheck(offset);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('close', () => this.#onFail(new Error('Cannot wait for the echo: it closed')));
  }

  /** Sends so many bytes and resolves when they are back. */
  round(bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onAll = resolve;
      this.#onFail = reject;
      this.#sent += bytes;
      this.#socket.write(this.#source.next(bytes));
    });
  }

  /** Ends, and resolves when the echo has ended too, with nothing more in between. */
  async end(): Promise<void> {
    this.#socket.end();
    await once(this.#socket, 'end');
    if (this.#check.bytes !== this.#sent) {
      throw new Error(`Cannot accept the end: ${this.#check.bytes} bytes of ${this.#sent} came`);
    }
  }

  #take(chunk: Buffer): void {
    try {
      this.#check.push(chunk);
    } catch (error) {
      this.#onFail(error);
    }
    if (this.#check.bytes === this.#sent) this.#onAll();
  }
}
