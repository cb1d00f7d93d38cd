/**
 * Watches whether anything arrives on a link, and how long a round trip takes. See docs/protocol.md §8.
 *
 * One timer a link. It fires when a PING is due or when the silence has lasted too long, never more often.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { LIMITS } from '../core/limits.ts';

export interface LivenessEvents {
  /** Send a PING with these 8 bytes. */
  onPingDue(opaque: Buffer): void;
  /** Nothing arrived for `deadPeerMs`. */
  onDead(): void;
}

/** Assumed before the first PONG, ms. */
const UNKNOWN_ROUND_TRIP_MS = 100;

/** A peer that answers later than this many PINGs is dead; one that answers others never may not fill memory. */
const PINGS_REMEMBERED = 8;

export class Liveness {
  readonly #clock: Clock;
  readonly #events: LivenessEvents;
  #timer: Timer | undefined;
  #lastHeard: number;
  /** When each PING without an answer was sent, by its number: on a slow path several are under way. */
  readonly #sentAt = new Map<number, number>();
  #pingNumber = 0;
  #roundTripMs: number | undefined;

  constructor(clock: Clock, events: LivenessEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#lastHeard = clock.now();
  }

  /** Sends the first PING, which also measures the round trip, and starts watching. */
  start(): void {
    this.#tick();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Something arrived. */
  heard(): void {
    this.#lastHeard = this.#clock.now();
  }

  /** For how long nothing arrived, ms. */
  get silentMs(): number {
    return this.#clock.now() - this.#lastHeard;
  }

  /** Smoothed round trip, ms. */
  get roundTripMs(): number {
    return this.#roundTripMs ?? UNKNOWN_ROUND_TRIP_MS;
  }

  /** Whether roundTripMs was measured and not assumed. */
  get isMeasured(): boolean {
    return this.#roundTripMs !== undefined;
  }

  onPong(opaque: Buffer): void {
    const number = opaque.readUInt32BE(4);
    const sentAt = this.#sentAt.get(number);
    // An answer to nothing, or a second one, says nothing about the round trip.
    if (sentAt === undefined) return;
    this.#sentAt.delete(number);
    const sample = this.#clock.now() - sentAt;
    this.#roundTripMs =
      this.#roundTripMs === undefined ? sample : 0.75 * this.#roundTripMs + 0.25 * sample;
  }

  #tick(): void {
    const now = this.#clock.now();
    const { silentMs } = this;
    if (silentMs >= LIMITS.deadPeerMs) {
      this.#events.onDead();
      return;
    }
    this.#pingNumber = (this.#pingNumber + 1) % 2 ** 32;
    this.#sentAt.set(this.#pingNumber, now);
    this.#sentAt.delete(this.#pingNumber - PINGS_REMEMBERED);
    const opaque = Buffer.alloc(8);
    opaque.writeUInt32BE(this.#pingNumber, 4);
    this.#events.onPingDue(opaque);
    const nextMs = Math.min(LIMITS.pingIdleMs, LIMITS.deadPeerMs - silentMs);
    this.#timer = this.#clock.after(nextMs, () => this.#tick());
  }
}
