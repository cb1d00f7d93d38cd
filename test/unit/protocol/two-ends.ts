/**
 * Two processes: one opens streams, the other accepts them, with links between them that a test can break.
 */
import type { Clock } from '../../../src/core/clock.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { ByteBudget } from '../../../src/protocol/byte-budget.ts';
import type { AcceptInfo } from '../../../src/protocol/message/stream-opening.ts';
import { Link } from '../../../src/protocol/link.ts';
import { ResumableOpener } from '../../../src/protocol/resumable-opener.ts';
import { StreamAccepter } from '../../../src/protocol/stream-accepter.ts';
import type { StreamEvents } from '../../../src/protocol/stream-events.ts';
import type { StreamBudgets } from '../../../src/protocol/stream-keeper.ts';
import type { Stream } from '../../../src/protocol/stream.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { memoryChannels, type MemoryChannel } from '../../support/memory-channel.ts';
import { REQUEST } from './raw-peer.ts';

/** Both ends of one link between the two processes. */
export interface LinkPair {
  readonly opening: Link;
  readonly accepting: Link;
  /** What the opening process sends on. */
  readonly there: MemoryChannel;
  /** What the accepting process sends on. */
  readonly back: MemoryChannel;
  /** Which of the hops between two endpoints it is; 0 is the initiator's. */
  readonly hop: number;
}

export interface TwoEndsOptions {
  /** The time both processes live in. Default: one that the test moves. */
  readonly realClock?: Clock;
  /** A new stream at the accepting process. Default: record it and accept at once. */
  readonly onStream?: (stream: Stream) => void;
  readonly takesStreams?: () => boolean;
  readonly unackedBytes?: number;
  readonly windowBytes?: number;
}

export class TwoEnds {
  readonly clock = new FakeClock();
  readonly #clock: Clock;
  readonly openingBudgets: StreamBudgets;
  readonly acceptingBudgets: StreamBudgets;
  readonly opener: ResumableOpener;
  readonly accepter: StreamAccepter;
  readonly pairs: LinkPair[] = [];
  /** Streams at the accepting process, with what their handlers were told. */
  readonly accepted: AppEnd[] = [];
  /** Errors of links other than being cut. */
  readonly linkErrors: string[] = [];
  /** What the opener's observer saw, in order. */
  readonly seen: string[] = [];

  constructor(options: TwoEndsOptions = {}) {
    const budgets = (): StreamBudgets => ({
      unacked: new ByteBudget(options.unackedBytes ?? LIMITS.processUnackedBytes),
      windows: new ByteBudget(options.windowBytes ?? LIMITS.processWindowBytes),
    });
    this.#clock = options.realClock ?? this.clock;
    this.openingBudgets = budgets();
    this.acceptingBudgets = budgets();
    this.opener = new ResumableOpener({
      clock: this.#clock,
      budgets: this.openingBudgets,
      observer: {
        onOpened: () => void this.seen.push('opened'),
        onDetached: () => void this.seen.push('detached'),
        onResumed: () => void this.seen.push('resumed'),
        onEnded: ({ error }) => void this.seen.push(`ended ${error?.code ?? 'cleanly'}`),
      },
    });
    this.accepter = new StreamAccepter({
      clock: this.#clock,
      budgets: this.acceptingBudgets,
      ...(options.takesStreams && { takesStreams: options.takesStreams }),
      onStream:
        options.onStream ??
        ((stream) => {
          this.accepted.push(new AppEnd(stream));
          stream.accept();
        }),
    });
  }

  connect(): LinkPair {
    const [there, back] = memoryChannels();
    const opening: Link = new Link({
      channel: there,
      isDialler: false,
      clock: this.#clock,
      events: {
        onControl: () => undefined,
        onOpen: () => {
          throw new Error('nobody opens streams here');
        },
        onClose: (error) => {
          if (error !== undefined) this.#note('opening', error);
          this.opener.removeLink(opening);
        },
      },
    });
    const accepting = new Link({
      channel: back,
      isDialler: true,
      clock: this.#clock,
      events: {
        onControl: () => undefined,
        onOpen: (slot, message) => this.accepter.open(slot, message),
        onClose: (error) => {
          if (error !== undefined) this.#note('accepting', error);
        },
      },
    });
    opening.trust();
    accepting.trust();
    const pair = { opening, accepting, there, back, hop: 0 };
    this.pairs.push(pair);
    this.opener.addLink(opening);
    return pair;
  }

  /** There is nothing between the two but links. */
  readonly hops = 1;

  leave({ opening }: LinkPair): void {
    this.opener.leaveLink(opening);
  }

  kill(): void {
    for (const { there } of this.pairs) there.cut();
  }

  open(): AppEnd {
    return new AppEnd(this.opener.open(REQUEST));
  }

  /** The accepting end of the stream that was opened `index`-th. */
  at(index = 0): AppEnd {
    const end = this.accepted[index];
    if (end === undefined) throw new Error(`Cannot find stream ${index} at the accepting process`);
    return end;
  }

  /** Bytes that the four budgets still count; 0 when nothing is left of any stream. */
  get countedBytes(): number {
    const budgets = [this.openingBudgets, this.acceptingBudgets];
    return budgets.reduce((sum, b) => sum + b.unacked.usedBytes + b.windows.usedBytes, 0);
  }

  #note(where: string, { code, message }: { code: string; message: string }): void {
    if (code !== 'LINK_CLOSED' && code !== 'LINK_DEAD') {
      this.linkErrors.push(`${where} ${code} ${message}`);
    }
  }
}

/** An application at one end of a stream: writes down what it is told. */
export class AppEnd implements StreamEvents {
  readonly stream: Stream;
  readonly chunks: Uint8Array[] = [];
  readonly accepts: AcceptInfo[] = [];
  /** 'end', 'writable', and 'close' with the code or 'cleanly'. */
  readonly told: string[] = [];
  /** Whether bytes are handed on as they come; else the test calls consume(). */
  isReading = true;
  /** Bytes received so far. */
  bytes = 0;
  #handedOn = 0;

  constructor(stream: Stream) {
    this.stream = stream;
    stream.handler = this;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  /** The code it closed with, 'cleanly', or undefined while it lives. */
  get closedWith(): string | undefined {
    return this.told.find((what) => what.startsWith('close'))?.slice('close '.length);
  }

  write(text: string | Uint8Array): boolean {
    return this.stream.write(typeof text === 'string' ? Buffer.from(text) : text);
  }

  /** Hands on that part of what waits here. */
  handOn(percent = 100): void {
    const bytes = Math.floor(((this.bytes - this.#handedOn) * percent) / 100);
    this.#handedOn += bytes;
    this.stream.consume(bytes);
  }

  onAccept(info: AcceptInfo): void {
    this.accepts.push(info);
  }

  onData(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.bytes += chunk.byteLength;
    if (!this.isReading) return;
    this.#handedOn += chunk.byteLength;
    this.stream.consume(chunk.byteLength);
  }

  onEnd(): void {
    this.told.push('end');
  }

  onWritable(): void {
    this.told.push('writable');
  }

  onClose(error: { code: string } | undefined): void {
    this.told.push(`close ${error?.code ?? 'cleanly'}`);
  }
}
