/**
 * Opens streams to one other process, over whatever links lead there, and keeps them alive across links.
 * See docs/protocol.md §6, the initiator's side.
 *
 * Every stream it opened is attached to one of its links, or waits here for one: there may be none, or those that are may
 * have had all the OPENs that a second allows. It ends a stream that waited for longer than `detachedMs`. It never opens a
 * stream at another process: what the first one did not confirm may have had effects.
 */
import { Backoff } from '../core/backoff.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { formatDuration } from '../core/duration.ts';
import { PosternError } from '../core/error.ts';
import { newSecret } from '../core/id.ts';
import { LIMITS } from '../core/limits.ts';
import type { OpenMessage } from './message/stream-opening.ts';
import type { StreamRequest } from './message/stream-request.ts';
import type { Link } from './link.ts';
import type { StreamBudgets, StreamKeeper, StreamMeter } from './stream-keeper.ts';
import { Stream } from './stream.ts';

export interface OpenerObserver {
  /** A stream was opened. */
  onOpened?(stream: Stream): void;
  /** A stream lost its link. */
  onDetached?(stream: Stream): void;
  /** A detached stream continues on another link. */
  onResumed?(stream: Stream): void;
  /** The stream ended; see `stream.error`. */
  onEnded?(stream: Stream): void;
}

export interface OpenerOptions {
  readonly clock: Clock;
  readonly budgets: StreamBudgets;
  /** How long a stream may be detached, ms. Default LIMITS.detachedMs. */
  readonly detachedMs?: number;
  readonly observer?: OpenerObserver;
  readonly meter?: StreamMeter;
}

/** How often waiting streams look whether a link takes more, ms. */
const RETRY_MS = 50;
/** The pace at which a stream is attached again whose way breaks behind our link: a gateway may have no way for a while. */
const CUT_BACKOFF = { baseMs: 100, maxMs: 2_000 };

/** What is left to a stream that is not in step with its other endpoint. */
interface Patience {
  /** Of the attach that was lost. */
  readonly epoch: number;
  /** When it gives up, as the clock counts. */
  readonly deadline: number;
  /** Why then. */
  readonly error: PosternError;
  readonly backoff: Backoff;
  /** Not to be attached before. */
  notBefore: number;
}

export class ResumableOpener implements StreamKeeper {
  readonly #clock: Clock;
  readonly #budgets: StreamBudgets;
  readonly #detachedMs: number;
  readonly #observer: OpenerObserver;
  readonly #meter: StreamMeter | undefined;
  readonly #links = new Set<Link>();
  /** Streams that live, or whose RESET is not answered yet. */
  readonly #streams = new Set<Stream>();
  /** Those of them that wait for a link, in order. */
  readonly #waiting = new Map<Stream, Timer>();
  /** How long those that have lost their way may still look for one. */
  readonly #patience = new WeakMap<Stream, Patience>();
  /** Living links that their streams are to leave. */
  readonly #leaving = new Set<Link>();
  #retry: Timer | undefined;

  constructor(options: OpenerOptions) {
    this.#clock = options.clock;
    this.#budgets = options.budgets;
    this.#detachedMs = options.detachedMs ?? LIMITS.detachedMs;
    this.#observer = options.observer ?? {};
    this.#meter = options.meter;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get detachedCount(): number {
    return this.#waiting.size;
  }

  /** Streams that have lost the way to their other end, and how long the first of them to give up still looks for it, ms. */
  get lost(): { readonly streams: readonly Stream[]; readonly leftMs: number } {
    const streams = [...this.#streams].filter(
      (stream) =>
        stream.state !== 'closed' &&
        (this.#waiting.has(stream) || (stream.state === 'open' && !stream.isInStep)),
    );
    const deadlines = streams.map((stream) => this.#patienceOf(stream).deadline);
    return { streams, leftMs: Math.max(0, Math.min(...deadlines) - this.#clock.now()) };
  }

  get linkCount(): number {
    return this.#links.size;
  }

  /** What its detached streams carry. */
  get detachedLoad(): number {
    let sum = 0;
    for (const stream of this.#waiting.keys()) sum += stream.load;
    return sum;
  }

  /** Whether a stream may be opened now. */
  get isReachable(): boolean {
    return this.#bestLink((link) => link.takesStreams) !== undefined;
  }

  /** Another link to the same process. Detached streams attach to it at once. */
  addLink(link: Link): void {
    this.#links.add(link);
    this.#moveOn();
  }

  /** The link ended; its streams have already been told. Safe to call twice. */
  removeLink(link: Link): void {
    this.#links.delete(link);
    this.#leaving.delete(link);
  }

  /** Moves the streams of a living link to others, at once or as soon as there are any. */
  leaveLink(link: Link): void {
    link.drain();
    this.#leaving.add(link);
    this.#moveOn();
  }

  /** Opens a stream on the link that carries the least. Throws STREAM_REFUSED when there is no link that takes any. */
  open(request: StreamRequest): Stream {
    if (!this.isReachable) {
      throw new PosternError('STREAM_REFUSED', 'Cannot open a stream: no link takes one now');
    }
    const stream = new Stream({
      key: newSecret(24),
      request,
      isInitiator: true,
      clock: this.#clock,
      budgets: this.#budgets,
      keeper: this,
      meter: this.#meter,
    });
    this.#streams.add(stream);
    this.#observer.onOpened?.(stream);
    this.#findLink(stream);
    return stream;
  }

  /** Ends every stream: the other process is not coming back. */
  failAll(error: PosternError): void {
    for (const stream of this.#streams) {
      stream.fail(error);
      this.#drop(stream);
    }
  }

  onDetached(stream: Stream, because: 'link-closed' | 'moved' | 'cut'): void {
    this.#observer.onDetached?.(stream);
    if (because === 'cut') {
      const patience = this.#patienceOf(stream);
      // At once for the first time: the gateway may well have another link to the same place.
      const isFirst = patience.backoff.attempt === 0;
      const waitMs = patience.backoff.next();
      patience.notBefore = this.#clock.now() + (isFirst ? 0 : waitMs);
    }
    this.#findLink(stream);
  }

  onEnded(stream: Stream, isTold: boolean): void {
    // Otherwise the stream stays until its RESET is answered, here or over the next link. Of one that never had a link
    // nobody knows.
    if (isTold || stream.epoch < 0) this.#drop(stream);
    this.#observer.onEnded?.(stream);
  }

  onResetSettled(stream: Stream, isAnswered: boolean): void {
    if (isAnswered) this.#drop(stream);
    else if (this.#streams.has(stream)) this.#findLink(stream);
  }

  #findLink(stream: Stream): void {
    const now = this.#clock.now();
    const patience = this.#patienceOf(stream);
    const link = now < patience.notBefore ? undefined : this.#linkNow();
    if (link !== undefined) {
      this.#attach(stream, link);
      return;
    }
    if (this.#waiting.has(stream)) return;
    const timer = this.#clock.after(Math.max(0, patience.deadline - now), () => {
      this.#giveUp(stream, patience.error);
    });
    this.#waiting.set(stream, timer);
    this.#tryLater();
    if (this.#waiting.size > LIMITS.detachedStreams) {
      const longest = this.#waiting.keys().next().value as Stream;
      this.#giveUp(longest, lost(`${LIMITS.detachedStreams} others wait for a link too`));
    }
  }

  /** Attaches what waits, and moves what is to move, for as far as the links take it now. */
  #moveOn(): void {
    const now = this.#clock.now();
    for (const [stream, timer] of this.#waiting) {
      if (now < this.#patienceOf(stream).notBefore) continue;
      const link = this.#linkNow();
      if (link === undefined) break;
      timer.cancel();
      this.#waiting.delete(stream);
      this.#attach(stream, link);
    }
    if (this.#leaving.size > 0 && this.#moveAll()) this.#leaving.clear();
    this.#tryLater();
  }

  /** Begins anew once the stream has been in step again. */
  #patienceOf(stream: Stream): Patience {
    const known = this.#patience.get(stream);
    const { epoch } = stream;
    if (known !== undefined && (!stream.wasSynced || known.epoch === epoch)) return known;
    const { detachedMs = this.#detachedMs, endsAt = Infinity } = stream.life;
    const lostAt = this.#clock.now() + detachedMs;
    const error =
      endsAt < lostAt
        ? new PosternError('ACCESS_REVOKED', 'Cannot resume the stream: access to it has ended')
        : lost(`no way to its other end within ${formatDuration(detachedMs)}`);
    const deadline = Math.min(lostAt, endsAt);
    const patience = { epoch, deadline, error, backoff: new Backoff(CUT_BACKOFF), notBefore: 0 };
    this.#patience.set(stream, patience);
    return patience;
  }

  /** Moves the streams of the links to leave. False when some are left for want of another link. */
  #moveAll(): boolean {
    for (const stream of this.#streams) {
      if (stream.slot === undefined || !this.#leaving.has(stream.slot.link)) continue;
      const link = this.#linkNow();
      if (link === undefined) return false;
      stream.leaveSlot();
      this.#attach(stream, link);
    }
    return true;
  }

  /** While there are links, one of them may take streams later that it does not take now. */
  #tryLater(): void {
    if (this.#retry !== undefined || this.#links.size === 0) return;
    if (this.#waiting.size === 0 && this.#leaving.size === 0) return;
    this.#retry = this.#clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#moveOn();
    });
  }

  #giveUp(stream: Stream, error: PosternError): void {
    stream.fail(error);
    this.#drop(stream);
  }

  #attach(stream: Stream, link: Link): void {
    const isFirst = stream.epoch < 0;
    const epoch = stream.epoch + 1;
    const message: OpenMessage = {
      key: stream.key,
      epoch,
      // Before the first ACCEPT the other side may never have heard of the stream, and may start it.
      resume: stream.state !== 'opening',
      position: stream.position(),
      request:
        stream.replica === undefined
          ? stream.request
          : { ...stream.request, replica: stream.replica },
    };
    stream.attachAsInitiator(link.open(stream, message), epoch);
    if (!isFirst && stream.state !== 'closed') this.#observer.onResumed?.(stream);
  }

  #drop(stream: Stream): void {
    this.#waiting.get(stream)?.cancel();
    this.#waiting.delete(stream);
    this.#streams.delete(stream);
  }

  #linkNow(): Link | undefined {
    return this.#bestLink((link) => link.mayOpenNow);
  }

  /** The link that carries the least among those that are fit. */
  #bestLink(isFit: (link: Link) => boolean): Link | undefined {
    let best: Link | undefined;
    for (const link of this.#links) {
      if (isFit(link) && (best === undefined || isLessLoaded(link, best))) best = link;
    }
    return best;
  }
}

/** Of two that carry as much, the one with fewer streams that are kept for later. */
function isLessLoaded(one: Link, other: Link): boolean {
  return one.load === other.load ? one.streamCount < other.streamCount : one.load < other.load;
}

function lost(why: string): PosternError {
  return new PosternError('STREAM_LOST', `Cannot resume the stream: ${why}`);
}
