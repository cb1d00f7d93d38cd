/**
 * Streams that clients open: judged, routed to a replica, and relayed. docs/protocol.md §11, design.md §2.
 *
 * A gateway keeps no state that a stream needs: each OPEN says all there is to know, is judged anew, and leads to the
 * replica it names, or, for a new stream, to one that its key chooses. What is kept here is only for ending streams that
 * are no longer allowed, also while they are detached.
 */
import { addressKey } from '../../access/sign-in/address-limit.ts';
import { normaliseHostname } from '../../config/hostname-pattern.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { isPosternError, PosternError } from '../../core/error.ts';
import { newRequestId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { ByteBudget } from '../../protocol/byte-budget.ts';
import type { OpenMessage, StreamRequest } from '../../protocol/control-message.ts';
import { NOBODY, type Link, type Slot, type StreamHolder } from '../../protocol/link.ts';
import { Relay, type RelayEnd } from '../../protocol/relay.ts';
import { isResetCode } from '../../protocol/reset-code.ts';
import type { Arrivals } from '../arrivals.ts';
import type { ConnectedReplica } from '../connected-replica.ts';
import type { RouteTable } from '../route-table.ts';
import { signedStream, type StreamSigner } from '../signed-stream.ts';
import type { TunnelRegistry } from '../tunnel-registry.ts';
import { EndedStreams } from './ended-streams.ts';
import { HeldOpen } from './held-open.ts';
import { OwnerShares, type OwnerShare } from './owner-shares.ts';
import { routeStream } from './route-stream.ts';
import type { ClientPrincipal, StreamAsk, StreamGate, StreamVerdict } from './stream-gate.ts';

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
  readonly purpose?: string | undefined;
  readonly tunnelName: string;
  readonly replica: string;
  /** Whether the stream was here, or elsewhere, before. */
  readonly isResumed: boolean;
}

/** What an attach came to. */
interface RelayedStreamEnd {
  readonly end: RelayEnd;
  /** Bytes of the whole stream: from the client, and to it. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
}

interface Most {
  readonly relayed: number;
  readonly detached: number;
  readonly ofOwner: number;
}

export interface ClientStreamsOptions<Principal extends ClientPrincipal> {
  readonly clock: Clock;
  readonly gate: StreamGate<Principal>;
  readonly routes: RouteTable;
  readonly registry: TunnelRegistry;
  readonly arrivals: Pick<Arrivals, 'wait'>;
  readonly events: ClientStreamEvents;
  readonly signer: StreamSigner;
  /** How many may be relayed at once, how many watched while they are detached, and how many either of one owner. Default LIMITS. */
  readonly most?: Partial<Most>;
}

/** What happens to streams of clients, for logs, metrics and audit. */
export interface ClientStreamEvents {
  onAttached(stream: RelayedStream): void;
  onEnded(stream: RelayedStream, end: RelayedStreamEnd): void;
  onRefused(ask: StreamAsk<ClientPrincipal>, error: PosternError): void;
}

/**
 * One time that a stream was let in, watched for as long as it is relayed, or, the last one of a stream, may come back. Each
 * has a watch of its own: whoever comes with the same key again may be refused by the connector, and what is relayed goes on.
 */
interface Attach {
  readonly key: string;
  readonly owner: string | undefined;
  readonly replica: ConnectedReplica;
  readonly detachedMs: number;
  readonly share: OwnerShare<Attach>;
  /** As the clock counts. */
  readonly since: number;
  readonly hold: { release(): void };
  /** While it is relayed here. */
  relay: Relay | undefined;
  /** While it is not: when it is forgotten. */
  timer: Timer | undefined;
  /** Once it was detached: tells that it will not come back. */
  onLost: ((error: PosternError) => void) | undefined;
}

/** An OPEN of a client. */
interface Opening<Principal extends ClientPrincipal> {
  readonly peer: ClientPeer<Principal>;
  readonly ask: StreamAsk<Principal>;
  readonly slot: Slot;
  readonly message: OpenMessage;
  readonly share: OwnerShare<Attach>;
}

/** Ends of an attach that say nothing of the stream: it is attached elsewhere, or is somebody else's. */
const NOT_THE_STREAM: ReadonlySet<string> = new Set(['STREAM_STALE_EPOCH', 'STREAM_UNKNOWN']);

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;

export class ClientStreams<Principal extends ClientPrincipal> {
  readonly #options: ClientStreamsOptions<Principal>;
  readonly #most: Most;
  readonly #shares: OwnerShares<Attach>;
  readonly #endedStreams: EndedStreams;
  /** By the stream's key; nearly always one. */
  readonly #attaches = new Map<string, Set<Attach>>();
  /** Those that are not relayed now, longest first. */
  readonly #detached = new Set<Attach>();
  #attached = 0;

  constructor(options: ClientStreamsOptions<Principal>) {
    this.#options = options;
    const { relayedStreams, detachedStreams, streamsPerOwner, relayBytes } = LIMITS;
    const all = { relayed: relayedStreams, detached: detachedStreams, ofOwner: streamsPerOwner };
    this.#most = { ...all, ...options.most };
    this.#endedStreams = new EndedStreams(options.clock, options.registry);
    options.gate.onGrantEnded((grant) => this.#endedStreams.endGrant(grant));
    this.#shares = new OwnerShares(options.clock, new ByteBudget(relayBytes));
  }

  /** Streams that are relayed now. */
  get attachedCount(): number {
    return this.#attached;
  }

  /** Since when the oldest of them is, as the clock counts; undefined without any. */
  get oldestSince(): number | undefined {
    let oldest: number | undefined;
    for (const attaches of this.#attaches.values()) {
      for (const { relay, since } of attaches) {
        if (relay !== undefined && (oldest === undefined || since < oldest)) oldest = since;
      }
    }
    return oldest;
  }

  /** Streams that are watched because they may come back. */
  get detachedCount(): number {
    return this.#detached.size;
  }

  /** OPEN arrived from a client. Returns who holds the slot; refuses on it what must not be, or cannot be now. */
  open(peer: ClientPeer<Principal>, slot: Slot, message: OpenMessage): StreamHolder {
    const { request } = message;
    const hostname = normaliseHostname(request.hostname);
    const ask: StreamAsk<Principal> = {
      // An international name may get longer than any: then it is no name, and no connector would take it.
      hostname: hostname.length > LIMITS.hostnameChars ? '' : hostname,
      principal: peer.principal,
      address: peer.address,
      purpose: request.purpose,
      requestId: REQUEST_ID.test(request.requestId) ? request.requestId : newRequestId(),
    };
    const share = this.#shares.of(peer.principal.owner ?? `at ${addressKey(peer.address)}`);
    const opening = { peer, ask, slot, message, share };
    return share.mayOpen()
      ? this.#begin(opening)
      : this.#refuse(opening, tooMany(message, `${LIMITS.opensPerOwner} a second are opened`));
  }

  #begin(opening: Opening<Principal>): StreamHolder {
    try {
      return this.#relay(opening);
    } catch (error) {
      if (!isPosternError(error)) throw error;
      return this.#awaitReplica(opening, error) ?? this.#refuse(opening, error);
    }
  }

  /** A connector is here, perhaps again: it may have missed what ended meanwhile. */
  onJoin(replica: ConnectedReplica): void {
    this.#endedStreams.onJoin(replica);
  }

  /** Ends every stream to connectors that will not come back. */
  endReplicas(picks: (replica: ConnectedReplica) => boolean, error: PosternError): void {
    const attaches = [...this.#attaches.values()].flatMap((ofStream) => [...ofStream]);
    for (const attach of attaches) {
      if (!picks(attach.replica)) continue;
      const { relay } = attach;
      this.#lose(attach, error);
      relay?.reset('STREAM_LOST', error.message);
    }
  }

  #refuse({ ask, slot, message }: Opening<Principal>, error: PosternError): StreamHolder {
    this.#options.events.onRefused(ask, error);
    // A stream that lives at a replica which is away now may well find it again.
    const mayComeBack = message.epoch > 0 && error.code === 'ROUTE_NO_REPLICA';
    if (mayComeBack || error.code === 'STREAM_DETACHED') slot.reset('STREAM_DETACHED', '');
    else slot.reset(isResetCode(error.code) ? error.code : 'STREAM_REFUSED', error.message);
    return NOBODY;
  }

  /** Holds a stream whose connector is expected, and begins anew when there is one; undefined where none is. */
  #awaitReplica(opening: Opening<Principal>, error: PosternError): StreamHolder | undefined {
    const { ask, slot, message, share } = opening;
    if (this.#attached >= this.#most.relayed) return undefined;
    const waiting = this.#options.arrivals.wait(error, ask.hostname, () => again());
    if (waiting === undefined) return undefined;
    const onEnd = (): void => {
      waiting.release();
      this.#count(share, -1);
    };
    const { budget } = share;
    const held = new HeldOpen({ slot, epoch: message.epoch, budget, onGone: onEnd });
    this.#count(share, 1);
    const again = (): void => {
      onEnd();
      held.passTo(this.#begin(opening));
    };
    return held;
  }

  #relay({ peer, ask, slot, message, share }: Opening<Principal>): StreamHolder {
    const { key, epoch, request } = message;
    this.#expectOwner(key, ask.principal);
    const verdict = this.#judge(key, ask);
    const { application, right, detachedMs = LIMITS.clientDetachedMs, endsMs } = verdict;
    const life = { detachedMs, ...(endsMs !== undefined && { endsMs }) };
    this.#expectRoom(message, share);
    const isResumed = epoch > 0;
    const { hostname } = ask;
    const { replica: wanted } = request;
    const { replica, rule } = routeStream(this.#options, {
      hostname,
      key,
      replica: wanted,
      isResumed,
    });
    const link = linkTo(replica, hostname, isResumed);
    const told = this.#told({ ...ask, application, replica, isResumed });
    const attach = this.#watch(key, ask, { replica, detachedMs, share });
    const asked = requestFor(peer, ask, rule?.id ?? '', life);
    const relay: Relay = new Relay({
      near: slot,
      message,
      request: signedStream(this.#options.signer, rule, asked, right),
      told: { replica: replica.id, ...life },
      budget: share.budget,
      onAccepted: () => this.#forgetDetached(attach),
      onEnd: (end) => {
        this.#count(share, -1);
        if (end.kind === 'detached') attach.onLost = (error) => told.onLost(error, relay);
        this.#ended(attach, end);
        told.onEnded(end, relay);
      },
    });
    this.#count(share, 1);
    attach.relay = relay;
    told.onAttached();
    relay.start(link);
    return relay.holder;
  }

  #count(share: OwnerShare<Attach>, by: 1 | -1): void {
    this.#attached += by;
    share.streams += by;
  }

  /** Throws when there are too many streams: STREAM_LIMIT, or for one that lives STREAM_DETACHED, since it may be one of them. */
  #expectRoom(message: OpenMessage, share: OwnerShare<Attach>): void {
    const { relayed, ofOwner } = this.#most;
    if (this.#attached >= relayed) throw tooMany(message, `${relayed} are relayed`);
    if (share.streams >= ofOwner) throw tooMany(message, `${ofOwner} of one user are relayed`);
  }

  /** Nobody but its owner hears of a stream. Throws STREAM_UNKNOWN. */
  #expectOwner(key: string, { owner }: Principal): void {
    const [known] = this.#attaches.get(key) ?? [];
    if (known === undefined || known.owner === owner) return;
    throw new PosternError('STREAM_UNKNOWN', 'Cannot resume the stream: it is not known here');
  }

  #judge(key: string, ask: StreamAsk<Principal>): StreamVerdict & { readonly allow: true } {
    const verdict = this.#options.gate.judge(ask);
    if (verdict.allow) return verdict;
    for (const known of this.#attaches.get(key) ?? []) {
      if (known.relay === undefined) this.#revoke(known, verdict.error);
    }
    throw verdict.error;
  }

  /** Tells of one attach, for logs, metrics and audit. */
  #told(about: Omit<RelayedStream, 'tunnelName' | 'replica'> & { replica: ConnectedReplica }): {
    onAttached(): void;
    onEnded(end: RelayEnd, relay: Relay): void;
    onLost(error: PosternError, relay: Relay): void;
  } {
    const { clock, events } = this.#options;
    const { replica } = about;
    const stream = { ...about, tunnelName: replica.tunnel.name, replica: replica.id };
    const since = clock.now();
    const onEnded = (end: RelayEnd, { bytes }: Relay): void => {
      const durationMs = Math.round(clock.now() - since);
      const { sent: bytesSent, received: bytesReceived } = bytes;
      events.onEnded(stream, { end, bytesSent, bytesReceived, durationMs });
    };
    return {
      onAttached: () => events.onAttached(stream),
      onEnded,
      onLost: (error, relay) => onEnded({ kind: 'reset', error }, relay),
    };
  }

  /** Keeps watch over a stream from now on. */
  #watch(
    key: string,
    ask: StreamAsk<Principal>,
    where: Pick<Attach, 'replica' | 'detachedMs' | 'share'>,
  ): Attach {
    const { owner } = ask.principal;
    const hold = this.#options.gate.hold(ask, (error) => this.#revoke(attach, error));
    const attach: Attach = {
      key,
      owner,
      ...where,
      since: this.#options.clock.now(),
      hold,
      relay: undefined,
      timer: undefined,
      onLost: undefined,
    };
    const others = this.#attaches.get(key) ?? new Set();
    this.#attaches.set(key, others.add(attach));
    return attach;
  }

  #ended(attach: Attach, end: RelayEnd): void {
    attach.relay = undefined;
    const ofStream = this.#attaches.get(attach.key);
    // One that was revoked is no longer there.
    if (ofStream?.has(attach) !== true) return;
    if (end.kind !== 'reset' || !NOT_THE_STREAM.has(end.error.code)) this.#forgetDetached(attach);
    const isElsewhere = [...ofStream].some(({ relay }) => relay !== undefined);
    if (end.kind === 'detached' && !isElsewhere) this.#keep(attach);
    else this.#forget(attach);
  }

  /** Drops the watches over a stream that were kept for when it comes back: it has, or it has ended. */
  #forgetDetached(attach: Attach): void {
    for (const other of this.#attaches.get(attach.key) ?? []) {
      if (other !== attach && other.relay === undefined) this.#forget(other);
    }
  }

  #keep(attach: Attach): void {
    const keptMs = attach.detachedMs + LIMITS.deadPeerMs;
    attach.timer = this.#options.clock.after(keptMs, () => this.#lose(attach, notBack()));
    this.#detached.add(attach);
    const { share } = attach;
    share.watched.add(attach);
    // Nobody pushes out what is somebody else's before they have given up their own.
    const isTooMany = share.watched.size > this.#most.ofOwner;
    if (!isTooMany && this.#detached.size <= this.#most.detached) return;
    const [longest = attach] = isTooMany ? share.watched : this.#detached;
    // What is watched no more must not wait there for longer either.
    this.#lose(longest, notBack());
    this.#endedStreams.endStream(longest.replica, longest.key);
  }

  /** Ends a stream that is no longer allowed, wherever its endpoints are. */
  #revoke(attach: Attach, error: PosternError): void {
    if (this.#attaches.get(attach.key)?.has(attach) !== true) return;
    const isLast = this.#attaches.get(attach.key)?.size === 1;
    if (isLast) this.#lose(attach, error);
    else this.#forget(attach);
    const code = isResetCode(error.code) ? error.code : 'ACCESS_REVOKED';
    if (attach.relay !== undefined) attach.relay.reset(code, error.message);
    // Or it goes on under another watch.
    else if (!this.#attaches.has(attach.key)) {
      this.#endedStreams.endStream(attach.replica, attach.key);
    }
  }

  /** A stream that was detached will not come back. */
  #lose(attach: Attach, error: PosternError): void {
    const { relay, onLost } = attach;
    this.#forget(attach);
    if (relay === undefined) onLost?.(error);
  }

  #forget(attach: Attach): void {
    const ofStream = this.#attaches.get(attach.key);
    if (ofStream?.delete(attach) !== true) return;
    if (ofStream.size === 0) this.#attaches.delete(attach.key);
    this.#detached.delete(attach);
    attach.share.watched.delete(attach);
    attach.timer?.cancel();
    attach.hold.release();
  }
}

/** A new stream is refused. One that lives may well be one of those that there are too many of, and is tried again. */
function tooMany({ epoch }: OpenMessage, why: string): PosternError {
  const code = epoch > 0 ? 'STREAM_DETACHED' : 'STREAM_LIMIT';
  return new PosternError(code, `Cannot open a stream: ${why}`);
}

function notBack(): PosternError {
  return new PosternError('STREAM_LOST', 'Cannot resume the stream: its client did not come back');
}

/** Throws ROUTE_NO_REPLICA, and STREAM_DETACHED when it is only for now. */
function linkTo(replica: ConnectedReplica, hostname: string, isResumed: boolean): Link {
  const link = replica.relayLink(isResumed);
  if (link !== undefined) return link;
  const why = `Cannot reach "${hostname}": no link to its connector takes a stream now`;
  // Its links may have had all the streams that a second allows; the client tries again.
  throw new PosternError(replica.isReachable ? 'STREAM_DETACHED' : 'ROUTE_NO_REPLICA', why);
}

function requestFor(
  { principal, address, port }: ClientPeer<ClientPrincipal>,
  { hostname, requestId }: StreamAsk<ClientPrincipal>,
  rule: string,
  life: Pick<StreamRequest, 'detachedMs' | 'endsMs'>,
): StreamRequest {
  return {
    kind: 'tcp',
    hostname,
    rule,
    requestId,
    client: { address, port },
    ...life,
    ...(principal.owner !== undefined && { owner: principal.owner }),
    ...(principal.grant !== undefined && { grant: principal.grant }),
  };
}
