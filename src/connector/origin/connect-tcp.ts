/**
 * A TCP connection to the first of several checked addresses that answers (RFC 8305, "happy eyeballs"): families take
 * turns, the next address starts when the one before fails or has not answered for 250 ms, the first to connect wins.
 *
 * Takes addresses, never names: nothing is looked up here. Every socket but the winner is destroyed.
 */
import { connect, isIPv6, type Socket } from 'node:net';
import type { Clock, Timer } from '../../core/clock.ts';
import { connectError } from './origin-error.ts';

export interface TcpTarget {
  /** `host:port` as the rule has it, for messages. */
  readonly origin: string;
  /** At least one. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** First TCP keep-alive probe after so many ms without traffic. 0: none. */
  readonly keepAliveMs: number;
  /** False: one address at a time, each with its share of `timeoutMs`. */
  readonly isRacing: boolean;
  /** What `signal` allows in all, ms; only used to share it out. */
  readonly timeoutMs: number;
}

/** RFC 8305 §5, "Connection Attempt Delay". */
const NEXT_ATTEMPT_MS = 250;

/**
 * A connected socket: half-open allowed, Nagle off, nothing read from it. Rejects with ORIGIN_* when all addresses
 * fail, and with the reason of `signal`.
 */
export function connectTcp(target: TcpTarget, signal: AbortSignal, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const race = new ConnectRace(target, clock, {
      won: (socket) => {
        signal.removeEventListener('abort', stop);
        resolve(socket);
      },
      lost: (failures) => {
        signal.removeEventListener('abort', stop);
        reject(connectError(target.origin, failures));
      },
    });
    const stop = (): void => {
      race.abandon();
      reject(signal.reason);
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    race.start();
  });
}

interface RaceEvents {
  won(socket: Socket): void;
  lost(failures: readonly unknown[]): void;
}

class ConnectRace {
  readonly #target: TcpTarget;
  readonly #clock: Clock;
  readonly #events: RaceEvents;
  readonly #waiting: string[];
  readonly #running = new Set<Socket>();
  readonly #failures: unknown[] = [];
  readonly #nextAfterMs: number;
  #timer: Timer | undefined;

  constructor(target: TcpTarget, clock: Clock, events: RaceEvents) {
    this.#target = target;
    this.#clock = clock;
    this.#events = events;
    this.#waiting = target.isRacing ? takingTurns(target.addresses) : [...target.addresses];
    this.#nextAfterMs = target.isRacing
      ? NEXT_ATTEMPT_MS
      : target.timeoutMs / target.addresses.length;
  }

  start(): void {
    this.#timer?.cancel();
    const address = this.#waiting.shift();
    if (address === undefined) return;
    this.#attempt(address);
    if (this.#waiting.length > 0) {
      this.#timer = this.#clock.after(this.#nextAfterMs, () => this.#overtake());
    }
  }

  /** Destroys every socket that has not won. */
  stop(): void {
    this.#timer?.cancel();
    this.#waiting.length = 0;
    for (const socket of this.#running) socket.destroy();
    this.#running.clear();
  }

  /** Stops because nobody wants the connection any more. */
  abandon(): void {
    for (const socket of this.#running) resetSoon(socket);
    this.#running.clear();
    this.stop();
  }

  #attempt(address: string): void {
    const { port, keepAliveMs } = this.#target;
    const socket = connect({
      host: address,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: keepAliveMs > 0,
      keepAliveInitialDelay: keepAliveMs,
      autoSelectFamily: false,
    });
    this.#running.add(socket);
    socket.once('connect', () => {
      // A socket that was destroyed may still have its 'connect' under way.
      if (!this.#running.delete(socket)) return;
      this.stop();
      this.#events.won(socket);
    });
    // Stays after the race: an error before the next owner listens must not end the process.
    socket.on('error', (error) => {
      if (this.#running.delete(socket)) this.#fail(error);
    });
  }

  #fail(error: unknown): void {
    this.#failures.push(error);
    if (this.#waiting.length > 0) this.start();
    else if (this.#running.size === 0) this.#events.lost(this.#failures);
  }

  #overtake(): void {
    if (!this.#target.isRacing) {
      for (const socket of this.#running) socket.destroy();
      this.#running.clear();
      this.#failures.push(
        Object.assign(new Error('No answer in its share of the time'), { code: 'ETIMEDOUT' }),
      );
    }
    this.start();
  }
}

/**
 * Resets a connection that the kernel has made already, which an origin would else take for one that carried nothing. We
 * hear of it at the next look at the kernel, which is between two immediates; one that is not made by then just ends.
 */
function resetSoon(socket: Socket): void {
  socket.once('connect', () => socket.resetAndDestroy());
  setImmediate(() => setImmediate(() => socket.destroy()));
}

/** The first address' family first, then one of each in turn (RFC 8305 §4). */
function takingTurns(addresses: readonly string[]): string[] {
  const [first = ''] = addresses;
  const preferred = addresses.filter((address) => isIPv6(address) === isIPv6(first));
  const other = addresses.filter((address) => isIPv6(address) !== isIPv6(first));
  return preferred
    .flatMap((address, turn) => [address, ...other.slice(turn, turn + 1)])
    .concat(other.slice(preferred.length));
}
