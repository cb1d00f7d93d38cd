/**
 * Two frame channels joined in memory, which can be cut, stalled, slowed and black-holed. What is sent arrives in later
 * turns of the event loop, in order, and never after a cut: exactly what a WebSocket promises.
 */
import { PosternError } from '../../src/core/error.ts';
import {
  frameBytes,
  wholeFrame,
  type FrameChannel,
  type FrameChannelEvents,
  type OutgoingFrame,
} from '../../src/protocol/frame-channel.ts';
import { LOW_WATER_BYTES } from '../../src/protocol/send-scheduler.ts';

const NO_EVENTS: FrameChannelEvents = {
  onFrame: () => undefined,
  onDrain: () => undefined,
  onClose: () => undefined,
};

export class MemoryChannel implements FrameChannel {
  events: FrameChannelEvents = NO_EVENTS;
  peer: MemoryChannel | undefined;
  /** What a turn of the event loop carries, bytes: a slow path. At least one frame is carried. */
  bytesPerTurn = Infinity;
  /** How this side closed, when it did. */
  closedWith: { code: number; reason: string } | undefined;
  queuedBytes = 0;
  /** The most that ever waited, bytes. */
  maxQueuedBytes = 0;
  /** Frames on their way to the peer. */
  #inFlight: Uint8Array[] = [];
  #state: 'open' | 'closing' | 'closed' = 'open';
  #isStalled = false;
  #isBlackHole = false;
  #isAboveLowWater = false;
  #isDelivering = false;

  send(frames: readonly OutgoingFrame[]): void {
    if (this.#state !== 'open') return;
    for (const frame of frames) {
      this.#inFlight.push(wholeFrame(frame));
      this.queuedBytes += frameBytes(frame);
    }
    this.maxQueuedBytes = Math.max(this.maxQueuedBytes, this.queuedBytes);
    if (this.queuedBytes >= LOW_WATER_BYTES) this.#isAboveLowWater = true;
    this.#deliverSoon();
  }

  close(code: number, reason: string): void {
    if (this.#state !== 'open') return;
    this.closedWith = { code, reason };
    this.#state = 'closing';
    // What was sent before arrives before the end, unless nothing arrives at all.
    if (this.#isStalled || this.#isBlackHole) this.#end(undefined);
    else this.#deliverSoon();
  }

  terminate(): void {
    if (this.#state === 'closed') return;
    this.#endPeer(broken());
    this.#end(undefined);
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Frames that were sent and have not arrived. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** The network breaks: both ends learn it, and what was on its way is lost. */
  cut(): void {
    this.#isBlackHole = false;
    this.#endPeer(broken());
    this.#end(broken());
  }

  /** The peer does not read: frames pile up until `resume`. */
  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
    this.#deliverSoon();
  }

  /** From now on frames of both directions vanish, and nobody is told. */
  blackHole(): void {
    for (const end of [this, this.peer]) {
      if (end !== undefined) end.#isBlackHole = true;
    }
  }

  #end(error: PosternError | undefined): void {
    if (this.#state === 'closed') return;
    const isOurs = this.#state === 'closing';
    this.#state = 'closed';
    this.#inFlight = [];
    this.queuedBytes = 0;
    setImmediate(() => this.events.onClose(isOurs ? undefined : error));
  }

  #deliverSoon(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    setImmediate(() => {
      this.#isDelivering = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#isStalled || this.#state === 'closed') return;
    let room = this.bytesPerTurn;
    let taken = 0;
    while (taken < this.#inFlight.length && room > 0) {
      room -= (this.#inFlight[taken] as Uint8Array).byteLength;
      taken += 1;
    }
    const frames = this.#inFlight.splice(0, taken);
    for (const frame of frames) this.queuedBytes -= frame.byteLength;
    for (const frame of this.#isBlackHole ? [] : frames) this.peer?.events.onFrame(frame);
    this.#drained();
    if (this.#inFlight.length > 0) this.#deliverSoon();
    else if (this.#state === 'closing') this.#closed();
  }

  #drained(): void {
    if (!this.#isAboveLowWater || this.queuedBytes >= LOW_WATER_BYTES) return;
    this.#isAboveLowWater = false;
    if (this.#state === 'open') this.events.onDrain();
  }

  #closed(): void {
    const { code, reason } = this.closedWith ?? { code: 0, reason: '' };
    this.#endPeer(new PosternError('LINK_CLOSED', `closed by the other side: ${code} ${reason}`));
    this.#end(undefined);
  }

  /** In a black hole the peer learns nothing. */
  #endPeer(error: PosternError): void {
    if (!this.#isBlackHole && this.peer !== undefined) this.peer.#end(error);
  }
}

/** A joined pair: what one sends the other receives. */
export function memoryChannels(): [MemoryChannel, MemoryChannel] {
  const left = new MemoryChannel();
  const right = new MemoryChannel();
  left.peer = right;
  right.peer = left;
  return [left, right];
}

function broken(): PosternError {
  return new PosternError('LINK_CLOSED', 'the network broke');
}
