/**
 * Dials what an ingress rule names, and nothing else: the rule comes from the connector's own file, the request only
 * says who asks. Resolves once and dials what it checked; TLS to the origin is done here.
 *
 * Bounded by the dial gate and by `connectTimeout` and `tlsTimeout`. Knows nothing of links and streams, follows no
 * redirect, tries nothing again: whether to is the caller's decision.
 */
import { isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { OriginService } from '../../config/connector/origin-service.ts';
import { systemClock, type Clock } from '../../core/clock.ts';
import { formatDuration } from '../../core/duration.ts';
import { LIMITS } from '../../core/limits.ts';
import type { AcceptInfo } from '../../protocol/message/stream-opening.ts';
import type { StreamRequest } from '../../protocol/message/stream-request.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { BuiltinOrigin } from './builtin.ts';
import { allowedBy, chosenService, expectNoDestination, letsChoose } from './chosen-service.ts';
import { connectTcp } from './connect-tcp.ts';
import { connectUnix } from './connect-unix.ts';
import { Deadline, untilAborted } from './deadline.ts';
import { DialGate, type DialGateLimits } from './dial-gate.ts';
import type { HelloIdentity } from './hello-page.ts';
import { OriginResolver, type Lookup } from './origin-resolver.ts';
import { proxyHeader } from './proxy-header.ts';
import { secureOrigin } from './secure-origin.ts';
import { TrustStore } from './trust-store.ts';

export interface OriginDialerOptions {
  /** Who answers for `hello_world`. */
  readonly identity: HelloIdentity;
  /** How names are resolved. Default: the system's resolver. */
  readonly lookup?: Lookup;
  /** Default DIAL_GATE_DEFAULTS. */
  readonly gateLimits?: DialGateLimits;
  /** Default systemClock. */
  readonly clock?: Clock;
}

export interface DialOptions {
  /** Aborts when the stream is no longer wanted: the dial rejects with STREAM_CANCELLED and leaves nothing open. */
  readonly signal: AbortSignal;
  readonly log?: Log;
}

/**
 * Who asks: its hostname may be the name that a certificate has; which port of several; what the gateway can speak; what
 * the user chose, where they may; and who they are, for an origin that is told.
 */
export type DialRequest = Pick<
  StreamRequest,
  'hostname' | 'portOffset' | 'heeds' | 'destination' | 'client'
> &
  Partial<Pick<StreamRequest, 'requestId'>>;

/** A connected origin. */
export interface OriginConnection {
  /**
   * A `net.Socket`, a `tls.TLSSocket` or an in-memory stream; half-open allowed, nothing read yet. The caller owns it.
   * An error before the caller listens is not thrown; it shows as `socket.errored`.
   */
  readonly socket: Duplex;
  readonly info: AcceptInfo & { readonly origin: string };
}

/** What we speak to an origin of HTTP. */
const HTTP_ALPN = ['http/1.1'];

type DialledService = Extract<OriginService, { kind: 'http' | 'tcp' | 'unix' }>;

export class OriginDialer {
  readonly #clock: Clock;
  readonly #gate: DialGate;
  readonly #resolver: OriginResolver;
  readonly #trust = new TrustStore();
  readonly #builtin: BuiltinOrigin;

  constructor(options: OriginDialerOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#gate = new DialGate(options.gateLimits);
    this.#resolver = new OriginResolver(options.lookup);
    this.#builtin = new BuiltinOrigin(options.identity, this.#clock);
  }

  /** Dials under way, for metrics. */
  get dialsUnderWay(): number {
    return this.#gate.active;
  }

  /**
   * Connects to the service of `rule`. Throws ORIGIN_REFUSED, ORIGIN_UNREACHABLE, ORIGIN_RESET, ORIGIN_DNS,
   * ORIGIN_TIMEOUT, ORIGIN_TLS, ORIGIN_FORBIDDEN, ORIGIN_DESTINATION, and STREAM_CANCELLED when the signal aborts first.
   */
  async dial(
    rule: IngressRule,
    request: DialRequest,
    options: DialOptions,
  ): Promise<OriginConnection> {
    const { service } = rule;
    if (!letsChoose(service)) expectNoDestination(request);
    switch (service.kind) {
      case 'hello-world':
        return { socket: this.#builtin.connect(service), info: { origin: 'hello_world' } };
      case 'http-status':
        return {
          socket: this.#builtin.connect(service),
          info: { origin: `http_status:${service.status}` },
        };
      case 'bastion':
      case 'socks-proxy':
        return this.#dialService({
          rule,
          service: chosenService(rule, request),
          isChosen: true,
          request,
          ...options,
        });
      case 'tcp':
        return this.#dialService({ rule, service: onePort(service, request), request, ...options });
      case 'http':
      case 'unix':
        return this.#dialService({ rule, service, request, ...options });
    }
  }

  /** Ends what the built-in services still have open. Every other socket belongs to its caller. */
  close(): void {
    this.#builtin.close();
  }

  /** `connectTimeout` is for everything up to the TCP connection: waiting, DNS, connecting. */
  async #dialService(dial: Dial): Promise<OriginConnection> {
    const { rule, service, signal } = dial;
    const origin = originOf(service);
    const progress = { doing: 'waiting for other dials' };
    const limitMs = boundedMs(rule.originRequest.connectTimeoutMs);
    const deadline = new Deadline(
      this.#clock,
      limitMs,
      signal,
      () =>
        `Cannot connect to "${origin}": after ${formatDuration(limitMs)} still ${progress.doing}`,
    );
    try {
      return await this.#gate.run(rule.id, deadline.signal, async () => {
        const trust = await this.#trustFor(dial, deadline.signal);
        const socket = await this.#connect(dial, deadline.signal, progress);
        deadline.release();
        introduceUser(dial, socket);
        // Spoken without asking, as HTTP/2 without TLS is. The name is that of RFC 9113 §3.1.
        const alpn = speaksHttp2(dial) ? { alpn: 'h2c' } : {};
        if (!isTls(service)) return { socket, info: { origin, ...alpn } };
        return this.#secure(dial, socket, trust);
      });
    } finally {
      deadline.release();
    }
  }

  async #connect(dial: Dial, signal: AbortSignal, progress: { doing: string }): Promise<Socket> {
    const { service, log } = dial;
    if (service.kind === 'unix') {
      progress.doing = 'without a place in its queue';
      return connectUnix(service.path, signal, this.#clock);
    }
    const { connectTimeoutMs, tcpKeepAliveMs, happyEyeballs } = dial.rule.originRequest;
    const { host, port } = service;
    progress.doing = 'resolving its name';
    const { addresses, refused } = await (dial.isChosen
      ? this.#resolver.resolveChosen(host, signal, allowedBy(dial.rule, port))
      : this.#resolver.resolve(host, signal));
    const origin = originOf(service);
    if (refused.length > 0) {
      log?.warn(
        { [FIELD.origin]: origin, [FIELD.reason]: refused.join(', ') },
        'origin addresses left out',
      );
    }
    progress.doing = 'without an answer';
    const target = {
      origin,
      addresses,
      port,
      keepAliveMs: tcpKeepAliveMs,
      isRacing: happyEyeballs,
      timeoutMs: boundedMs(connectTimeoutMs),
    };
    return connectTcp(target, signal, this.#clock);
  }

  async #secure(
    dial: Dial,
    socket: Socket,
    trust: SecureContext | undefined,
  ): Promise<OriginConnection> {
    const { rule, service, request } = dial;
    const { tlsTimeoutMs, tlsVerification } = rule.originRequest;
    const origin = originOf(service);
    const limitMs = boundedMs(tlsTimeoutMs);
    const deadline = new Deadline(
      this.#clock,
      limitMs,
      dial.signal,
      () => `Cannot speak TLS with "${origin}": no answer within ${formatDuration(limitMs)}`,
    );
    const target = {
      origin,
      name: tlsNameOf(rule, service, request),
      verification: tlsVerification,
      trust,
      alpn: alpnFor(dial),
    };
    try {
      const secured = await secureOrigin(target, socket, deadline.signal);
      const alpn = secured.alpnProtocol;
      return { socket: secured, info: { origin, ...(typeof alpn === 'string' && { alpn }) } };
    } finally {
      deadline.release();
    }
  }

  async #trustFor(
    { rule, service }: Dial,
    signal: AbortSignal,
  ): Promise<SecureContext | undefined> {
    const { caFile } = rule.originRequest;
    if (caFile === undefined || !isTls(service)) return undefined;
    return untilAborted(this.#trust.contextFor(caFile), signal);
  }
}

interface Dial extends DialOptions {
  readonly rule: IngressRule;
  readonly service: DialledService;
  /** The service is what the user chose, within `ipRules`. */
  readonly isChosen?: boolean;
  readonly request: DialRequest;
}

/** Tells the origin who the user is, before TLS and before anything else. */
function introduceUser({ rule, request }: Dial, socket: Socket): void {
  const { proxyProtocol } = rule.originRequest;
  if (proxyProtocol === undefined) return;
  const { remoteAddress: address, remotePort: port } = socket;
  const origin = address === undefined || port === undefined ? undefined : { address, port };
  const { client, hostname, requestId } = request;
  socket.write(proxyHeader(proxyProtocol, { client, origin, hostname, requestId }));
}

/** Whether both the rule and the gateway want HTTP/2 with the origin. */
function speaksHttp2({ rule, service, request }: Dial): boolean {
  const isHttp = service.kind !== 'tcp' && rule.originRequest.http2 === true;
  return isHttp && request.heeds?.includes('http2') === true;
}

/** Whom the certificate has to name. */
function tlsNameOf(
  { originRequest }: IngressRule,
  service: DialledService,
  { hostname }: DialRequest,
): string {
  const { originServerName, httpHostHeader, matchesHost } = originRequest;
  // The host of the request as the origin sees it.
  if (matchesHost === true)
    return httpHostHeader === undefined ? hostname : withoutPort(httpHostHeader);
  // A path is no name that a certificate could have; the hostname is what the user asked for.
  return originServerName ?? (service.kind === 'unix' ? hostname : service.host);
}

/** Of `name:port` or `[address]:port`. */
function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** What is offered. What is behind raw TCP is the affair of its two ends. */
function alpnFor(dial: Dial): string[] {
  if (dial.service.kind === 'tcp') return [];
  return speaksHttp2(dial) ? ['h2', ...HTTP_ALPN] : HTTP_ALPN;
}

function isTls({ tls = false }: DialledService): boolean {
  return tls;
}

/** The port of a range that is asked for. That there is one was checked when the rule was chosen. */
function onePort<Service extends { readonly port: number }>(
  service: Service,
  { portOffset = 0 }: DialRequest,
): Service {
  return portOffset === 0 ? service : { ...service, port: service.port + portOffset };
}

/** How logs, messages and ACCEPT name the origin. */
function originOf(service: DialledService): string {
  if (service.kind === 'unix') return `unix:${service.path}`;
  return `${isIPv6(service.host) ? `[${service.host}]` : service.host}:${service.port}`;
}

/** 0 means "no limit" in cloudflared's file; a place in the gate is never held for ever. */
function boundedMs(ms: number): number {
  return ms > 0 ? Math.min(ms, LIMITS.originDialMs) : LIMITS.originDialMs;
}
