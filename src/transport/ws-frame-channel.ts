/**
 * A FrameChannel over one WebSocket: what every link between processes runs on. See docs/protocol.md §2 and §8.
 *
 * One binary message is one frame. Sending and receiving bypass `ws` where they can (`pack-messages.ts`, `message-reader.ts`);
 * the handshake, closing, masking and whatever is not a plain frame are its own. Every bound on what a peer may make us hold is in `webSocketOptions`.
 * It holds no reference to the HTTP request that the WebSocket came from, so an idle link stays small.
 */
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { codeOf, messageOf, PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import {
  wholeFrame,
  type FrameChannel,
  type FrameChannelEvents,
  type OutgoingFrame,
} from '../protocol/frame-channel.ts';
import { lendReads } from './lent-reads.ts';
import { MessageReader } from './message-reader.ts';
import { LINK_SHARES } from './read-turns.ts';
import { SocketWriter } from './socket-writer.ts';

/** The WebSocket subprotocol of version 1 of the link protocol. */
export const LINK_SUBPROTOCOL = 'postern.v1';

/** The path that links are dialled on. */
export const LINK_PATH = '/.postern/link';

/** Options of `ws` that both sides of a link share: every one is a bound. */
export const webSocketOptions = {
  perMessageDeflate: false,
  /** A control message has a header of type and stream id in front. */
  maxPayload: Math.max(LIMITS.frameBytes, LIMITS.controlBytes + 5),
  maxBufferedChunks: LIMITS.framePieces,
  maxFragments: LIMITS.frameFragments,
  /** Above what one second may bring, so that a flood is told as one. */
  maxPendingAutoPongs: 2 * LIMITS.controlFramesPerSecond,
  closeTimeout: LIMITS.closeMs,
} as const;

/**
 * How messages to the peer are masked: never by the accepting side, with zeros by a dialling side over TLS, and with
 * random bytes by one that dials without TLS, where something on the way may read HTTP into what it sees.
 */
export type Masking = 'none' | 'zero' | 'random';

/** Queued bytes at which a channel that was above tells its link to go on. */
const LOW_WATER_BYTES = LIMITS.socketQueueBytes / 2;
/** The most a close reason may take: a control frame of 125 bytes less the code (RFC 6455 §5.5). */
const CLOSE_REASON_BYTES = 123;
const CLOSE_TEXT_MESSAGE = 1003;
const CLOSE_PROTOCOL = 4400;

export interface WsFrameChannelOptions {
  /** Open, and nothing read from it yet. The channel owns it and its listeners from now on. */
  readonly ws: WebSocket;
  /** The TCP or TLS socket under `ws`. */
  readonly socket: Socket;
  readonly masking: Masking;
}

export class WsFrameChannel implements FrameChannel {
  /** Address of the other side of the socket; a proxy, where there is one. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Our own address, which the connection lives and dies with. */
  readonly localAddress: string | undefined;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  /** Absent where messages need real masks, which `ws` makes. */
  readonly #writer: SocketWriter | undefined;
  readonly #reader: MessageReader;
  readonly #onWritten = (): void => this.#written();
  #events: FrameChannelEvents | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #isClosedByUs = false;
  #isAboveLowWater = false;
  #failure: PosternError | undefined;
  #closeCode: number | undefined;
  #pings = 0;
  #pingsSecond = 0;

  constructor({ ws, socket, masking }: WsFrameChannelOptions) {
    this.#ws = ws;
    this.#socket = socket;
    if (masking !== 'random') {
      this.#writer = new SocketWriter(socket, {
        isMasked: masking === 'zero',
        isOpen: () => this.#mayFollow(),
        onWritten: this.#onWritten,
      });
    }
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.localAddress = socket.localAddress;
    socket.setNoDelay(true);
    // Until somebody listens nothing is read: frames may follow the upgrade in the same packet.
    ws.pause();
    // Whoever accepts is sent masked messages.
    this.#reader = readAhead(ws, socket, masking === 'none', (frame) => this.#takeFrame(frame));
    ws.on('message', (data, isBinary) => this.#message(data, isBinary));
    ws.on('ping', () => this.#ping());
    ws.on('pong', () => this.#ping());
    ws.on('error', (error) => this.#fail(protocolError(error)));
    // `ws` drops the error of its socket; ours is the only place that keeps why a connection broke.
    socket.on('error', (error) => this.#fail(socketError(error)));
    ws.once('close', (code, reason) => this.#closed(code, reason));
  }

  get events(): FrameChannelEvents {
    if (this.#events === undefined) throw new TypeError('Nobody listens to this channel yet');
    return this.#events;
  }

  /** Who is told. Frames are read from the first time it is set. */
  set events(events: FrameChannelEvents) {
    const isFirst = this.#events === undefined;
    this.#events = events;
    if (!isFirst) return;
    if (this.#state === 'closed') queueMicrotask(() => this.#tellClosed());
    else this.#ws.resume();
  }

  get queuedBytes(): number {
    return this.#writer?.queuedBytes ?? this.#socket.writableLength;
  }

  /** The close code the peer sent (docs/protocol.md §8), once closed; undefined when the connection just broke. */
  get closeCode(): number | undefined {
    return this.#closeCode;
  }

  send(frames: readonly OutgoingFrame[]): void {
    if (!this.#mayFollow() || frames.length === 0) return;
    if (this.#writer === undefined) {
      // Corked, a batch is one write and so one run of full TLS records.
      this.#socket.cork();
      for (const frame of frames) this.#ws.send(wholeFrame(frame), this.#onWritten);
      this.#socket.uncork();
    } else {
      this.#writer.write(frames);
    }
    if (this.queuedBytes >= LOW_WATER_BYTES) this.#isAboveLowWater = true;
  }

  close(code: number, reason: string): void {
    if (this.#state !== 'open') return;
    this.#isClosedByUs = true;
    this.#startClosing(code, reason);
  }

  terminate(): void {
    if (this.#state === 'closed') return;
    if (this.#failure === undefined) this.#isClosedByUs = true;
    this.#state = 'closing';
    this.#ws.terminate();
  }

  /** Whether frames may be written. After the peer's close message `ws` has sent its own, and nothing may follow that. */
  #mayFollow(): boolean {
    return this.#state === 'open' && this.#ws.readyState === this.#ws.OPEN;
  }

  #startClosing(code: number, reason: string): void {
    this.#state = 'closing';
    this.#writer?.flush();
    this.#ws.close(code, cutReason(reason));
    // The peer's answer has to be read, whether or not anybody ever listened.
    this.#ws.resume();
  }

  #takeFrame(frame: Buffer): void {
    // One chunk may hold many frames: those behind a close are nobody's.
    if (this.#state === 'open') this.#events?.onFrame(frame);
  }

  #message(data: RawData, isBinary: boolean): void {
    if (isBinary && Buffer.isBuffer(data)) return this.#takeFrame(data);
    if (this.#state !== 'open') return;
    const sentence = 'Cannot take a message on the link: it is text, and frames are binary';
    this.#refuse(CLOSE_TEXT_MESSAGE, new PosternError('PROTO_BAD_FRAME', sentence));
  }

  /** WebSocket pings are answered by `ws` and are no part of our protocol, so only their number matters. */
  #ping(): void {
    const second = Math.floor(performance.now() / 1_000);
    this.#pings = second === this.#pingsSecond ? this.#pings + 1 : 1;
    this.#pingsSecond = second;
    if (this.#pings <= LIMITS.controlFramesPerSecond || this.#state !== 'open') return;
    const sentence = `Cannot take more WebSocket pings: over ${LIMITS.controlFramesPerSecond} in one second`;
    this.#refuse(CLOSE_PROTOCOL, new PosternError('PROTO_FLOOD', sentence));
  }

  #refuse(code: number, failure: PosternError): void {
    this.#failure = failure;
    this.#startClosing(code, `${failure.code} ${failure.message}`);
  }

  #fail(failure: PosternError): void {
    this.#reader.stop();
    this.#failure ??= failure;
    if (this.#state === 'open') this.#state = 'closing';
  }

  #written(): void {
    if (!this.#isAboveLowWater || this.queuedBytes >= LOW_WATER_BYTES) return;
    this.#isAboveLowWater = false;
    if (this.#state === 'open') this.#events?.onDrain();
  }

  #closed(code: number, reason: Buffer): void {
    this.#state = 'closed';
    if (code !== NO_CLOSE_MESSAGE) this.#closeCode = code;
    if (!this.#isClosedByUs) this.#failure ??= closedByPeer(code, reason.toString('utf8'));
    this.#tellClosed();
  }

  #tellClosed(): void {
    this.#events?.onClose(this.#isClosedByUs ? undefined : this.#failure);
  }
}

/** Reads whole frames before `ws` does, which gets the rest. `ws` must be listening to the socket already, and paused. */
function readAhead(
  ws: WebSocket,
  socket: Socket,
  isMasked: boolean,
  onMessage: (frame: Buffer) => void,
): MessageReader {
  const ofWs = socket.listeners('data');
  socket.removeAllListeners('data');
  const reader = new MessageReader(isMasked, {
    onMessage,
    onOther: (lent) => {
      const bytes = Buffer.from(lent);
      for (const listener of ofWs) listener.call(socket, bytes);
    },
  });
  const onLent = (bytes: Buffer): boolean => {
    reader.push(bytes);
    return !ws.isPaused;
  };
  lendReads(socket, onLent, LINK_SHARES);
  return reader;
}

/** What `ws` reports when the socket ended without a close message (RFC 6455 §7.1.5). */
const NO_CLOSE_MESSAGE = 1006;

function closedByPeer(code: number, reason: string): PosternError {
  const why =
    code === NO_CLOSE_MESSAGE
      ? 'the connection ended without a close message'
      : `the other side closed it with code ${code}${reason === '' ? '' : ` ${JSON.stringify(reason)}`}`;
  return new PosternError('LINK_CLOSED', `Cannot go on with the link: ${why}`);
}

function socketError(cause: unknown): PosternError {
  const why = codeOf(cause) ?? messageOf(cause);
  return new PosternError(
    'LINK_CLOSED',
    `Cannot go on with the link: its connection broke (${why})`,
    { cause },
  );
}

/** `ws` has sent the close message that belongs to the fault by now. */
function protocolError(cause: unknown): PosternError {
  if (codeOf(cause) === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
    const sentence = `Cannot take a message on the link: it is longer than ${webSocketOptions.maxPayload} bytes`;
    return new PosternError('PROTO_FRAME_TOO_LARGE', sentence, { cause });
  }
  const sentence = `Cannot take a message on the link: ${messageOf(cause)}`;
  return new PosternError('PROTO_BAD_FRAME', sentence, { cause });
}

/** The longest start of `reason` that fits into a close message and ends between two characters. */
function cutReason(reason: string): Buffer {
  const bytes = Buffer.from(reason, 'utf8');
  if (bytes.length <= CLOSE_REASON_BYTES) return bytes;
  let end = CLOSE_REASON_BYTES;
  // 10xxxxxx continues a character that began before it.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
