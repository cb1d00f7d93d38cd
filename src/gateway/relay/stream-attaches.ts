/**
 * Every time that a client's stream was let in here, watched until it ends or cannot come back. docs/protocol.md §11.
 *
 * What is kept is only for ending streams that are no longer allowed, also while they are detached; a stream itself needs
 * nothing of it. Nobody pushes out what is somebody else's before they have given up their own.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Relay, RelayEnd } from '../../protocol/relay.ts';
import { isResetCode } from '../../protocol/reset-code.ts';
import type { ConnectedReplica } from '../links/connected-replica.ts';
import type { EndedStreams } from './ended-streams.ts';
import type { OwnerShare } from './owner-shares.ts';
import type { ClientPrincipal, StreamAsk, StreamGate } from './stream-gate.ts';

/**
 * One time that a stream was let in, watched for as long as it is relayed, or, the last one of a stream, may come back. Each
 * has a watch of its own: whoever comes with the same key again may be refused by the connector, and what is relayed goes on.
 */
export interface Attach {
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

export interface StreamAttachesOptions<Principal extends ClientPrincipal> {
  readonly clock: Clock;
  readonly gate: Pick<StreamGate<Principal>, 'hold'>;
  readonly endedStreams: Pick<EndedStreams, 'endStream'>;
  /** How many are watched while they are detached, and how many of one owner. */
  readonly most: { readonly detached: number; readonly ofOwner: number };
}

/** Ends of an attach that say nothing of the stream: it is attached elsewhere, or is somebody else's. */
const NOT_THE_STREAM: ReadonlySet<string> = new Set(['STREAM_STALE_EPOCH', 'STREAM_UNKNOWN']);

export class StreamAttaches<Principal extends ClientPrincipal> {
  readonly #options: StreamAttachesOptions<Principal>;
  /** By the stream's key; nearly always one. */
  readonly #attaches = new Map<string, Set<Attach>>();
  /** Those that are not relayed now, longest first. */
  readonly #detached = new Set<Attach>();

  constructor(options: StreamAttachesOptions<Principal>) {
    this.#options = options;
  }

  /** Since when the oldest that is relayed now is, as the clock counts; undefined without any. */
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

  /** Nobody but its owner hears of a stream. Throws STREAM_UNKNOWN. */
  expectOwner(key: string, { owner }: Principal): void {
    const [known] = this.#attaches.get(key) ?? [];
    if (known === undefined || known.owner === owner) return;
    throw new PosternError('STREAM_UNKNOWN', 'Cannot resume the stream: it is not known here');
  }

  /** Ends what is detached under this key: whoever wants it back is no longer allowed to. */
  revokeDetached(key: string, error: PosternError): void {
    for (const known of this.#attaches.get(key) ?? []) {
      if (known.relay === undefined) this.#revoke(known, error);
    }
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

  /** Keeps watch over a stream from now on. */
  watch(
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

  /** Its relay has ended, and the stream perhaps with it. */
  ended(attach: Attach, end: RelayEnd): void {
    attach.relay = undefined;
    const ofStream = this.#attaches.get(attach.key);
    // One that was revoked is no longer there.
    if (ofStream?.has(attach) !== true) return;
    if (end.kind !== 'reset' || !NOT_THE_STREAM.has(end.error.code)) this.forgetDetached(attach);
    const isElsewhere = [...ofStream].some(({ relay }) => relay !== undefined);
    if (end.kind === 'detached' && !isElsewhere) this.#keep(attach);
    else this.#forget(attach);
  }

  /** Drops the watches over a stream that were kept for when it comes back: it has, or it has ended. */
  forgetDetached(attach: Attach): void {
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
    const isTooMany = share.watched.size > this.#options.most.ofOwner;
    if (!isTooMany && this.#detached.size <= this.#options.most.detached) return;
    const [longest = attach] = isTooMany ? share.watched : this.#detached;
    // What is watched no more must not wait there for longer either.
    this.#lose(longest, notBack());
    this.#options.endedStreams.endStream(longest.replica, longest.key);
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
      this.#options.endedStreams.endStream(attach.replica, attach.key);
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

function notBack(): PosternError {
  return new PosternError('STREAM_LOST', 'Cannot resume the stream: its client did not come back');
}
