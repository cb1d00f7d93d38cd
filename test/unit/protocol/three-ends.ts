/**
 * Two endpoints and a process between them that relays: a client, a gateway and a connector without anything around them.
 * A test can break every link, and replace the process in the middle by one that knows nothing.
 */
import { LIMITS } from '../../../src/core/limits.ts';
import { ByteBudget } from '../../../src/protocol/byte-budget.ts';
import type { OpenMessage } from '../../../src/protocol/message/stream-opening.ts';
import { Link } from '../../../src/protocol/link.ts';
import { NOBODY, type Slot, type StreamHolder } from '../../../src/protocol/slot.ts';
import { Relay, type RelayEnd } from '../../../src/protocol/relay.ts';
import { ResumableOpener } from '../../../src/protocol/resumable-opener.ts';
import { StreamAccepter } from '../../../src/protocol/stream-accepter.ts';
import type { StreamBudgets } from '../../../src/protocol/stream-keeper.ts';
import type { Stream } from '../../../src/protocol/stream.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { memoryChannels } from '../../support/memory-channel.ts';
import { REQUEST } from './raw-peer.ts';
import { AppEnd, type LinkPair } from './two-ends.ts';

export const NEAR = 0;
export const FAR = 1;
export const REPLICA = 'the-replica';

export interface ThreeEndsOptions {
  /** A new stream at the connector. Default: record it and accept at once. */
  readonly onStream?: (stream: Stream) => void;
  /** Default LIMITS.relayBytes. */
  readonly relayBytes?: number;
}

/** The process in the middle. */
export class RelayProcess {
  readonly budget: ByteBudget;
  readonly farLinks = new Set<Link>();
  readonly relays = new Set<Relay>();
  /** 'finished', 'detached', or the code, of each relay that ended. */
  readonly ends: string[] = [];

  constructor(relayBytes: number) {
    this.budget = new ByteBudget(relayBytes);
  }

  open(near: Slot, message: OpenMessage): StreamHolder {
    const isResumed = message.epoch > 0;
    const far = [...this.farLinks].find((link) =>
      isResumed ? link.mayReopenNow : link.mayOpenNow,
    );
    if (far === undefined) {
      near.reset(isResumed ? 'STREAM_DETACHED' : 'ROUTE_NO_REPLICA', '');
      return NOBODY;
    }
    const relay: Relay = new Relay({
      near,
      message,
      request: message.request,
      told: { replica: REPLICA },
      budget: this.budget,
      onEnd: (end) => {
        this.relays.delete(relay);
        this.ends.push(nameOf(end));
      },
    });
    this.relays.add(relay);
    relay.start(far);
    return relay.holder;
  }
}

export class ThreeEnds {
  readonly clock = new FakeClock();
  readonly hops = 2;
  readonly openingBudgets = budgets();
  readonly acceptingBudgets = budgets();
  readonly opener: ResumableOpener;
  readonly accepter: StreamAccepter;
  readonly pairs: LinkPair[] = [];
  /** Streams at the connector, with what their handlers were told. */
  readonly accepted: AppEnd[] = [];
  /** Errors of links other than being cut. */
  readonly linkErrors: string[] = [];
  readonly #relayBytes: number;
  readonly #processes: RelayProcess[] = [];

  constructor(options: ThreeEndsOptions = {}) {
    this.#relayBytes = options.relayBytes ?? LIMITS.relayBytes;
    this.#processes.push(new RelayProcess(this.#relayBytes));
    this.opener = new ResumableOpener({ clock: this.clock, budgets: this.openingBudgets });
    this.accepter = new StreamAccepter({
      clock: this.clock,
      budgets: this.acceptingBudgets,
      onStream:
        options.onStream ??
        ((stream) => {
          this.accepted.push(new AppEnd(stream));
          stream.accept();
        }),
    });
  }

  /** The process in the middle that lives now. */
  get middle(): RelayProcess {
    return this.#processes.at(-1) as RelayProcess;
  }

  /** Bytes that any budget still counts, those of relays that are dead included. */
  get countedBytes(): number {
    const ends = [this.openingBudgets, this.acceptingBudgets];
    const ofEnds = ends.reduce((sum, b) => sum + b.unacked.usedBytes + b.windows.usedBytes, 0);
    return this.#processes.reduce((sum, { budget }) => sum + budget.usedBytes, ofEnds);
  }

  /** Relays that have not ended, those of processes that died included. */
  get relayCount(): number {
    return this.#processes.reduce((sum, { relays }) => sum + relays.size, 0);
  }

  /** A link between the client and the middle, or the middle and the connector. Those at the ends dial. */
  connect(hop = NEAR): LinkPair {
    const { middle } = this;
    const [there, back] = memoryChannels();
    const opening = this.#link(there, hop === NEAR, 'opening', {
      onOpen: refuse,
      onClose: (link) => {
        if (hop === NEAR) this.opener.removeLink(link);
        else middle.farLinks.delete(link);
      },
    });
    const accepting = this.#link(back, hop === FAR, 'accepting', {
      onOpen: (slot, message) =>
        hop === NEAR ? middle.open(slot, message) : this.accepter.open(slot, message),
      onClose: () => undefined,
    });
    const pair = { opening, accepting, there, back, hop };
    this.pairs.push(pair);
    if (hop === NEAR) this.opener.addLink(opening);
    else middle.farLinks.add(opening);
    return pair;
  }

  leave({ opening, hop }: LinkPair): void {
    if (hop === NEAR) this.opener.leaveLink(opening);
    else opening.drain();
  }

  kill(): void {
    for (const { there } of this.pairs) there.cut();
    this.#processes.push(new RelayProcess(this.#relayBytes));
  }

  open(): AppEnd {
    return new AppEnd(this.opener.open(REQUEST));
  }

  /** The connector's end of the stream that was opened `index`-th. */
  at(index = 0): AppEnd {
    const end = this.accepted[index];
    if (end === undefined) throw new Error(`Cannot find stream ${index} at the connector`);
    return end;
  }

  #link(
    channel: LinkPair['there'],
    isDialler: boolean,
    where: string,
    events: {
      onOpen(slot: Slot, message: OpenMessage): StreamHolder;
      onClose(link: Link): void;
    },
  ): Link {
    const link: Link = new Link({
      channel,
      isDialler,
      clock: this.clock,
      events: {
        onControl: () => undefined,
        onOpen: (slot, message) => events.onOpen(slot, message),
        onClose: (error) => {
          if (error !== undefined && error.code !== 'LINK_CLOSED' && error.code !== 'LINK_DEAD') {
            this.linkErrors.push(`${where} ${error.code} ${error.message}`);
          }
          events.onClose(link);
        },
      },
    });
    link.trust();
    return link;
  }
}

function budgets(): StreamBudgets {
  return {
    unacked: new ByteBudget(LIMITS.processUnackedBytes),
    windows: new ByteBudget(LIMITS.processWindowBytes),
  };
}

function refuse(): never {
  throw new Error('nobody opens streams here');
}

function nameOf(end: RelayEnd): string {
  return end.kind === 'reset' ? end.error.code : end.kind;
}
