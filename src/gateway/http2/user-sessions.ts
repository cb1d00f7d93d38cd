/**
 * The HTTP/2 connections of all users of a server: takes them from a TLS server that also speaks HTTP/1.1.
 *
 * Which protocol it is was agreed in the TLS handshake (ALPN), so HTTP/1.1 pays one comparison a connection. Node's
 * `allowHTTP1` would leave out HTTP/1.0 and send HTTP/2 through a compatibility layer: docs/decisions/0021.
 */
import type { Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { systemClock, type Clock } from '../../core/clock.ts';
import type { HttpLimits } from '../../config/http-limits.ts';
import type { PosternError } from '../../core/error.ts';
import type { Http2Request } from './http2-request.ts';
import type { Http2Response } from './http2-response.ts';
import { UserSession } from './user-session.ts';

export interface UserSessionsOptions {
  /** Default the system's. */
  readonly clock?: Clock | undefined;
  /** For connections to come; times count for those that are open too. */
  readonly limits: () => HttpLimits;
  onRequest(request: Http2Request, response: Http2Response): void;
  /** A connection was ended because its user went too far. */
  onFlood(error: PosternError, socket: TLSSocket): void;
}

export class UserSessions {
  readonly #options: UserSessionsOptions;
  readonly #sessions = new Set<UserSession>();
  #isDraining = false;

  constructor(options: UserSessionsOptions) {
    this.#options = options;
  }

  /** Connections that are open. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Takes the connections of a server that agreed on `h2`. Who listens for connections already hears of the others only. */
  attach(server: Server): void {
    const others = server.listeners('secureConnection');
    server.removeAllListeners('secureConnection');
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') {
        this.#take(socket);
        return;
      }
      for (const listener of others) Reflect.apply(listener, server, [socket]);
    });
  }

  /** Takes no new requests, after a moment in which some are still on their way. Safe to call twice. */
  drain(): void {
    this.#isDraining = true;
    for (const session of this.#sessions) session.drain();
  }

  /** Takes drain() back for connections to come; whoever was told to go elsewhere goes. */
  resume(): void {
    this.#isDraining = false;
  }

  /** Since when the oldest request has been under way, as performance.now() counts; undefined without any. */
  get busySince(): number | undefined {
    const since = [...this.#sessions].flatMap((session) => session.busySince ?? []);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** Breaks off responses of which their users have taken nothing for more than `mostMs`. */
  cutStalled(now: number, mostMs: number): void {
    for (const session of this.#sessions) session.cutStalled(now, mostMs);
  }

  /** Ends all of them at once. */
  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #take(socket: TLSSocket): void {
    if (socket.destroyed) return;
    const { clock = systemClock, limits } = this.#options;
    const session = new UserSession(socket, {
      clock,
      limits,
      onRequest: (request, response) => this.#options.onRequest(request, response),
      onClose: (flood) => {
        this.#sessions.delete(session);
        if (flood !== undefined) this.#options.onFlood(flood, socket);
      },
    });
    this.#sessions.add(session);
    if (this.#isDraining) session.drain();
  }
}
