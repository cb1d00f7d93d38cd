/**
 * How many connections may stand in the HTTP listeners: of one address, and of all that have not asked for anything yet.
 *
 * Counts from the moment a connection is accepted, or from its PROXY header where one says whose it is, so that whoever is
 * over the limit costs no TLS: they are reset, and nobody behind hears of them. Links are not known before they ask. So an
 * address that is at its limit gets a few places more, for a moment, for connections that turn out to be links; and what
 * became a link or a WebSocket has limits of its own and is counted here no longer. docs/decisions/0034.
 */
import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import { addressKey } from '../../access/sign-in/address-limit.ts';
import type { HttpLimits } from '../../config/http-limits.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Refusal } from '../../telemetry/refusal-log.ts';
import { carrierOf } from '../../transport/socket-pump.ts';
import { Places, type Place } from '../http/limits/places.ts';
import { clientOf } from './client-address.ts';
import { connectionRefusal } from './connection-refusal.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

export interface FrontDoorOptions {
  readonly clock: Clock;
  readonly limits: () => Pick<HttpLimits, 'maxConnectionsPerAddress'>;
  /** Connections of these are those of many users, and not counted by address. */
  readonly proxies: Pick<TrustedProxies, 'has'>;
  /** A connection was refused, or had to make room. */
  readonly onRefused: (refusal: Refusal) => void;
  /** Connections that may be here without having asked for anything. Default LIMITS.httpOpening. */
  readonly mostOpening?: number;
}

/** What a connection has taken. */
interface Guest {
  readonly key: string;
  readonly listener: string;
  place: Place | undefined;
  /** Runs while it has one of the places that are kept for links. */
  trial: Timer | undefined;
}

export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #mostOpening: number;
  /** Where they came, by the TCP connection; the oldest first. */
  readonly #opening = new Map<Socket, string>();
  readonly #places = new Places();
  readonly #reserve = new Places();
  /** By the TCP connection: those that have a place. */
  readonly #guests = new Map<Socket, Guest>();
  /** Of these, how many are on trial. */
  #trials = 0;
  /** By the TCP connection: the TLS on it, once its handshake is done. */
  readonly #secured = new WeakMap<Socket, Socket>();

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.#mostOpening = options.mostOpening ?? LIMITS.httpOpening;
  }

  /** Connections that have not asked for anything, those that have a place, and addresses that have any. */
  get size(): { readonly opening: number; readonly counted: number; readonly addresses: number } {
    return {
      opening: this.#opening.size,
      counted: this.#guests.size,
      addresses: this.#places.size,
    };
  }

  /**
   * Stands before a server, whose listeners for connections hear of those that may come in. Call it once all of them are set.
   * `takesLinks`: connectors and clients may come there, too.
   */
  guard(server: Server, listener: string, takesLinks: boolean): void {
    const inside = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (!this.#admits(socket, listener, takesLinks)) return;
      this.accepted(socket, listener);
      for (const hear of inside) Reflect.apply(hear, server, [socket]);
    });
    server.on('secureConnection', (socket: Socket) => {
      const carrier = carrierOf(socket);
      if (carrier !== undefined) this.#secured.set(carrier, socket);
    });
    // Whatever is asked there is answered with the end of the connection.
    if (!takesLinks) server.on('request', ({ socket }: IncomingMessage) => this.heard(socket));
  }

  /**
   * Counts a connection that has asked for nothing yet. Where there are too many, the one that has been here the longest
   * makes room: who means to ask has done so by then. Safe to call twice.
   */
  accepted(socket: Socket, listener: string): void {
    if (this.#opening.has(socket)) return;
    this.#opening.set(socket, listener);
    socket.once('close', () => this.#opening.delete(socket));
    if (this.#opening.size <= this.#mostOpening) return;
    const [oldest] = this.#opening;
    if (oldest !== undefined) this.#end(...oldest, `${this.#mostOpening} others came after it`);
  }

  /**
   * A request has come that is not for a link. Returns the error that refuses it, where its connection has a place that is
   * kept for links and there is still no other. Cheap: asked for each request.
   */
  heard(socket: Socket): PosternError | undefined {
    if (this.#opening.size + this.#trials === 0) return undefined;
    const carrier = carrierOf(socket) ?? socket;
    this.#opening.delete(carrier);
    if (this.#trials === 0) return undefined;
    const guest = this.#guests.get(carrier);
    if (guest?.trial === undefined) return undefined;
    const { maxConnectionsPerAddress: most } = this.#options.limits();
    const place = this.#places.take(guest.key, most);
    if (place === undefined && most > 0) return tooMany(guest.key, most);
    this.#endTrial(guest);
    guest.place?.release();
    guest.place = place;
    return undefined;
  }

  /** A connection is counted elsewhere from now on: it became a link or a WebSocket. */
  release(socket: Socket): void {
    const carrier = carrierOf(socket) ?? socket;
    this.#opening.delete(carrier);
    this.#leave(carrier);
  }

  #admits(socket: Socket, listener: string, takesLinks: boolean): boolean {
    const { limits, proxies } = this.#options;
    const most = limits().maxConnectionsPerAddress;
    if (most === 0) return true;
    const { address } = clientOf(socket);
    if (proxies.has(address)) return true;
    const key = addressKey(address);
    const own = this.#places.take(key, most);
    const place = own ?? (takesLinks ? this.#reserve.take(key, LIMITS.linkReserve) : undefined);
    if (place === undefined) {
      this.#refuse(socket, listener, key, most);
      return false;
    }
    const trial = own === undefined ? this.#tryOut(socket, listener) : undefined;
    this.#guests.set(socket, { key, listener, place, trial });
    socket.once('close', () => this.#leave(socket));
    return true;
  }

  #tryOut(socket: Socket, listener: string): Timer {
    this.#trials += 1;
    return this.#options.clock.after(LIMITS.linkTrialMs, () =>
      this.#end(socket, listener, 'its address has as many as allowed, and it is no link'),
    );
  }

  #endTrial(guest: Guest): void {
    guest.trial?.cancel();
    if (guest.trial !== undefined) this.#trials -= 1;
    guest.trial = undefined;
  }

  #leave(carrier: Socket): void {
    const guest = this.#guests.get(carrier);
    if (guest === undefined) return;
    this.#guests.delete(carrier);
    this.#endTrial(guest);
    guest.place?.release();
  }

  #refuse(socket: Socket, listener: string, key: string, most: number): void {
    this.#opening.delete(socket);
    this.#tell(socket, listener, tooMany(key, most));
    socket.on('error', () => undefined);
    socket.resetAndDestroy();
  }

  /** Ends a connection that is in, by way of the TLS on it: that must not be used once there is nothing below. */
  #end(socket: Socket, listener: string, why: string): void {
    this.#opening.delete(socket);
    const message = `Cannot keep a connection that asks for nothing: ${why}`;
    this.#tell(socket, listener, new PosternError('HTTP_CONNECTION_LIMIT', message));
    (this.#secured.get(socket) ?? socket).destroy();
  }

  #tell(socket: Socket, listener: string, error: PosternError): void {
    this.#options.onRefused(connectionRefusal(socket, { listener, error }));
  }
}

function tooMany(key: string, most: number): PosternError {
  const message = `Cannot take the connection: ${key} has ${most}, which is http.max-connections-per-address`;
  return new PosternError('HTTP_CONNECTION_LIMIT', message);
}
