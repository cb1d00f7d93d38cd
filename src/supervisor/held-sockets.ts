/**
 * The listening sockets of a gateway, held for whichever worker serves: bound at the first request, the same at every later
 * one, and never listened on here. docs/decisions/0020.
 *
 * A socket is known by the address as it is written, and where the system chooses the port by its name too: a worker that
 * asks as its predecessor did gets what the predecessor had.
 */
import { lookup } from 'node:dns/promises';
import type { Clock } from '../core/clock.ts';
import { hasCode } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { addressOfHandle, bindHandle, bindPath, type ListeningHandle } from './listening-handle.ts';
import type { InheritedSocket } from './systemd-sockets.ts';
import type { SocketPlace } from './worker-message.ts';

/** How often a port is tried that a gateway which was killed may not have let go of, ms. */
const RETRY_MS = 25;

/** A socket that a worker asks for. */
export interface SocketRequest {
  readonly name: string;
  readonly place: SocketPlace;
  /** It answers administrators and probes, also while the last worker drains. */
  readonly isForOperators: boolean;
}

/** A socket, and what it is known by. */
export interface HeldSocket {
  readonly key: string;
  readonly handle: ListeningHandle;
}

interface Held {
  readonly handle: ListeningHandle;
  readonly isForOperators: boolean;
  /** systemd has it too, and gives it to the next supervisor. */
  readonly isInherited: boolean;
}

export class HeldSockets {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  /** From systemd, and not asked for yet. */
  readonly #inherited: InheritedSocket[];

  constructor(clock: Clock, inherited: readonly InheritedSocket[] = []) {
    this.#clock = clock;
    this.#inherited = [...inherited];
  }

  /** What systemd gave us and nobody asked for. */
  get unused(): readonly InheritedSocket[] {
    return this.#inherited;
  }

  /**
   * The socket of a place. Rejects with the system's error, such as EADDRINUSE, and with EADDRHELD when it is we who have the
   * port, at another address.
   */
  async open(request: SocketRequest): Promise<HeldSocket> {
    const { name, place, isForOperators } = request;
    const key = keyOf(name, place);
    const known = this.#held.get(key);
    if (known !== undefined) return { key, handle: known.handle };
    const inherited = await this.#takeInherited(name, place);
    const isInherited = inherited !== undefined;
    const handle = inherited ?? (await this.#bind(place));
    this.#held.set(key, { handle, isForOperators, isInherited });
    return { key, handle };
  }

  /** Closes what carries traffic and is not among the keys. What systemd holds is kept for a worker that wants it again. */
  retain(keys: ReadonlySet<string>): void {
    this.#close((key, { isInherited }) => !isInherited && !keys.has(key));
  }

  /** Closes everything but what operators ask. */
  closeTraffic(): void {
    this.#close((_key, { isForOperators }) => !isForOperators);
  }

  /** Closes everything. Safe to call twice. */
  close(): void {
    this.#close(() => true);
    for (const { handle } of this.#inherited.splice(0)) handle.close();
  }

  #close(isWanted: (key: string, held: Held) => boolean): void {
    for (const [key, held] of this.#held) {
      if (!isWanted(key, held)) continue;
      this.#held.delete(key);
      held.handle.close();
    }
  }

  /** A gateway that was killed with `kill -9` leaves a worker that needs a moment to learn of it. */
  async #bind(place: SocketPlace): Promise<ListeningHandle> {
    if ('path' in place) return bindPath(place.path);
    const end = this.#clock.now() + LIMITS.rebindMs;
    while (true) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
        return await bindHandle(place);
      } catch (error) {
        if (!hasCode(error, 'EADDRINUSE')) throw error;
        if (this.#holdsPort(place.port)) throw portHeld();
        if (this.#clock.now() >= end) throw error;
      }
      // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
      await new Promise<void>((resolve) => void this.#clock.after(RETRY_MS, resolve));
    }
  }

  #holdsPort(port: number): boolean {
    return [...this.#held.values()].some(({ handle }) => addressOfHandle(handle).port === port);
  }

  /** The one with this address; else the one that was given this name in its unit. */
  async #takeInherited(name: string, place: SocketPlace): Promise<ListeningHandle | undefined> {
    if ('path' in place || this.#inherited.length === 0) return undefined;
    const { address: host } = place.host === '' ? { address: '' } : await lookup(place.host);
    let at = this.#inherited.findIndex(({ handle }) => {
      const bound = addressOfHandle(handle);
      const isHost =
        host === '' ? bound.host === '::' || bound.host === '0.0.0.0' : bound.host === host;
      return isHost && bound.port === place.port;
    });
    if (at < 0) at = this.#inherited.findIndex((one) => one.name === name);
    return at < 0 ? undefined : this.#inherited.splice(at, 1)[0]?.handle;
  }
}

/** The running worker needs it where it is until its successor is ready. */
function portHeld(): Error {
  return Object.assign(new Error('Cannot bind: the port is held'), { code: 'EADDRHELD' });
}

function keyOf(name: string, place: SocketPlace): string {
  if ('path' in place) return place.path;
  const address = `${place.host}:${place.port}`;
  return place.port === 0 ? `${name}@${address}` : address;
}
