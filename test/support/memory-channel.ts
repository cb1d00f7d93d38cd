/**
 * Two frame channels joined in memory, which can be cut, stalled and black-holed. What is sent arrives in later turns of the
 * event loop, in order, and never after a cut: exactly what a WebSocket promises.
 */
import type { PosternError } from '../../src/core/error.ts';
import type {
  FrameChannel,
  FrameChannelEvents,
  OutgoingFrame,
} from '../../src/protocol/frame-channel.ts';

const NO_EVENTS: FrameChannelEvents = {
  onFrame: () => undefined,
  onDrain: () => undefined,
  onClose: () => undefined,
};

export class MemoryChannel implements FrameChannel {
  events: FrameChannelEvents = NO_EVENTS;
  peer: MemoryChannel | undefined;
  /** Frames on their way to the peer. */
  #inFlight: Uint8Array[] = [];
  #isClosed = false;
  /** While true, frames pile up: the peer does not read. */
  isStalled = false;
  /** While true, frames vanish: a black hole. */
  isBlackHole = false;
  closedWith: { code: number; reason: string } | undefined;
  queuedBytes = 0;

  send(frames: readonly OutgoingFrame[]): void {
    if (this.#isClosed || this.isBlackHole) return;
    for (const outgoing of frames) {
      const frame = outgoing instanceof Uint8Array ? outgoing : Buffer.concat(outgoing);
      this.#inFlight.push(frame);
      this.queuedBytes += frame.byteLength;
    }
    this.#deliverSoon();
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.closedWith = { code, reason };
    // What was sent before arrives before the end.
    setImmediate(() => setImmediate(() => this.cut()));
  }

  terminate(): void {
    this.cut();
  }

  /** Frames that were sent and have not arrived. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** The network breaks: both ends learn it, and what was on its way is lost. */
  cut(error?: PosternError): void {
    for (const end of [this, this.peer]) end?.#end(error);
  }

  resume(): void {
    this.isStalled = false;
    this.#deliverSoon();
  }

  #end(error: PosternError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inFlight = [];
    setImmediate(() => this.events.onClose(error));
  }

  #deliverSoon(): void {
    setImmediate(() => {
      if (this.isStalled || this.#isClosed) return;
      const frames = this.#inFlight;
      this.#inFlight = [];
      const wasFull = this.queuedBytes > 0;
      this.queuedBytes = 0;
      for (const frame of frames) this.peer?.events.onFrame(frame);
      if (wasFull) this.events.onDrain();
    });
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
