/**
 * The users' connections of a server, and whether each has a request under way.
 *
 * Node hands out pipelined requests all at once; here a connection's requests run one after the other, and few may wait,
 * so that one packet of tiny requests does not open a thousand streams. Also what a drain needs: which are idle.
 */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { PosternError } from '../../../core/error.ts';
import { notTaken } from '../limits/not-taken.ts';
import { endAndLinger } from './client-response.ts';

/** Pipelined requests that may wait on one connection. Clients that pipeline at all send a handful. */
export const MAX_PIPELINED = 32;

/** A request under way, as far as an error of the parser concerns it. */
export interface Running {
  /** Whether its body is still coming. */
  readonly isReceiving: boolean;
  fail(error: PosternError): void;
}

interface Connection {
  isBusy: boolean;
  /** Bytes that the user's side had taken when it was last looked at, and since when it has been so many, by the clock. */
  taken: number;
  takenAt: number;
  /** Since when it has been busy or idle, as performance.now() counts. */
  since: number;
  /** Kept here and not in a map of its own: one that changes with each request costs more to collect than to use. */
  running: Running | undefined;
  readonly waiting: (() => void)[];
  /** Nothing more is served on it. */
  isClosing: boolean;
  /** It is ours to close after the request under way. */
  endsAfter: boolean;
}

export class ClientConnections {
  readonly #connections = new Map<Socket, Connection>();

  get size(): number {
    return this.#connections.size;
  }

  /** Follows every connection of a server from now on. */
  track(server: EventEmitter): void {
    // A TLS server says `connection` too, for the socket underneath.
    const event = 'setSecureContext' in server ? 'secureConnection' : 'connection';
    server.on(event, (socket: Socket) => this.#add(socket));
  }

  /**
   * Runs `serve` now, or when the requests before it are done. Not at all where the connection is closing; more than
   * MAX_PIPELINED waiting requests end it.
   */
  run(socket: Socket, serve: () => void): void {
    const connection = this.#connections.get(socket) ?? this.#add(socket);
    if (connection.isClosing) return;
    if (!connection.isBusy) {
      connection.isBusy = true;
      connection.since = performance.now();
      serve();
    } else if (connection.waiting.length < MAX_PIPELINED) {
      connection.waiting.push(serve);
    } else {
      connection.isClosing = true;
      socket.destroy();
    }
  }

  /** The request that runs is over. `isLast` when the connection closes now. */
  done(socket: Socket, isLast: boolean): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.isBusy = false;
    connection.since = performance.now();
    connection.running = undefined;
    if (connection.endsAfter) endAndLinger(socket);
    if (isLast || connection.endsAfter) connection.isClosing = true;
    if (connection.isClosing) return;
    const next = connection.waiting.shift();
    if (next === undefined) return;
    connection.isBusy = true;
    connection.since = performance.now();
    next();
  }

  /** Remembers what runs on a connection, until done(). */
  setRunning(socket: Socket, running: Running): void {
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.running = running;
  }

  /** What runs on a connection, where setRunning() said so. */
  runningOn(socket: Socket): Running | undefined {
    return this.#connections.get(socket)?.running;
  }

  /** Whether a request runs on a connection. */
  isBusy(socket: Socket): boolean {
    return this.#connections.get(socket)?.isBusy ?? false;
  }

  /** Whether nothing more is served on a connection. */
  isClosing(socket: Socket): boolean {
    return this.#connections.get(socket)?.isClosing ?? true;
  }

  /** Ends a connection on which no request runs, with these last bytes. */
  endWith(socket: Socket, bytes: string): void {
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.isClosing = true;
    socket.write(bytes, 'latin1');
    endAndLinger(socket);
  }

  /** Closes the connection when the request under way is answered; those that wait get no answer. */
  endAfter(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.endsAfter = true;
  }

  /** The connection is no longer ours to count: it became a WebSocket or a link. */
  release(socket: Socket): void {
    this.#connections.delete(socket);
  }

  /**
   * Ends connections that have carried nothing for this long, ms. A request that crosses the end is lost to its user, as it
   * is whenever a server ends an idle connection: the longer it was idle, the less likely.
   */
  closeIdle(idleMs: number): void {
    const now = performance.now();
    for (const [socket, connection] of this.#connections) {
      if (connection.isBusy || connection.isClosing || now - connection.since < idleMs) continue;
      connection.isClosing = true;
      endAndLinger(socket);
    }
  }

  /** Cuts off users who have taken nothing of what is ready for them for more than `mostMs`. */
  cutStalled(now: number, mostMs: number): void {
    for (const [socket, connection] of this.#connections) {
      if (!connection.isBusy && !connection.isClosing) continue;
      const { writableLength, bytesWritten } = socket;
      const taken = bytesWritten - writableLength;
      if (writableLength === 0 || taken !== connection.taken) {
        connection.taken = taken;
        connection.takenAt = now;
      } else if (now - connection.takenAt > mostMs) {
        connection.running?.fail(notTaken(mostMs));
        socket.destroy();
      }
    }
  }

  /** Since when the oldest request has been under way, as performance.now() counts; undefined without any. */
  get busySince(): number | undefined {
    let oldest: number | undefined;
    for (const { isBusy, since } of this.#connections.values()) {
      if (isBusy && (oldest === undefined || since < oldest)) oldest = since;
    }
    return oldest;
  }

  /** Closes all of them at once. */
  destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #add(socket: Socket): Connection {
    const connection: Connection = {
      isBusy: false,
      taken: -1,
      takenAt: 0,
      since: performance.now(),
      running: undefined,
      waiting: [],
      isClosing: false,
      endsAfter: false,
    };
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#connections.delete(socket));
    return connection;
  }
}
