/** What the HTTP path of a gateway is made with, and what it shows of itself. */
import type { FrontDoor } from '../front/front-door.ts';
import type { TrustedProxies } from '../front/trusted-proxies.ts';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpLimits } from '../../config/http-limits.ts';
import type { Clock } from '../../core/clock.ts';
import type { PosternError } from '../../core/error.ts';
import type { Log } from '../../telemetry/log.ts';
import type { RefusalLog } from '../../telemetry/refusal-log.ts';
import type { RequestTrace } from '../../telemetry/tracing/tracer.ts';
import type { HttpRouter } from './origin/origin-opener.ts';
import type { OriginPoolsOptions, OriginPoolsStats } from './origin/origin-pool.ts';
import type { RequestGate } from './request-gate.ts';
import type { GuardedRequest } from './request-guard.ts';
import type { RequestSummary } from './record/request-record.ts';
import type { UserRequest, UserResponse } from './user/user-message.ts';

/** Lets other parts of the gateway answer some requests themselves. Asked after the guard, before the router. */
export interface HttpIntercept {
  /** Returns true when it will answer. */
  request?(request: UserRequest, response: UserResponse, guarded: GuardedRequest): boolean;
  /** Returns true when the socket is its own from now on: a link, for example. */
  upgrade?(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    guarded: GuardedRequest,
  ): boolean;
}

export interface HttpHandlerOptions {
  readonly router: HttpRouter;
  readonly log: Log;
  readonly intercept?: HttpIntercept;
  /** Asked about each request after the guard. Default: everything goes on. */
  readonly gate?: RequestGate;
  /** Who is believed about where requests come from. Default nobody. */
  readonly proxies?: TrustedProxies;
  /** Called for each request when it ends, a WebSocket's included: metrics. */
  readonly onRequestEnd?: (summary: RequestSummary) => void;
  /** Called for each request that one replica could not take and another gets: metrics. */
  readonly onRequestMoved?: (tunnelName: string, error: PosternError) => void;
  /** Finds the place of a request in a trace. Default: there are no traces. */
  readonly trace?: (request: UserRequest) => RequestTrace | undefined;
  /** Where connections are told that were ended because their users went too far. Default the log. */
  readonly refusals?: Pick<RefusalLog, 'add'>;
  /** Who counts connections. Default nobody. */
  readonly door?: Pick<FrontDoor, 'heard' | 'release'>;
  readonly pools?: OriginPoolsOptions;
  /** What strangers may ask. Default what holds where nothing is configured. */
  readonly limits?: HttpLimits;
  /** For HTTP/2 connections and users who stall. Default the system's. */
  readonly clock?: Clock;
  /** Level of the access log's ordinary lines. Default `info`; `debug` leaves out what went well, at 4 µs a line. */
  readonly accessLogLevel?: 'info' | 'debug';
}

/** What `status` shows, and what a drain still waits for. */
export interface HttpStats {
  /** Users' connections, without WebSockets. */
  readonly connections: number;
  /** Requests without a whole response. */
  readonly requests: number;
  /** Live WebSockets. */
  readonly upgrades: number;
  readonly origins: OriginPoolsStats;
  readonly isDraining: boolean;
}
