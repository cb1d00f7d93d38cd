/**
 * Streams that clients open: judged, routed to a replica, and relayed. docs/protocol.md §11, design.md §2.
 *
 * A gateway keeps no state that a stream needs: each OPEN says all there is to know, is judged anew, and leads to the
 * replica it names, or, for a new stream, to one that its key chooses. What is watched meanwhile is in `stream-attaches.ts`.
 */
import { addressKey } from '../../access/sign-in/address-limit.ts';
import { formatDestination } from '../../config/destination.ts';
import { normaliseHostname } from '../../config/hostname-pattern.ts';
import type { Clock } from '../../core/clock.ts';
import { isPosternError, PosternError } from '../../core/error.ts';
import { newRequestId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { ByteBudget } from '../../protocol/byte-budget.ts';
import type { OpenMessage } from '../../protocol/message/stream-opening.ts';
import type { StreamRequest } from '../../protocol/message/stream-request.ts';
import type { Link } from '../../protocol/link.ts';
import { NOBODY, type Slot, type StreamHolder } from '../../protocol/slot.ts';
import { Relay, type RelayEnd } from '../../protocol/relay.ts';
import { isResetCode } from '../../protocol/reset-code.ts';
import type { Arrivals } from '../routing/arrivals.ts';
import type { ConnectedReplica, ReplicaRule } from '../links/connected-replica.ts';
import type { RouteTable } from '../routing/route-table.ts';
import { signedStream, type StreamSigner } from '../routing/signed-stream.ts';
import type { TunnelRegistry } from '../links/tunnel-registry.ts';
import { EndedStreams } from './ended-streams.ts';
import { HeldOpen } from './held-open.ts';
import { OwnerShares, type OwnerShare } from './owner-shares.ts';
import { routeStream } from './route-stream.ts';
import { StreamAttaches, type Attach } from './stream-attaches.ts';
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
  /** What the user chose to reach, where they may. */
  readonly destination?: string | undefined;
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

/** An OPEN of a client. */
interface Opening<Principal extends ClientPrincipal> {
  readonly peer: ClientPeer<Principal>;
  readonly ask: StreamAsk<Principal>;
  readonly slot: Slot;
  readonly message: OpenMessage;
  readonly share: OwnerShare<Attach>;
}

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;

export class ClientStreams<Principal extends ClientPrincipal> {
  readonly #options: ClientStreamsOptions<Principal>;
  readonly #most: Most;
  readonly #shares: OwnerShares<Attach>;
  readonly #endedStreams: EndedStreams;
  readonly #attaches: StreamAttaches<Principal>;
  #attached = 0;

  constructor(options: ClientStreamsOptions<Principal>) {
    this.#options = options;
    const { relayedStreams, detachedStreams, streamsPerOwner, relayBytes } = LIMITS;
    const all = { relayed: relayedStreams, detached: detachedStreams, ofOwner: streamsPerOwner };
    this.#most = { ...all, ...options.most };
    const { clock, gate, registry } = options;
    this.#endedStreams = new EndedStreams(clock, registry);
    const endedStreams = this.#endedStreams;
    this.#attaches = new StreamAttaches({ clock, gate, endedStreams, most: this.#most });
    gate.onGrantEnded((grant) => endedStreams.endGrant(grant));
    this.#shares = new OwnerShares(clock, new ByteBudget(relayBytes));
  }

  /** Streams that are relayed now. */
  get attachedCount(): number {
    return this.#attached;
  }

  /** Since when the oldest of them is, as the clock counts; undefined without any. */
  get oldestSince(): number | undefined {
    return this.#attaches.oldestSince;
  }

  /** Streams that are watched because they may come back. */
  get detachedCount(): number {
    return this.#attaches.detachedCount;
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
    this.#attaches.endReplicas(picks, error);
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
    this.#attaches.expectOwner(key, ask.principal);
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
    if (!isResumed) checkDestination(rule, request);
    const link = linkTo(replica, hostname, isResumed);
    const destination = request.destination && formatDestination(request.destination);
    const told = this.#told({ ...ask, application, destination, replica, isResumed });
    const attach = this.#attaches.watch(key, ask, { replica, detachedMs, share });
    const asked = requestFor(peer, ask, rule?.id ?? '', { ...life, ...chosenIn(request) });
    const relay: Relay = new Relay({
      near: slot,
      message,
      request: signedStream(this.#options.signer, rule, asked, right),
      told: { replica: replica.id, ...life },
      budget: share.budget,
      onAccepted: () => this.#attaches.forgetDetached(attach),
      onEnd: (end) => {
        this.#count(share, -1);
        if (end.kind === 'detached') attach.onLost = (error) => told.onLost(error, relay);
        this.#attaches.ended(attach, end);
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

  #judge(key: string, ask: StreamAsk<Principal>): StreamVerdict & { readonly allow: true } {
    const verdict = this.#options.gate.judge(ask);
    if (verdict.allow) return verdict;
    this.#attaches.revokeDetached(key, verdict.error);
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
}

/** A new stream is refused. One that lives may well be one of those that there are too many of, and is tried again. */
function tooMany({ epoch }: OpenMessage, why: string): PosternError {
  const code = epoch > 0 ? 'STREAM_DETACHED' : 'STREAM_LIMIT';
  return new PosternError(code, `Cannot open a stream: ${why}`);
}

/** Throws ROUTE_NO_REPLICA, and STREAM_DETACHED when it is only for now. */
function linkTo(replica: ConnectedReplica, hostname: string, isResumed: boolean): Link {
  const link = replica.relayLink(isResumed);
  if (link !== undefined) return link;
  const why = `Cannot reach "${hostname}": no link to its connector takes a stream now`;
  // Its links may have had all the streams that a second allows; the client tries again.
  throw new PosternError(replica.isReachable ? 'STREAM_DETACHED' : 'ROUTE_NO_REPLICA', why);
}

/** Throws ORIGIN_DESTINATION for one that nobody asked for, since it would not be reached, and where one is missing. */
function checkDestination(
  rule: Pick<ReplicaRule, 'destinations'> | undefined,
  { hostname, destination }: StreamRequest,
): void {
  const isWanted = rule?.destinations === true;
  if (isWanted === (destination !== undefined)) return;
  const why = isWanted ? 'name a destination, with --destination' : 'it takes no destination';
  throw new PosternError('ORIGIN_DESTINATION', `Cannot reach "${hostname}": ${why}`);
}

function chosenIn({ destination }: StreamRequest): Pick<StreamRequest, 'destination'> {
  return destination === undefined ? {} : { destination };
}

function requestFor(
  { principal, address, port }: ClientPeer<ClientPrincipal>,
  { hostname, requestId }: StreamAsk<ClientPrincipal>,
  rule: string,
  more: Pick<StreamRequest, 'detachedMs' | 'endsMs' | 'destination'>,
): StreamRequest {
  return {
    kind: 'tcp',
    hostname,
    rule,
    requestId,
    client: { address, port },
    ...more,
    ...(principal.owner !== undefined && { owner: principal.owner }),
    ...(principal.grant !== undefined && { grant: principal.grant }),
  };
}
