/**
 * Opens streams to one other process, over whatever links lead there, and keeps them alive across links.
 * See docs/protocol.md §6, the initiator's side.
 *
 * Every stream it opened is attached to one of its links, or waits here for one. It ends a stream that waited for longer
 * than `detachedMs`. It never opens a stream at another process: what the first one did not confirm may have had effects.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { newSecret } from '../core/id.ts';
import { LIMITS } from '../core/limits.ts';
import type { OpenMessage, StreamRequest } from './control-message.ts';
import type { Link } from './link.ts';
import { Stream, type StreamBudgets, type StreamKeeper, type StreamMeter } from './stream.ts';

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

export class ResumableOpener implements StreamKeeper {
  readonly #clock: Clock;
  readonly #budgets: StreamBudgets;
  readonly #detachedMs: number;
  readonly #observer: OpenerObserver;
  readonly #meter: StreamMeter | undefined;
  readonly #links = new Set<Link>();
  /** Streams that live, or whose RESET is not answered yet. */
  readonly #streams = new Set<Stream>();
  /** Those of them that wait for a link, in order, with the end of their patience. */
  readonly #waiting = new Map<Stream, Timer>();

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

  get linkCount(): number {
    return this.#links.size;
  }

  /** Whether a stream opened now would have a link at once. */
  get isReachable(): boolean {
    return this.#bestLink() !== undefined;
  }

  /** Another link to the same process. Detached streams attach to it at once. */
  addLink(link: Link): void {
    this.#links.add(link);
    for (const [stream, timer] of this.#waiting) {
      if (!link.takesStreams) return;
      timer.cancel();
      this.#waiting.delete(stream);
      this.#attach(stream, link);
    }
  }

  /** The link ended; its streams have already been told. Safe to call twice. */
  removeLink(link: Link): void {
    this.#links.delete(link);
  }

  /** Moves the streams of a living link to the others, for as far as there are others. */
  leaveLink(link: Link): void {
    link.drain();
    for (const stream of this.#streams) {
      const other = this.#bestLink();
      if (other === undefined) return;
      if (stream.slot?.link !== link) continue;
      stream.leaveSlot();
      this.#attach(stream, other);
    }
  }

  /** Opens a stream on the link with the fewest. Throws STREAM_LIMIT or, with no link, STREAM_REFUSED. */
  open(request: StreamRequest): Stream {
    const link = this.#bestLink();
    if (link === undefined) {
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
    this.#attach(stream, link);
    return stream;
  }

  /** Ends every stream: the other process is not coming back. */
  failAll(error: PosternError): void {
    for (const stream of this.#streams) {
      stream.fail(error);
      this.#drop(stream);
    }
  }

  onDetached(stream: Stream): void {
    this.#observer.onDetached?.(stream);
    this.#findLink(stream);
  }

  onEnded(stream: Stream, isTold: boolean): void {
    // Otherwise the stream stays until its RESET is answered, here or over the next link.
    if (isTold) this.#drop(stream);
    this.#observer.onEnded?.(stream);
  }

  onResetSettled(stream: Stream, isAnswered: boolean): void {
    if (isAnswered) this.#drop(stream);
    else this.#findLink(stream);
  }

  #findLink(stream: Stream): void {
    const link = this.#bestLink();
    if (link !== undefined) {
      this.#attach(stream, link);
      return;
    }
    if (this.#waiting.has(stream)) return;
    const timer = this.#clock.after(this.#detachedMs, () => this.#giveUp(stream));
    this.#waiting.set(stream, timer);
    if (this.#waiting.size > LIMITS.detachedStreams) {
      this.#giveUp(this.#waiting.keys().next().value as Stream);
    }
  }

  #giveUp(stream: Stream): void {
    const waitedMs = this.#detachedMs;
    const why = `Cannot resume the stream: no link within ${waitedMs / 1000} s`;
    stream.fail(new PosternError('STREAM_LOST', why));
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
      request: stream.request,
    };
    const slot = link.open(stream, message);
    if (stream.state === 'closed') {
      stream.resetOn(slot);
      return;
    }
    stream.attachAsInitiator(slot, epoch);
    if (!isFirst) this.#observer.onResumed?.(stream);
  }

  #drop(stream: Stream): void {
    this.#waiting.get(stream)?.cancel();
    this.#waiting.delete(stream);
    this.#streams.delete(stream);
  }

  #bestLink(): Link | undefined {
    let best: Link | undefined;
    for (const link of this.#links) {
      if (link.takesStreams && (best === undefined || link.streamCount < best.streamCount)) {
        best = link;
      }
    }
    return best;
  }
}
