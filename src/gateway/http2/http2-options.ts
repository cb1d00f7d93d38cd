/**
 * How HTTP/2 connections of users are set up for the open Internet: what Node and nghttp2 watch by themselves.
 *
 * What they do not watch is counted in user-session.ts. The numbers and their reasons are in core/limits.ts;
 * docs/decisions/0021 says why each of Node's own limits is kept or changed.
 */
import type { SecureServerOptions } from 'node:http2';
import type { HttpLimits } from '../../config/http-limits.ts';
import { LIMITS } from '../../core/limits.ts';

/** Names of the protocols a TLS listener for users speaks, the liked ones first. Without the last, `curl --http1.0` fails. */
export const ALPN_PROTOCOLS = ['h2', 'http/1.1', 'http/1.0'];

/** For each connection. */
export function http2Options(limits: Pick<HttpLimits, 'http2Streams' | 'maxHeaderBytes'>) {
  return {
    ...OPTIONS,
    settings: {
      ...OPTIONS.settings,
      maxConcurrentStreams: limits.http2Streams,
      maxHeaderListSize: limits.maxHeaderBytes,
    },
  } as const satisfies SecureServerOptions;
}

const OPTIONS = {
  settings: {
    initialWindowSize: LIMITS.http2WindowBytes,
    enablePush: false,
    /** WebSockets (RFC 8441). */
    enableConnectProtocol: true,
  },
  /** Cookies come one a field. The size of a head Node only announces: the guard looks at it. */
  maxHeaderListPairs: LIMITS.http2HeaderFields,
  maxSessionMemory: LIMITS.http2SessionMb,
  /** Entries of one SETTINGS frame; there are seven kinds. */
  maxSettings: 16,
  /** Broken frames of one connection before it ends, and requests above `maxConcurrentStreams`. */
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  /** Node's own count of resets, from Node 22 on: out of the way of ours, which says why. */
  streamResetBurst: 8 * LIMITS.http2Resets,
  streamResetRate: 8 * LIMITS.http2ResetsPerSecond,
} as const satisfies SecureServerOptions & Record<'streamResetBurst' | 'streamResetRate', number>;
