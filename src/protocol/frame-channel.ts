/**
 * What a link runs over: something that carries whole frames in order, until it breaks. In production a WebSocket
 * (`transport/ws-frame-channel.ts`), in tests a pair in memory. See docs/protocol.md §2.
 *
 * A channel never splits, joins, reorders or drops frames, and never calls back from inside a call to it.
 */
import type { PosternError } from '../core/error.ts';

/**
 * A frame on its way out: whole, or in pieces that follow each other. Large DATA goes out in pieces, so that it is not
 * copied together first. A whole one belongs to the channel; pieces are only lent, until send() returns.
 */
export type OutgoingFrame = Uint8Array | readonly Uint8Array[];

export interface FrameChannelEvents {
  /** One whole frame. The bytes belong to the callee from now on. */
  onFrame(frame: Uint8Array): void;
  /** `queuedBytes` fell below half of `socketQueueBytes` after having been at or above it. */
  onDrain(): void;
  /** Exactly once, when nothing will arrive any more. Undefined after a close() of our own. */
  onClose(error: PosternError | undefined): void;
}

export interface FrameChannel {
  /** Who is told. Set by the link before the first frame can arrive. */
  events: FrameChannelEvents;
  /** Bytes that send() took and the socket has not yet handed to the kernel. */
  readonly queuedBytes: number;
  /**
   * Sends frames in order, as one batch. Ignored once closed. The channel copies pieces that it cannot hand over at once:
   * their memory is used again when the peer acknowledges them, which a hostile one does before it has them, and what is
   * there then may be somebody else's.
   */
  send(frames: readonly OutgoingFrame[]): void;
  /** Closes after what was sent. `code` is a WebSocket close code of docs/protocol.md §8. Safe to call twice. */
  close(code: number, reason: string): void;
  /** Closes at once and drops what was not sent. */
  terminate(): void;
}

/** Bytes of a frame, whole or in pieces. */
export function frameBytes(frame: OutgoingFrame): number {
  if (frame instanceof Uint8Array) return frame.byteLength;
  let bytes = 0;
  for (const piece of frame) bytes += piece.byteLength;
  return bytes;
}

/** A frame in one piece. */
export function wholeFrame(frame: OutgoingFrame): Uint8Array {
  return frame instanceof Uint8Array ? frame : Buffer.concat(frame);
}
