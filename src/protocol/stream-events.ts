/**
 * What a stream tells the application at its endpoint. See docs/protocol.md §5.
 *
 * Nothing here speaks of links: an application does not learn that its stream was detached, unless by waiting.
 */
import type { PosternError } from '../core/error.ts';
import type { AcceptInfo } from './message/stream-opening.ts';

/** What the application at an endpoint is told. Called from inside the link's read, so it must not block. */
export interface StreamEvents {
  /** Initiator: the other endpoint has connected its origin. Once. */
  onAccept?(info: AcceptInfo): void;
  /**
   * Call `consume` when the bytes have been handed on. While very many pieces are not, small ones wait and are put
   * together, so do not wait for more before handing on what is there.
   */
  onData(chunk: Uint8Array): void;
  /** The other endpoint sent FIN. All data has been delivered. */
  onEnd(): void;
  /** write() returned false and there is room again. */
  onWritable(): void;
  /** Exactly once. Undefined when both directions finished; nothing is called afterwards. */
  onClose(error: PosternError | undefined): void;
}

/** For a stream whose application has not come yet. */
export const NO_EVENTS: StreamEvents = {
  onData: () => undefined,
  onEnd: () => undefined,
  onWritable: () => undefined,
  onClose: () => undefined,
};
