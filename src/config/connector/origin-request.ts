/**
 * `originRequest`: how a connector, and for HTTP the gateway, speaks to an origin. Names and meaning are cloudflared's.
 *
 * A rule's own value wins over the file's top-level one, which wins over the default. Every key of cloudflared is
 * either here or refused with a reason; none is ignored.
 */
import { PosternError } from '../../core/error.ts';
import { z } from 'zod';
import { LIMITS } from '../../core/limits.ts';
import {
  durationOrSeconds,
  expected,
  flag,
  list,
  mapping,
  oneOf,
  parsed,
  text,
  wholeNumber,
} from '../field.ts';
import { parseHostname } from '../hostname-pattern.ts';
import { ipRules, ipRulesSchema, type IpRule } from './ip-rule.ts';

/** All values resolved. Times are ms, files are absolute. */
export interface OriginRequest {
  /** How long the TCP connection to the origin may take. */
  readonly connectTimeoutMs: number;
  /** How long the TLS handshake with the origin may take. */
  readonly tlsTimeoutMs: number;
  /** Idle time before TCP keep-alive probes; 0 sends none. */
  readonly tcpKeepAliveMs: number;
  /** Whether IPv4 is tried when IPv6 is slow to answer. */
  readonly happyEyeballs: boolean;
  /** Idle HTTP connections kept for the rule. */
  readonly keepAliveConnections: number;
  /** How long an idle HTTP connection is kept. */
  readonly keepAliveTimeoutMs: number;
  /** Sent as Host instead of the user's. */
  readonly httpHostHeader?: string | undefined;
  /** The name asked for and expected in the origin's certificate, instead of the service's host. */
  readonly originServerName?: string | undefined;
  /** The name asked for and expected is the Host of the request instead (`matchSNItoHost: true`). */
  readonly matchesHost?: true | undefined;
  /** A PEM file of authorities trusted beside the system's. */
  readonly caFile?: string | undefined;
  /** `none` accepts any certificate of the origin (`noTLSVerify: true`). */
  readonly tlsVerification: 'required' | 'none';
  /** Whether the origin is spoken to in HTTP/2: by agreement over TLS, and in any case without (`http2Origin: true`). */
  readonly http2?: true | undefined;
  /** Whether requests are sent with their length, which takes their whole body (`disableChunkedEncoding: true`). */
  readonly wholeBodies?: true | undefined;
  /** Absent: the connector leaves it to the gateway who comes in. */
  readonly access?: RequiredAccess | undefined;
  /** What the services `bastion` and `socks-proxy` may be asked for. */
  readonly ipRules?: readonly IpRule[] | undefined;
  /** `socks`: users of a raw TCP service speak SOCKS5, and reach the service whatever they ask for. */
  readonly proxyType?: 'socks' | undefined;
  /** The version of the PROXY protocol by which the origin is told who the user is; absent: it is not told. */
  readonly proxyProtocol?: 'v1' | 'v2' | undefined;
}

/** The connector itself checks that somebody came in through an application of the gateway. */
export interface RequiredAccess {
  /** Names of those that will do; undefined for any. */
  readonly applications?: readonly string[] | undefined;
}

/** cloudflared's defaults. */
export const ORIGIN_REQUEST_DEFAULTS: OriginRequest = {
  connectTimeoutMs: 30_000,
  tlsTimeoutMs: 10_000,
  tcpKeepAliveMs: 30_000,
  happyEyeballs: true,
  keepAliveConnections: 100,
  keepAliveTimeoutMs: 90_000,
  tlsVerification: 'required',
};

const NO_LISTENER =
  'has no effect: no port is opened for users, whose streams are served themselves';

/** Where cloudflared would have listened for itself once; its default may stay. */
function withoutListener<Default extends string | number>(value: Default) {
  return z.literal(value, { error: () => `${NO_LISTENER}; remove it` }).optional();
}

const TEAM_NAME =
  'has no meaning here, where applications are those of your gateway; remove it and name them in audTag';

const accessSchema = mapping({
  required: flag(),
  audTag: list(
    text('the name of an application of the gateway').max(64, {
      error: 'is too long; applications have names of at most 64 characters',
    }),
  )
    .min(1, { error: 'lets nobody in; name an application, or remove it for any' })
    .max(LIMITS.requiredApplications, {
      error: `is too long; name at most ${LIMITS.requiredApplications} applications`,
    })
    .optional(),
  teamName: z.undefined({ error: () => TEAM_NAME }).optional(),
});

/** `originRequest` as it is written, of a rule or of the whole file. */
export const originRequestSchema = mapping({
  connectTimeout: durationOrSeconds({ least: 1 }).optional(),
  tlsTimeout: durationOrSeconds({ least: 1 }).optional(),
  tcpKeepAlive: durationOrSeconds().optional(),
  noHappyEyeballs: flag().optional(),
  keepAliveConnections: wholeNumber(1, 10_000).optional(),
  keepAliveTimeout: durationOrSeconds({ least: 1 }).optional(),
  httpHostHeader: parsed('a host such as app.internal', parseHostHeader).optional(),
  originServerName: parsed('a name such as app.internal', parseServerName).optional(),
  caPool: z.string({ error: expected('the name of a PEM file') }).optional(),
  noTLSVerify: flag().optional(),
  access: accessSchema.optional(),
  matchSNItoHost: flag().optional(),
  disableChunkedEncoding: flag().optional(),
  http2Origin: flag().optional(),
  bastionMode: flag().optional(),
  proxyAddress: withoutListener('127.0.0.1'),
  proxyPort: withoutListener(0),
  proxyType: z.enum(['', 'socks'], { error: expected('socks, or empty') }).optional(),
  ipRules: ipRulesSchema.optional(),
  proxyProtocol: oneOf(['off', 'v1', 'v2']).optional(),
});

/** What was written of an `originRequest`. */
export type WrittenOriginRequest = z.output<typeof originRequestSchema>;

/** Lays what was written, `caPool` already absolute, over `below`. */
export function mergeOriginRequest(
  below: OriginRequest,
  written: WrittenOriginRequest = {},
): OriginRequest {
  const { noHappyEyeballs, noTLSVerify } = written;
  return {
    connectTimeoutMs: written.connectTimeout ?? below.connectTimeoutMs,
    tlsTimeoutMs: written.tlsTimeout ?? below.tlsTimeoutMs,
    tcpKeepAliveMs: written.tcpKeepAlive ?? below.tcpKeepAliveMs,
    happyEyeballs: noHappyEyeballs === undefined ? below.happyEyeballs : !noHappyEyeballs,
    keepAliveConnections: written.keepAliveConnections ?? below.keepAliveConnections,
    keepAliveTimeoutMs: written.keepAliveTimeout ?? below.keepAliveTimeoutMs,
    httpHostHeader: unlessEmpty(written.httpHostHeader, below.httpHostHeader),
    originServerName: unlessEmpty(written.originServerName, below.originServerName),
    matchesHost: switchedOn(written.matchSNItoHost, below.matchesHost),
    caFile: unlessEmpty(written.caPool, below.caFile),
    tlsVerification: noTLSVerify === undefined ? below.tlsVerification : verification(noTLSVerify),
    wholeBodies: switchedOn(written.disableChunkedEncoding, below.wholeBodies),
    http2: switchedOn(written.http2Origin, below.http2),
    access: written.access === undefined ? below.access : requiredAccess(written.access),
    ipRules: written.ipRules === undefined ? below.ipRules : ipRules(written.ipRules),
    proxyType: proxyType(written.proxyType, below.proxyType),
    proxyProtocol: proxyProtocol(written.proxyProtocol, below.proxyProtocol),
  };
}

/** Absent where it is off, so that a rule that does not use it keeps its id. */
function switchedOn(written: boolean | undefined, below: true | undefined): true | undefined {
  return (written ?? below) ? true : undefined;
}

/** Empty text takes back what stands below, as in cloudflared. */
function unlessEmpty(written: string | undefined, below: string | undefined): string | undefined {
  return written === '' ? undefined : (written ?? below);
}

function parseServerName(name: string): string {
  return name === '' ? name : parseHostname(name);
}

function verification(noTlsVerify: boolean): OriginRequest['tlsVerification'] {
  return noTlsVerify ? 'none' : 'required';
}

function proxyType(
  written: WrittenOriginRequest['proxyType'],
  below: OriginRequest['proxyType'],
): OriginRequest['proxyType'] {
  if (written === undefined) return below;
  return written === 'socks' ? written : undefined;
}

function proxyProtocol(
  written: WrittenOriginRequest['proxyProtocol'],
  below: OriginRequest['proxyProtocol'],
): OriginRequest['proxyProtocol'] {
  if (written === undefined) return below;
  return written === 'off' ? undefined : written;
}

function requiredAccess({
  required,
  audTag,
}: z.output<typeof accessSchema>): OriginRequest['access'] {
  if (!required) return undefined;
  return audTag === undefined ? {} : { applications: audTag };
}

/** It goes into a request head, so nothing but a host and a port may be in it. */
function parseHostHeader(host: string): string {
  if (host === '') return host;
  if (/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(host)) return host;
  const message = `"${host}" is not a host; write a name such as app.internal, or name:port`;
  throw new PosternError('CONFIG_INVALID', message);
}
