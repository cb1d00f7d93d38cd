/**
 * How much strangers may ask of the HTTP listeners: the section `http` of the gateway's file, with its defaults.
 *
 * The defaults are meant for the open Internet. A limit of 0 is none; those that guard the gateway's own memory have no such
 * choice.
 */
import { LIMITS } from '../core/limits.ts';
import { byteSize, duration, mapping, wholeNumber } from './field.ts';

/** Resolved; times in ms, sizes in bytes, 0 for no limit. */
export interface HttpLimits {
  /** How long the head of a request may take, and an HTTP/2 connection to its first. */
  readonly headerTimeoutMs: number;
  /** How long a body may bring nothing while it is waited for. */
  readonly bodyTimeoutMs: number;
  /** How long a request may take, from its head to the end of its body. */
  readonly requestTimeoutMs: number;
  /** How long a user may take nothing of a response that is ready for them. */
  readonly sendTimeoutMs: number;
  /** How long a connection may be without a request. */
  readonly idleTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** An application may say otherwise. */
  readonly maxBodyBytes: number;
  /** Requests at once on one HTTP/2 connection. */
  readonly http2Streams: number;
  /** Requests under way of one address; of IPv6, of one /64. */
  readonly maxRequestsPerAddress: number;
  readonly maxWebSocketsPerAddress: number;
  /** Connections that are neither links nor WebSockets. */
  readonly maxConnectionsPerAddress: number;
}

/** Where no proxy stands before the gateway, so that an address is one user or one office. */
const PER_ADDRESS = { requests: 2_000, webSockets: 10_000, connections: 4_000 } as const;

/** A timer that is looked at once a second cannot keep less. */
const LEAST_MS = 1_000;

/** The section as it is written. */
export const httpLimitsSchema = mapping({
  'header-timeout': duration({ least: LEAST_MS }).prefault('30s'),
  'body-timeout': duration().prefault('1m'),
  'request-timeout': duration().prefault(0),
  'send-timeout': duration().prefault('2m'),
  'idle-timeout': duration({ least: LEAST_MS }).prefault('75s'),
  'max-header-size': byteSize({ least: 4_096, most: LIMITS.headerBytes }).prefault('32KiB'),
  'max-body-size': byteSize().prefault(0),
  'http2-streams': wholeNumber(1, LIMITS.http2Streams).prefault(128),
  'max-requests-per-address': wholeNumber(0, LIMITS.placesPerAddress).optional(),
  'max-websockets-per-address': wholeNumber(0, LIMITS.placesPerAddress).optional(),
  'max-connections-per-address': wholeNumber(0, LIMITS.placesPerAddress).optional(),
});

/** What was written, completed. `isBehindProxy`: every request may come from the address of one proxy. */
export function resolveHttpLimits(
  written: ReturnType<typeof httpLimitsSchema.parse>,
  isBehindProxy: boolean,
): HttpLimits {
  const perAddress = isBehindProxy ? { requests: 0, webSockets: 0, connections: 0 } : PER_ADDRESS;
  return {
    headerTimeoutMs: written['header-timeout'],
    bodyTimeoutMs: written['body-timeout'],
    requestTimeoutMs: written['request-timeout'],
    sendTimeoutMs: written['send-timeout'],
    idleTimeoutMs: written['idle-timeout'],
    maxHeaderBytes: written['max-header-size'],
    maxBodyBytes: written['max-body-size'],
    http2Streams: written['http2-streams'],
    maxRequestsPerAddress: written['max-requests-per-address'] ?? perAddress.requests,
    maxWebSocketsPerAddress: written['max-websockets-per-address'] ?? perAddress.webSockets,
    maxConnectionsPerAddress: written['max-connections-per-address'] ?? perAddress.connections,
  };
}

/** What holds where nothing is written. */
export const HTTP_LIMITS_DEFAULTS: HttpLimits = resolveHttpLimits(
  httpLimitsSchema.parse({}),
  false,
);
