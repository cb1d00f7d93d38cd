/**
 * Takes the streams that another process opens here, and attaches them again when it comes back over another link.
 * See docs/protocol.md §6, the acceptor's side.
 *
 * One table for all links of a process, by the stream's key: who knows the key may resume the stream. It keeps detached
 * streams and the ends of finished ones, both for a bounded time and in a bounded number.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { formatDuration } from '../core/duration.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { OpenMessage, Position } from './message/stream-opening.ts';
import type { StreamRequest } from './message/stream-request.ts';
import { NOBODY, type Slot, type StreamHolder } from './slot.ts';
import { isResetCode, type ResetCode } from './reset-code.ts';
import type { StreamBudgets, StreamKeeper, StreamMeter } from './stream-keeper.ts';
import { Stream } from './stream.ts';

export interface AccepterOptions {
  readonly clock: Clock;
  readonly budgets: StreamBudgets;
  /**
   * A new stream. Assign its handler, then accept() or reset() it, now or later. May reset it at once.
   */
  onStream(stream: Stream): void;
  /** Whether new streams are taken; a resumed one always is. Default: always. */
  readonly takesStreams?: () => boolean;
  /** How long a stream may be detached, ms. Default LIMITS.detachedMs. */
  readonly detachedMs?: number;
  readonly meter?: StreamMeter;
}

/** No stream may be detached for longer, ms, whoever asks. */
const DAY_MS = 24 * 3_600_000;

const ACCESS_ENDED = 'Cannot resume the stream: access to it has ended';

/** How long a stream is waited for once it is detached. */
interface Patience {
  readonly forMs: number;
  /** Never after this, as the clock counts. */
  readonly endsAt: number;
  /** By what right it was attached last. */
  readonly grant?: string | undefined;
}

/** How a stream ended, for a peer that asks again. */
interface Tombstone {
  readonly until: number;
  readonly epoch: number;
  readonly position: Position;
  /** What the initiator has consumed if the stream ended well: all bytes, and FIN. */
  readonly sentPositions: number;
  readonly error: PosternError | undefined;
}

export class StreamAccepter implements StreamKeeper {
  readonly #options: AccepterOptions;
  readonly #detachedMs: number;
  readonly #patience = new WeakMap<Stream, Patience>();
  readonly #streams = new Map<string, Stream>();
  readonly #detached = new Map<Stream, Timer>();
  /** In the order of their end, so the oldest come first. */
  readonly #tombstones = new Map<string, Tombstone>();

  constructor(options: AccepterOptions) {
    this.#options = options;
    this.#detachedMs = options.detachedMs ?? LIMITS.detachedMs;
  }

  /** Streams that live here, attached or not. */
  get streamCount(): number {
    return this.#streams.size;
  }

  get detachedCount(): number {
    return this.#detached.size;
  }

  /**
   * OPEN arrived: a new stream, or one that comes back. Returns who holds the slot. `detachedMs` is how long the stream
   * may be detached when it loses this slot; by default what the options say. A stream that says so itself wins.
   */
  open(slot: Slot, message: OpenMessage, detachedMs = this.#detachedMs): StreamHolder {
    const holder = this.#open(slot, message);
    const stream = this.#streams.get(message.key);
    if (stream !== undefined && holder === stream) {
      const { detachedMs: own, endsMs, grant } = message.request;
      // Its initiator may notice the end of the link that much later than we do.
      const ownMs = own === undefined ? undefined : Math.min(own, DAY_MS) + LIMITS.deadPeerMs;
      const endsAt = endsMs === undefined ? Infinity : this.#options.clock.now() + endsMs;
      this.#patience.set(stream, { forMs: ownMs ?? detachedMs, endsAt, grant });
    }
    return holder;
  }

  #open(slot: Slot, message: OpenMessage): StreamHolder {
    const known = this.#streams.get(message.key);
    if (known !== undefined) return this.#attachAgain(known, slot, message);
    const ended = this.#tombstones.get(message.key);
    if (ended !== undefined && ended.until > this.#options.clock.now()) {
      return answerEnded(ended, slot, message);
    }
    if (message.resume) {
      return refuse(slot, 'STREAM_UNKNOWN', 'Cannot resume the stream: it is not known here');
    }
    if (this.#options.takesStreams?.() === false) {
      return refuse(slot, 'STREAM_REFUSED', 'Cannot open a stream: this process is going away');
    }
    return this.#start(slot, message);
  }

  /** Ends every stream, telling the initiators. */
  resetAll(code: ResetCode, reason: string): void {
    for (const stream of this.#streams.values()) stream.reset(code, reason);
  }

  /** Ends these streams, attached or not: their users are no longer allowed. Unknown keys are nothing new. */
  end(keys: readonly string[], error: PosternError): void {
    for (const key of keys) this.#streams.get(key)?.fail(error);
  }

  /** Ends every stream that was attached last by one of these rights, attached now or not. */
  endGrants(grants: readonly string[], error: PosternError): void {
    const ended = new Set(grants);
    for (const stream of this.#streams.values()) {
      const { grant } = this.#patienceOf(stream);
      if (grant !== undefined && ended.has(grant)) stream.fail(error);
    }
  }

  /** Ends every stream that waits for its initiator to come back: it will not. */
  failDetached(error: PosternError): void {
    for (const stream of this.#detached.keys()) stream.fail(error);
  }

  onDetached(stream: Stream): void {
    // One that only lacks acknowledgements holds nothing that anybody waits for.
    const { forMs, endsAt } = this.#patienceOf(stream);
    const waitMs = stream.isWindingDown ? Math.min(forMs, LIMITS.tombstoneMs) : forMs;
    const leftMs = Math.max(0, endsAt - this.#options.clock.now());
    const timer = this.#options.clock.after(Math.min(waitMs, leftMs), () => {
      if (leftMs > waitMs) this.#giveUp(stream);
      else stream.fail(new PosternError('ACCESS_REVOKED', ACCESS_ENDED));
    });
    this.#detached.set(stream, timer);
    if (this.#detached.size > LIMITS.detachedStreams) {
      this.#giveUp(this.#detached.keys().next().value as Stream);
    }
  }

  onEnded(stream: Stream): void {
    this.#keepDetached(stream);
    this.#streams.delete(stream.key);
    this.#bury(stream);
  }

  onResetSettled(): void {
    // A RESET that was lost is repeated when the initiator asks: the tombstone knows it.
  }

  #start(slot: Slot, message: OpenMessage): StreamHolder {
    // Before there is a stream: one that is refused must not take from the budgets.
    if (message.position.received > 0) {
      return refuse(slot, 'STREAM_BAD_POSITION', 'Cannot open a stream: nothing was sent yet');
    }
    const { clock, budgets, meter } = this.#options;
    const stream = new Stream({
      key: message.key,
      request: message.request,
      isInitiator: false,
      clock,
      budgets,
      keeper: this,
      meter,
    });
    this.#streams.set(message.key, stream);
    // The link knows the holder only after we return, and the application may reset the stream right away.
    slot.holder = stream;
    stream.attachAsAcceptor(slot, message);
    this.#options.onStream(stream);
    return stream;
  }

  #attachAgain(stream: Stream, slot: Slot, message: OpenMessage): StreamHolder {
    // Somebody who has another's key, or who was let in to something else: to them there is no such stream.
    const { owner, hostname } = message.request;
    const isOfStream = owner === stream.request.owner && hostname === stream.request.hostname;
    if (!isOfStream || leadsElsewhere(message.request, stream.request)) {
      return refuse(slot, 'STREAM_UNKNOWN', 'Cannot resume the stream: it is not known here');
    }
    if (message.epoch <= stream.epoch) {
      return refuse(
        slot,
        'STREAM_STALE_EPOCH',
        'Cannot attach the stream: a newer attach was seen',
      );
    }
    this.#keepDetached(stream);
    if (stream.isAttached) stream.leaveSlot();
    // Before ACCEPT is sent: sending can be what ends a link, and then its holders are told.
    slot.holder = stream;
    if (!stream.attachAsAcceptor(slot, message)) {
      const error = new PosternError(
        'STREAM_BAD_POSITION',
        'Cannot resume the stream: the positions of the two endpoints contradict each other',
      );
      stream.fail(error);
      return refuse(slot, 'STREAM_BAD_POSITION', error.message);
    }
    return stream;
  }

  #giveUp(stream: Stream): void {
    const within = formatDuration(this.#patienceOf(stream).forMs);
    const why = `Cannot resume the stream: nobody came back within ${within}`;
    stream.fail(new PosternError('STREAM_LOST', why));
  }

  #patienceOf(stream: Stream): Patience {
    return this.#patience.get(stream) ?? { forMs: this.#detachedMs, endsAt: Infinity };
  }

  #keepDetached(stream: Stream): void {
    this.#detached.get(stream)?.cancel();
    this.#detached.delete(stream);
  }

  #bury(stream: Stream): void {
    const now = this.#options.clock.now();
    for (const [key, { until }] of this.#tombstones) {
      if (until > now && this.#tombstones.size < LIMITS.tombstones) break;
      this.#tombstones.delete(key);
    }
    this.#tombstones.set(stream.key, {
      // For as long as the initiator may come back, or it would not learn that everything arrived.
      until: now + Math.max(LIMITS.tombstoneMs, this.#patienceOf(stream).forMs),
      epoch: stream.epoch,
      position: stream.position(),
      sentPositions: stream.bytesSent + 1,
      error: stream.error,
    });
  }
}

/** Gateways log what they are told. One that does not know of destinations tells of none. */
function leadsElsewhere(now: StreamRequest, first: StreamRequest): boolean {
  const { destination } = now;
  if (destination === undefined) return false;
  const { host, port } = first.destination ?? {};
  return destination.host !== host || destination.port !== port;
}

function refuse(slot: Slot, code: ResetCode, reason: string): StreamHolder {
  slot.reset(code, reason);
  return NOBODY;
}

function answerEnded(ended: Tombstone, slot: Slot, message: OpenMessage): StreamHolder {
  if (message.epoch <= ended.epoch) {
    return refuse(slot, 'STREAM_STALE_EPOCH', 'Cannot attach the stream: a newer attach was seen');
  }
  if (ended.error !== undefined) {
    const code = isResetCode(ended.error.code) ? ended.error.code : 'STREAM_LOST';
    return refuse(slot, code, ended.error.message);
  }
  if (message.position.consumed !== ended.sentPositions) {
    return refuse(slot, 'STREAM_BAD_POSITION', 'Cannot resume the stream: it ended further on');
  }
  // Everything arrived and was acknowledged; only the initiator does not know yet. Nothing follows on this id.
  slot.accept({ position: ended.position, info: {} });
  slot.close();
  return NOBODY;
}
