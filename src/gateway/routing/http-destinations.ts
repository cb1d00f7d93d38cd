/**
 * The HTTP path's view of the stream router: each request's destination as an OriginTarget whose connections are streams.
 *
 * The only place where HTTP and streams meet. A target is made once for each rule of a replica and then found again.
 */
import type { StreamRight } from '../../access/tokens/stream-assertions.ts';
import type { AnnouncedHttp } from '../../protocol/message/announced-rule.ts';
import { StreamDuplex } from '../../transport/stream-duplex.ts';
import type { Arrivals } from './arrivals.ts';
import type { ConnectedReplica, ReplicaRule } from '../links/connected-replica.ts';
import type {
  HttpRouter,
  OriginTarget,
  RouteInput,
  RouteResult,
} from '../http/origin/origin-opener.ts';
import { heededOf } from '../http/fields/origin-changes.ts';
import { signedStream, type StreamSigner } from './signed-stream.ts';
import type { Stickiness } from './stickiness.ts';
import type { StreamRouter } from './stream-router.ts';
import { isPosternError } from '../../core/error.ts';

/** Idle connections an origin may have kept, and for how long, where the connector does not say. */
const DEFAULTS = { keepAliveConnections: 100, keepAliveTimeoutMs: 90_000 };

/** Hostnames under a wildcard rule are the user's choice, so what is remembered of them is bounded. */
const MAX_TARGETS = 1_000;

export interface HttpDestinationsOptions {
  readonly router: StreamRouter;
  readonly signer: StreamSigner;
  readonly arrivals: Arrivals;
  readonly stickiness: Stickiness;
}

export class HttpDestinations implements HttpRouter {
  readonly #router: StreamRouter;
  readonly #signer: StreamSigner;
  readonly #arrivals: Arrivals;
  readonly #stickiness: Stickiness;
  /** Targets by hostname and rule. They go with their replica. */
  readonly #targets = new WeakMap<ConnectedReplica, Map<string, OriginTarget>>();

  constructor({ router, signer, arrivals, stickiness }: HttpDestinationsOptions) {
    this.#router = router;
    this.#signer = signer;
    this.#arrivals = arrivals;
    this.#stickiness = stickiness;
  }

  route({ hostname, path, right, notAt, client, cookie }: RouteInput): RouteResult {
    try {
      const comer = { application: right?.application, address: client.address, cookie };
      const { replica, rule } = this.#router.route('http', hostname, path, { notAt, comer });
      const target = this.#targetFor(replica, rule, hostname, right);
      const setCookie = this.#stickiness.cookieFor(comer, replica);
      return { ok: true, target, ...(setCookie !== undefined && { setCookie }) };
    } catch (error) {
      if (!isPosternError(error)) throw error;
      return { ok: false, error, wait: (again) => this.#arrivals.wait(error, hostname, again) };
    }
  }

  /** The pools that hold connections to a replica. */
  poolKeysOf(replica: ConnectedReplica): string[] {
    return [...(this.#targets.get(replica)?.values() ?? [])].map(({ poolKey }) => poolKey);
  }

  #targetFor(
    replica: ConnectedReplica,
    rule: ReplicaRule,
    hostname: string,
    right: StreamRight | undefined,
  ): OriginTarget {
    const targets = this.#targets.get(replica) ?? new Map<string, OriginTarget>();
    this.#targets.set(replica, targets);
    // The connector checks the hostname of each stream against its rule, so streams of a wildcard rule are not shared
    // between hostnames.
    let key = `${rule.id} ${hostname}`;
    // Nor, where the connector checks it too, between applications, or between those who signed in and those who need not.
    if (rule.access === true) key += ` ${right?.by} ${right?.application?.name}`;
    const known = targets.get(key);
    if (known !== undefined) return known;
    if (targets.size >= MAX_TARGETS) targets.clear();
    // Who it is that came first is nobody's business later on.
    const anybody = right && { by: right.by, application: right.application, principal: {} };
    const target = this.#createTarget(replica, rule, hostname, key, anybody);
    targets.set(key, target);
    return target;
  }

  #createTarget(
    replica: ConnectedReplica,
    rule: ReplicaRule,
    hostname: string,
    key: string,
    right: StreamRight | undefined,
  ): OriginTarget {
    const signer = this.#signer;
    const { tunnel } = replica;
    const http: AnnouncedHttp = rule.http ?? {};
    return {
      poolKey: `${tunnel.id} ${replica.id} ${key}`,
      tunnelId: tunnel.id,
      tunnelName: tunnel.name,
      replicaId: replica.id,
      ...(http.hostHeader !== undefined && { hostHeader: http.hostHeader }),
      ...(http.http2 === true && { http2: true }),
      ...(http.wholeBodies === true && { wholeBodies: true }),
      changes: rule.changes,
      keepAliveConnections: http.keepAliveConnections ?? DEFAULTS.keepAliveConnections,
      keepAliveTimeoutMs: http.keepAliveTimeoutMs ?? DEFAULTS.keepAliveTimeoutMs,
      async open({ requestId, client, needsHttp1 }) {
        const heeds = heededOf(http, needsHttp1 !== true);
        const request = {
          kind: 'http' as const,
          hostname,
          rule: rule.id,
          requestId,
          client,
          ...(heeds.length > 0 && { heeds }),
        };
        const duplex = new StreamDuplex(replica.open(signedStream(signer, rule, request, right)));
        await duplex.accepted();
        return duplex;
      },
      isAlive: () => replica.isReachable,
    };
  }
}
