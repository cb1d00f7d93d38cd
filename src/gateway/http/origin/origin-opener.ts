/**
 * What the HTTP path needs to know about the rest of the gateway: where a request goes, and how to open a byte stream there.
 *
 * It must not know more: no links, replicas or tunnels' secrets. Whoever owns the replicas implements HttpRouter; a
 * test implements it with `net.connect`. See design.md §4 "HTTP".
 */
import type { Duplex } from 'node:stream';
import type { StreamRight } from '../../../access/tokens/stream-assertions.ts';
import type { PosternError } from '../../../core/error.ts';
import type { ClientAddress } from '../../front/client-address.ts';
import type { OriginChanges } from '../fields/origin-changes.ts';

/** What a routing decision may look at. */
export interface RouteInput {
  /** Normal form: lower case, no port, no trailing dot. */
  readonly hostname: string;
  /** The path as it was sent, without the query: rules never see a query. */
  readonly path: string;
  readonly requestId: string;
  readonly client: ClientAddress;
  /** By what right it goes on; absent where nobody was asked. */
  readonly right?: StreamRight | undefined;
  /** The replica that could not take it: any other, please. */
  readonly notAt?: string | undefined;
  /** The Cookie field, which may say where the user was before. */
  readonly cookie?: string | undefined;
}

/** Where a request goes, or the ROUTE_ or ACCESS_ error that refuses it. */
export type RouteResult =
  | {
      readonly ok: true;
      readonly target: OriginTarget;
      /** Set with the answer, so that the user comes back there. */
      readonly setCookie?: string;
    }
  | {
      readonly ok: false;
      readonly error: PosternError;
      /**
       * Where asking again soon may help: calls `again` once when it does. Undefined when there is nothing to wait for any
       * more; release() when nobody waits.
       */
      readonly wait?: (again: () => void) => { release(): void } | undefined;
    };

/** Decides where requests go. Synchronous and cheap: it runs for each request. */
export interface HttpRouter {
  route(input: RouteInput): RouteResult;
}

/** On whose behalf a stream to an origin is opened. */
export interface OriginRequest {
  readonly requestId: string;
  readonly client: ClientAddress;
  /** Only HTTP/1.1 will do: for an upgrade. */
  readonly needsHttp1?: boolean;
}

/** A connected byte stream, and what was agreed to speak on it: `h2`, `h2c` for HTTP/2 without TLS, or else HTTP/1.1. */
export type OriginStream = Duplex & {
  readonly alpnProtocol?: string | false | null | undefined;
  /** Told how many requests are under way on it: 1 at first. */
  carries?(requests: number): void;
};

/** One ingress rule of one replica, as far as HTTP is concerned. */
export interface OriginTarget {
  /** Connections opened for one key may carry requests of any target with the same key. */
  readonly poolKey: string;
  readonly tunnelId: string;
  readonly tunnelName: string;
  /** The replica, where there are several. */
  readonly replicaId?: string;
  /** Sent as Host instead of the user's. */
  readonly hostHeader?: string;
  /** The origin should be spoken to in HTTP/2, where it does. */
  readonly http2?: boolean;
  /** What the rule changes of requests and responses. */
  readonly changes?: OriginChanges | undefined;
  /** The origin wants to know how long a body is before it comes. */
  readonly wholeBodies?: boolean;
  /** Idle connections to keep. 0 closes each after its request. */
  readonly keepAliveConnections: number;
  /** How long a connection may be idle, ms. */
  readonly keepAliveTimeoutMs: number;
  /**
   * Opens a connected byte stream to the origin, TLS included. Rejects with ORIGIN_, ROUTE_NO_REPLICA or STREAM_ codes.
   * Destroying the stream must reset it at the origin at once.
   */
  open(request: OriginRequest): Promise<OriginStream>;
  /** False once no stream can be opened any more and the pooled ones are to be dropped. */
  isAlive(): boolean;
}
