/**
 * One drain of a gateway, from the first word to its peers until nothing is left to wait for. docs/protocol.md §13.
 *
 * Connectors are told first and spread out, clients once connectors are on their way elsewhere, so that a stream that moves
 * finds its other end there. Links stay up for as long as somebody here may need a stream: users keep their connections,
 * and a connection may bring another request. It takes nothing from anybody before `graceMs` is over: what is cut then, and
 * how, is the gateway's affair.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { DrainWait } from './gateway-status.ts';
import type { HttpHandler } from './http/http-handler.ts';
import type { LinkDoor } from './links/link-door.ts';

/** How often it looks at what is left, ms. */
const TICK_MS = 50;
/** How long after the first links of connectors clients are told, ms: about what a dial takes. */
const CLIENTS_LATER_MS = 250;
/** How long clients without a stream may take to leave, ms, after the time they were given. */
const CLIENTS_LEAVE_MS = 5_000;
/** How long it waits for connections that were accepted a moment before it began, ms: as long as a TLS handshake may take. */
const NEWCOMERS_MS = 10_000;
/** How long users' connections may be idle when nothing else is left, ms: by then whoever uses them all the time has. */
const LAST_IDLE_MS = 5_000;
/** The same where nobody takes over: their next request would be refused anyway. */
const STOP_IDLE_MS = 500;

/** Why it ended: nothing is left, the grace period is over, or it was taken back. */
export type DrainEnd = 'done' | 'over' | 'cancelled';

export interface DrainOptions {
  readonly clock: Clock;
  /** Any length, ms; 0 gives nobody time. */
  readonly graceMs: number;
  /** Whether another process takes the next connections. */
  readonly isHandOver: boolean;
  readonly http: Pick<HttpHandler, 'stats' | 'closeIdle' | 'dropPools'>;
  readonly door: Pick<
    LinkDoor,
    'drainConnectors' | 'drainClients' | 'closeDrained' | 'clientCount'
  >;
  /** Connections that were accepted and are nobody's yet. */
  newcomers(): number;
  /** Plain TCP connections that are open. */
  tcpConnections(): number;
  /** Whoever waits for a connector. */
  awaiting(): number;
  /** Streams of clients that are relayed. */
  clientStreams(): number;
}

export class Drain {
  /** Resolves when there is nothing more to wait for. Never rejects. */
  readonly ended: Promise<DrainEnd>;
  readonly #options: DrainOptions;
  readonly #startedAt: number;
  readonly #tellOthersAt: number;
  /** Until when clients may leave, once they were told. */
  #clientsUntil: number | undefined;
  #timer: Timer | undefined;
  #end: (how: DrainEnd) => void = () => undefined;

  /** Tells the first connectors at once. */
  constructor(options: DrainOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.#startedAt = options.clock.now();
    const withinMs = options.door.drainConnectors('first', options.graceMs);
    this.#tellOthersAt = this.#startedAt + withinMs;
    this.#tick();
  }

  /** What it waits for, for status. */
  get waitsFor(): DrainWait {
    const { clock, graceMs } = this.#options;
    const { requests, upgrades, connections } = this.#options.http.stats;
    const leftMs = this.#startedAt + graceMs - clock.now();
    return {
      httpRequests: requests,
      webSockets: upgrades,
      tcpConnections: this.#options.tcpConnections(),
      clientStreams: this.#options.clientStreams(),
      idleConnections: Math.max(0, connections - requests),
      clients: this.#options.door.clientCount,
      graceLeftMs: Math.max(0, Math.round(leftMs)),
    };
  }

  /** Takes it back. Whoever was told to leave leaves all the same. Nothing happens when it has ended. */
  cancel(): void {
    this.#finish('cancelled');
  }

  #tick(): void {
    const { clock, graceMs } = this.#options;
    const now = clock.now();
    this.#tellPeers(now);
    if (now - this.#startedAt >= graceMs) this.#finish('over');
    else if (this.#isDone(now)) this.#finish('done');
    else this.#timer = clock.after(TICK_MS, () => this.#tick());
  }

  #tellPeers(now: number): void {
    const { door, graceMs } = this.#options;
    const leftMs = Math.max(0, this.#startedAt + graceMs - now);
    if (now < this.#tellOthersAt) return;
    door.drainConnectors('all', leftMs);
    if (now < this.#tellOthersAt + CLIENTS_LATER_MS) return;
    const withinMs = door.drainClients(leftMs);
    this.#clientsUntil ??= now + withinMs + CLIENTS_LEAVE_MS;
  }

  #isDone(now: number): boolean {
    const { http, door, isHandOver } = this.#options;
    const { requests, upgrades, connections } = http.stats;
    const busy =
      requests + upgrades + this.#options.tcpConnections() + this.#options.clientStreams();
    // Who closes idle connections can always cross a request; there is time until nothing else is left.
    if (busy === 0) http.closeIdle(isHandOver ? LAST_IDLE_MS : STOP_IDLE_MS);
    if (this.#clientsUntil !== undefined && now >= this.#clientsUntil) door.closeDrained('client');
    // A WebSocket and a TCP connection have their stream; a kept-alive connection or a client may ask for another.
    const newcomers = now < this.#startedAt + NEWCOMERS_MS ? this.#options.newcomers() : 0;
    const users = connections + requests + newcomers + door.clientCount;
    const mayNeedStreams = users + this.#options.awaiting() > 0;
    if (!mayNeedStreams) {
      http.dropPools();
      door.closeDrained('connector');
    }
    return busy === 0 && !mayNeedStreams;
  }

  #finish(how: DrainEnd): void {
    this.#timer?.cancel();
    if (how !== 'cancelled') {
      // Links are about to close, and who was asked to dial again does so at the pace it was asked for.
      this.#options.door.drainConnectors('all', 0);
      this.#options.door.drainClients(0);
    }
    this.#end(how);
  }
}
