/**
 * The multiplexer on one channel: stream ids, order of sending, liveness, and the rules that end a link.
 * See docs/protocol.md §3, §4 and §8.
 *
 * A link knows ids and frames, not what a stream is: whoever holds an id is told its frames, be it an endpoint
 * (`stream.ts`) or a relay. Anything against the rules ends the link with a PROTO_* error and never throws at the caller
 * of the channel.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { codeOf, PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { ByteBudget } from './byte-budget.ts';
import { CLOSE_CODE } from './close-code.ts';
import type { FrameChannel } from './frame-channel.ts';
import {
  decodeFrame,
  encodeJson,
  encodePing,
  encodeReset,
  type Frame,
  type StreamFrame,
} from './frame.ts';
import { Liveness } from './liveness.ts';
import { parseControl, type ControlMessage } from './message/control-message.ts';
import { parseOpen, type OpenMessage } from './message/stream-opening.ts';
import { RateLimit } from './rate-limit.ts';
import { RoundTrips } from './round-trips.ts';
import { SendScheduler } from './send-scheduler.ts';
import { Slot, type StreamHolder } from './slot.ts';
import { StreamIds } from './stream-ids.ts';

export interface LinkEvents {
  /** A control message; `hello` is one of them. */
  onControl(message: ControlMessage): void;
  /** The peer opens a stream. Returns who holds the id; may reset the slot at once. */
  onOpen(slot: Slot, message: OpenMessage): StreamHolder;
  /** Exactly once. The holders have been told. Undefined after close() of our own. */
  onClose(error: PosternError | undefined): void;
}

export interface LinkOptions {
  readonly channel: FrameChannel;
  /** Whether we dialled: the dialler opens odd ids. */
  readonly isDialler: boolean;
  readonly clock: Clock;
  readonly events: LinkEvents;
}

/** How long an acknowledgement that nobody waits for may wait, ms. */
const ACK_DELAY_MS = 100;

export class Link {
  readonly #channel: FrameChannel;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  readonly #scheduler: SendScheduler;
  readonly #liveness: Liveness;
  /** OPENs of the peer: a network that held them back may deliver those of a whole link at once. */
  readonly #peerOpens = new RateLimit(LIMITS.opensPerSecond, LIMITS.streamsPerLink);
  /** Our own: half of what the peer allows, so that they never are a flood there. */
  readonly #ownOpens = new RateLimit(LIMITS.opensPerSecond / 2);
  readonly #controls = new RateLimit(LIMITS.controlFramesPerSecond);
  readonly #slots = new Map<number, Slot>();
  #load = 0;
  readonly #lateAcks = new Set<Slot>();
  #ackTimer: Timer | undefined;
  /** Unacknowledged bytes of the streams on this link. */
  readonly unacked = new ByteBudget(LIMITS.linkUnackedBytes);
  readonly #ids: StreamIds;
  readonly #roundTrips = new RoundTrips();
  #isTrusted = false;
  #isClosed = false;
  #isDraining = false;

  constructor(options: LinkOptions) {
    this.#channel = options.channel;
    this.#clock = options.clock;
    this.#events = options.events;
    this.#ids = new StreamIds(options.isDialler);
    this.#scheduler = new SendScheduler(options.channel);
    this.#liveness = new Liveness(options.clock, {
      onPingDue: (opaque) => this.#onPingDue(opaque),
      onDead: () => this.#fail(new PosternError('LINK_DEAD', deadMessage())),
    });
    this.#channel.events = {
      onFrame: (bytes) => this.#onBytes(bytes),
      onDrain: () => this.#scheduler.onDrain(),
      onClose: (error) => this.#finish(error),
    };
    this.#liveness.start();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether this side may open streams here, if not all at once. */
  get takesStreams(): boolean {
    return !this.#isClosed && !this.#isDraining && this.#hasRoom;
  }

  /** Whether this side may open a stream here now: it opened no more than `opensPerSecond` allows. */
  get mayOpenNow(): boolean {
    return this.takesStreams && this.#ownOpens.hasToken(this.#clock.now());
  }

  /** Whether a stream may be attached again here now: also while the peer finishes what it has. */
  get mayReopenNow(): boolean {
    return !this.#isClosed && this.#hasRoom && this.#ownOpens.hasToken(this.#clock.now());
  }

  get streamCount(): number {
    return this.#slots.size;
  }

  /** What the streams here carry: one thing each, unless they say otherwise. */
  get load(): number {
    return this.#load;
  }

  /** Smoothed round trip, ms; an assumption until the first PONG. */
  get roundTripMs(): number {
    return this.#liveness.roundTripMs;
  }

  /** The round trip as measured, ms; undefined before the first PONG. */
  get measuredRoundTripMs(): number | undefined {
    return this.#liveness.isMeasured ? this.#liveness.roundTripMs : undefined;
  }

  /** For how long nothing arrived, ms. */
  get silentMs(): number {
    return this.#liveness.silentMs;
  }

  /** Allows streams. Until then only CONTROL, PING and PONG may arrive (§4). */
  trust(): void {
    this.#isTrusted = true;
  }

  /** This side opens no more streams here; those that are open go on. */
  drain(): void {
    this.#isDraining = true;
  }

  sendControl(message: ControlMessage): void {
    this.#sendControl(encodeJson('CONTROL', 0, message));
  }

  /**
   * Opens an id and sends OPEN. The caller checked `mayOpenNow`. Throws PROTO_CONTROL_TOO_LARGE, and then nothing was
   * opened. The link may end in it; then the holder is told before it knows the slot.
   */
  open(holder: StreamHolder, message: OpenMessage): Slot {
    const slot = new Slot(this, this.#ids.next, this.#scheduler);
    const frame = encodeJson('OPEN', slot.id, message);
    this.#ids.useNext();
    this.#ownOpens.take(this.#clock.now());
    slot.holder = holder;
    this.#add(slot);
    this.#sendControl(frame);
    return slot;
  }

  /** Resolves when the peer has read what was sent before, and we have read what it had sent by then; or the link ended. */
  async roundTrip(): Promise<void> {
    if (this.#isClosed) return;
    const { opaque, answered } = this.#roundTrips.begin();
    this.#sendControl(encodePing('PING', opaque));
    await answered;
  }

  /** Ends the link in order: what was queued is sent first. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#scheduler.flush();
    this.#channel.close(code, reason);
    this.#finish(undefined);
  }

  /** Ends the link at once, as if the network had broken. */
  terminate(error: PosternError): void {
    if (this.#isClosed) return;
    this.#channel.terminate();
    this.#finish(error);
  }

  /** For slots: sends a control frame. */
  sendFrame(frame: Uint8Array): void {
    this.#sendControl(frame);
  }

  /** For slots: the id is closed. */
  forget(slot: Slot): void {
    if (this.#slots.delete(slot.id)) this.#load -= slot.load;
    this.#lateAcks.delete(slot);
    this.#scheduler.remove(slot);
  }

  /** For slots: what one carries is about to change. */
  onLoad(slot: Slot, load: number): void {
    if (this.#slots.get(slot.id) === slot) this.#load += load - slot.load;
  }

  /** For slots: an acknowledgement is due within ACK_DELAY_MS. */
  ackLater(slot: Slot): void {
    this.#lateAcks.add(slot);
    this.#ackTimer ??= this.#clock.after(ACK_DELAY_MS, () => {
      this.#ackTimer = undefined;
      for (const late of this.#lateAcks) this.#scheduler.ackDue(late);
      this.#lateAcks.clear();
    });
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#liveness.heard();
    try {
      this.#onFrame(decodeFrame(bytes));
    } catch (error) {
      // Anything but a broken rule is our own bug and must be seen.
      if (!codeOf(error)?.startsWith('PROTO_')) throw error;
      this.#fail(error as PosternError);
    }
  }

  #onFrame(frame: Frame): void {
    switch (frame.type) {
      case 'CONTROL': {
        this.#limitControl();
        const message = parseControl(frame.json);
        if (message !== undefined) this.#events.onControl(message);
        return;
      }
      case 'PING':
        this.#limitControl();
        this.#sendControl(encodePing('PONG', frame.opaque));
        return;
      case 'PONG':
        this.#limitControl();
        if (!this.#roundTrips.onPong(frame.opaque)) this.#liveness.onPong(frame.opaque);
        return;
      default:
        if (!this.#isTrusted) {
          throw new PosternError('PROTO_UNEXPECTED', `Cannot take ${frame.type}: not registered`);
        }
        this.#onStreamFrame(frame);
    }
  }

  #onStreamFrame(frame: StreamFrame): void {
    if (frame.type === 'OPEN') {
      this.#onOpen(frame.id, parseOpen(frame.json));
      return;
    }
    const slot = this.#slots.get(frame.id);
    if (slot !== undefined) {
      slot.onFrame(frame);
      return;
    }
    if (frame.type === 'RESET' && this.#ids.wasOpened(frame.id)) {
      // Both ends finished and the peer had already given up: let it know that the id is closed (§5.5).
      this.#limitControl();
      this.#sendControl(encodeReset(frame.id, frame.code, ''));
      return;
    }
    throw new PosternError(
      'PROTO_UNKNOWN_STREAM',
      `Cannot take ${frame.type} for stream ${frame.id}: not open`,
    );
  }

  #onOpen(id: number, message: OpenMessage): void {
    this.#ids.check(id);
    if (!this.#peerOpens.take(this.#clock.now())) {
      throw new PosternError(
        'PROTO_OPEN_RATE',
        `Cannot open stream ${id}: more than ${LIMITS.opensPerSecond} a second`,
      );
    }
    if (this.#slots.size >= LIMITS.streamsPerLink) {
      throw new PosternError(
        'PROTO_TOO_MANY_STREAMS',
        `Cannot open stream ${id}: ${LIMITS.streamsPerLink} are open`,
      );
    }
    this.#ids.usedByPeer(id);
    const slot = new Slot(this, id, this.#scheduler);
    this.#add(slot);
    slot.holder = this.#events.onOpen(slot, message);
  }

  #add(slot: Slot): void {
    this.#slots.set(slot.id, slot);
    this.#load += slot.load;
  }

  get #hasRoom(): boolean {
    return this.#slots.size < LIMITS.streamsPerLink && this.#ids.hasNext;
  }

  #limitControl(): void {
    if (this.#controls.take(this.#clock.now())) return;
    throw new PosternError(
      'PROTO_FLOOD',
      `Cannot take more than ${LIMITS.controlFramesPerSecond} control frames a second`,
    );
  }

  #onPingDue(opaque: Buffer): void {
    this.#sendControl(encodePing('PING', opaque));
    const now = this.#clock.now();
    for (const slot of this.#slots.values()) slot.holder?.onTick(now);
  }

  #sendControl(frame: Uint8Array): void {
    if (this.#isClosed || this.#scheduler.sendControl(frame)) return;
    this.#fail(new PosternError('PROTO_FLOOD', 'Cannot queue more control frames: nobody reads'));
  }

  #fail(error: PosternError): void {
    if (this.#isClosed) return;
    const code = error.code === 'LINK_DEAD' ? CLOSE_CODE.timeout : CLOSE_CODE.protocol;
    this.#channel.close(code, `${error.code}: ${error.message}`);
    this.#finish(error);
  }

  #finish(error: PosternError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#liveness.stop();
    this.#ackTimer?.cancel();
    this.#scheduler.stop();
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    this.#load = 0;
    this.#lateAcks.clear();
    for (const slot of slots) slot.holder?.onLinkClosed(slot);
    this.#roundTrips.end();
    this.#events.onClose(error);
  }
}

function deadMessage(): string {
  return `Cannot reach the peer: nothing arrived for ${LIMITS.deadPeerMs / 1000} s`;
}
