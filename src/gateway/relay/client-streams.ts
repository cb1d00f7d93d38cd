/**
 * Streams that clients open: judged, routed to a replica, and relayed. docs/protocol.md §11, design.md §2.
 *
 * A gateway keeps no state that a stream needs: each OPEN says all there is to know, is judged anew, and leads to the
 * replica it names, or, for a new stream, to one that its key chooses. What is kept here is only for ending streams that
 * are no longer allowed, also while they are detached.
 */
import { normaliseHostname } from '../../config/hostname-pattern.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { isPosternError, PosternError } from '../../core/error.ts';
import { newRequestId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { ByteBudget } from '../../protocol/byte-budget.ts';
import type { OpenMessage, StreamRequest } from '../../protocol/control-message.ts';
import { NOBODY, type Slot, type StreamHolder } from '../../protocol/link.ts';
import { Relay, type RelayEnd } from '../../protocol/relay.ts';
import { isResetCode } from '../../protocol/reset-code.ts';
import type { ConnectedReplica } from '../connected-replica.ts';
import type { RouteTable } from '../route-table.ts';
import type { TunnelRegistry } from '../tunnel-registry.ts';
import { routeStream } from './route-stream.ts';
import type { ClientPrincipal, StreamAsk, StreamGate } from './stream-gate.ts';

/** A client link, for the streams on it. */
export interface ClientPeer<Principal extends ClientPrincipal> {
  readonly principal: Principal;
  readonly address: string;
  readonly port: number;
}

/** One attach of a stream, for logs and audit. */
export interface RelayedStream {
  readonly hostname: string;
  readonly application: string | undefined;
  readonly principal: ClientPrincipal;
  readonly address: string;
  readonly requestId: string;
  readonly tunnelName: string;
  readonly replica: string;
  /** Whether the stream was here, or elsewhere, before. */
  readonly isResumed: boolean;
}

/** What an attach came to. */
export interface RelayedStreamEnd {
  readonly end: RelayEnd;
  /** Bytes of the whole stream: from the client, and to it. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
}

export interface ClientStreamsOptions<Principal extends ClientPrincipal> {
  readonly clock: Clock;
  readonly gate: StreamGate<Principal>;
  readonly routes: RouteTable;
  readonly registry: TunnelRegistry;
  readonly events: ClientStreamEvents;
}

/** What happens to streams of clients, for logs, metrics and audit. */
export interface ClientStreamEvents {
  onAttached(stream: RelayedStream): void;
  onEnded(stream: RelayedStream, end: RelayedStreamEnd): void;
  onRefused(ask: StreamAsk<ClientPrincipal>, error: PosternError): void;
}

/** A stream that was let in, for as long as it may come back. */
interface Grant {
  readonly owner: string | undefined;
  readonly hold: { release(): void };
  readonly replica: ConnectedReplica;
  /** While it is attached here. */
  relay: Relay | undefined;
  /** While it is not: when it is forgotten. */
  timer: Timer | undefined;
}

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;

export class ClientStreams<Principal extends ClientPrincipal> {
  readonly #options: ClientStreamsOptions<Principal>;
  readonly #budget = new ByteBudget(LIMITS.relayBytes);
  /** By the stream's key. */
  readonly #grants = new Map<string, Grant>();
  #attached = 0;

  constructor(options: ClientStreamsOptions<Principal>) {
    this.#options = options;
  }

  /** Streams that are relayed now. */
  get attachedCount(): number {
    return this.#attached;
  }

  /** OPEN arrived from a client. Returns who holds the slot; refuses on it what must not be, or cannot be now. */
  open(peer: ClientPeer<Principal>, slot: Slot, message: OpenMessage): StreamHolder {
    const { request } = message;
    const ask: StreamAsk<Principal> = {
      hostname: normaliseHostname(request.hostname),
      principal: peer.principal,
      address: peer.address,
      requestId: REQUEST_ID.test(request.requestId) ? request.requestId : newRequestId(),
    };
    try {
      return this.#relay(peer, ask, slot, message);
    } catch (error) {
      if (!isPosternError(error)) throw error;
      this.#options.events.onRefused(ask, error);
      // A stream that lives at a replica which is away now may well find it again.
      const mayComeBack = message.epoch > 0 && error.code === 'ROUTE_NO_REPLICA';
      if (mayComeBack) slot.reset('STREAM_DETACHED', '');
      else slot.reset(isResetCode(error.code) ? error.code : 'STREAM_REFUSED', error.message);
      return NOBODY;
    }
  }

  #relay(
    peer: ClientPeer<Principal>,
    ask: StreamAsk<Principal>,
    slot: Slot,
    message: OpenMessage,
  ): StreamHolder {
    const { gate, clock } = this.#options;
    const { key, epoch, request } = message;
    const known = this.#grants.get(key);
    if (known !== undefined && known.owner !== peer.principal.owner) {
      const why = 'Cannot resume the stream: it is not known here';
      throw new PosternError('STREAM_UNKNOWN', why);
    }
    const verdict = gate.judge(ask);
    if (!verdict.allow) {
      this.#revoke(key, verdict.error);
      throw verdict.error;
    }
    const { replica, rule } = routeStream(this.#options, {
      hostname: ask.hostname,
      key,
      replica: request.replica,
      isResumed: epoch > 0,
    });
    const link = replica.relayLink(epoch > 0);
    if (link === undefined) {
      const why = `no link to its connector takes a stream now`;
      throw new PosternError('ROUTE_NO_REPLICA', `Cannot reach "${ask.hostname}": ${why}`);
    }
    const stream: RelayedStream = {
      ...ask,
      application: verdict.application,
      tunnelName: replica.tunnel.name,
      replica: replica.id,
      isResumed: epoch > 0,
    };
    const since = clock.now();
    const grant = this.#grant(key, ask, replica);
    const relay: Relay = new Relay({
      near: slot,
      message,
      request: this.#requestFor(peer, ask, rule?.id ?? '', verdict.detachedMs),
      replica: replica.id,
      budget: this.#budget,
      onEnd: (end) => {
        this.#attached -= 1;
        const { sent: bytesSent, received: bytesReceived } = relay.bytes;
        const durationMs = Math.round(clock.now() - since);
        this.#ended(key, grant, end, verdict.detachedMs);
        this.#options.events.onEnded(stream, { end, bytesSent, bytesReceived, durationMs });
      },
    });
    this.#attached += 1;
    this.#options.events.onAttached(stream);
    grant.relay = relay;
    relay.start(link);
    return relay.holder;
  }

  #requestFor(
    { principal, address, port }: ClientPeer<Principal>,
    { hostname, requestId }: StreamAsk<Principal>,
    rule: string,
    detachedMs: number = LIMITS.clientDetachedMs,
  ): StreamRequest {
    return {
      kind: 'tcp',
      hostname,
      rule,
      requestId,
      client: { address, port },
      detachedMs,
      ...(principal.owner !== undefined && { owner: principal.owner }),
    };
  }

  /** Keeps watch over a stream from now on. One with the same key that was here before is this one. */
  #grant(key: string, ask: StreamAsk<Principal>, replica: ConnectedReplica): Grant {
    this.#forget(key);
    if (this.#grants.size >= LIMITS.detachedStreams + LIMITS.relayedStreams) {
      const why = `Cannot open a stream: ${LIMITS.relayedStreams} are relayed`;
      throw new PosternError('STREAM_LIMIT', why);
    }
    const hold = this.#options.gate.hold(ask, (error) => this.#revoke(key, error));
    const { owner } = ask.principal;
    const grant: Grant = { owner, hold, replica, relay: undefined, timer: undefined };
    this.#grants.set(key, grant);
    return grant;
  }

  #ended(key: string, grant: Grant, end: RelayEnd, detachedMs: number | undefined): void {
    // Attached again over another link in the meantime.
    if (this.#grants.get(key) !== grant) return;
    if (end.kind !== 'detached') {
      this.#forget(key);
      return;
    }
    grant.relay = undefined;
    const keptMs = (detachedMs ?? LIMITS.clientDetachedMs) + LIMITS.deadPeerMs;
    grant.timer = this.#options.clock.after(keptMs, () => this.#forget(key));
  }

  /** Ends a stream that is no longer allowed, wherever its endpoints are. */
  #revoke(key: string, error: PosternError): void {
    const grant = this.#grants.get(key);
    if (grant === undefined) return;
    const code = isResetCode(error.code) ? error.code : 'ACCESS_REVOKED';
    this.#forget(key);
    if (grant.relay === undefined) grant.replica.endStreams([key]);
    else grant.relay.reset(code, error.message);
  }

  #forget(key: string): void {
    const grant = this.#grants.get(key);
    if (grant === undefined) return;
    this.#grants.delete(key);
    grant.timer?.cancel();
    grant.hold.release();
  }
}
