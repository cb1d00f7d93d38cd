/**
 * The frame codec: bytes in, typed frames out. See docs/protocol.md §3.
 *
 * Pure functions. A decoded frame aliases the bytes it came from; nobody may write to them afterwards.
 * Offsets are 64-bit on the wire and JavaScript numbers here, so more than 53 bits are refused.
 */
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { RESET_CODE, resetCodeOf, type ResetCode } from './reset-code.ts';

export const FRAME_TYPE = {
  CONTROL: 0x01,
  OPEN: 0x02,
  ACCEPT: 0x03,
  DATA: 0x04,
  ACK: 0x05,
  FIN: 0x06,
  RESET: 0x07,
  PING: 0x08,
  PONG: 0x09,
} as const;

/** Type and stream id, bytes. */
export const HEADER_BYTES = 5;
/** What precedes the data of a DATA frame: header and offset, bytes. */
export const DATA_HEADER_BYTES = HEADER_BYTES + 8;

export type Frame =
  | { readonly type: 'CONTROL'; readonly json: Buffer }
  | { readonly type: 'OPEN'; readonly id: number; readonly json: Buffer }
  | { readonly type: 'ACCEPT'; readonly id: number; readonly json: Buffer }
  | { readonly type: 'DATA'; readonly id: number; readonly offset: number; readonly data: Buffer }
  | {
      readonly type: 'ACK';
      readonly id: number;
      readonly consumed: number;
      readonly window: number;
    }
  | { readonly type: 'FIN'; readonly id: number; readonly offset: number }
  | {
      readonly type: 'RESET';
      readonly id: number;
      readonly code: ResetCode;
      readonly reason: string;
    }
  | { readonly type: 'PING' | 'PONG'; readonly opaque: Buffer };

/** A frame that belongs to a stream id. */
export type StreamFrame = Extract<Frame, { id: number }>;

/**
 * Decodes one frame. Throws PROTO_BAD_FRAME, PROTO_UNKNOWN_FRAME, PROTO_FRAME_TOO_LARGE, PROTO_CONTROL_TOO_LARGE or
 * PROTO_BAD_STREAM_ID.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const frame = asBuffer(bytes);
  if (frame.length < HEADER_BYTES) throw badFrame(`${frame.length} bytes are no frame`);
  const type = frame[0] as number;
  const id = frame.readUInt32BE(1);
  const onControlStream =
    type === FRAME_TYPE.CONTROL || type === FRAME_TYPE.PING || type === FRAME_TYPE.PONG;
  if (onControlStream !== (id === 0) && type <= FRAME_TYPE.PONG && type > 0) {
    throw new PosternError(
      'PROTO_BAD_STREAM_ID',
      `Cannot take frame type ${type}: stream id ${id}`,
    );
  }
  switch (type) {
    case FRAME_TYPE.CONTROL:
      return { type: 'CONTROL', json: jsonOf(frame) };
    case FRAME_TYPE.OPEN:
      return { type: 'OPEN', id, json: jsonOf(frame) };
    case FRAME_TYPE.ACCEPT:
      return { type: 'ACCEPT', id, json: jsonOf(frame) };
    case FRAME_TYPE.DATA:
      return decodeData(frame, id);
    case FRAME_TYPE.ACK:
      expectBytes(frame, 'ACK', HEADER_BYTES + 12);
      return { type: 'ACK', id, consumed: readOffset(frame, 5), window: frame.readUInt32BE(13) };
    case FRAME_TYPE.FIN:
      expectBytes(frame, 'FIN', HEADER_BYTES + 8);
      return { type: 'FIN', id, offset: readOffset(frame, 5) };
    case FRAME_TYPE.RESET:
      return decodeReset(frame, id);
    case FRAME_TYPE.PING:
    case FRAME_TYPE.PONG:
      expectBytes(frame, 'PING', HEADER_BYTES + 8);
      return { type: type === FRAME_TYPE.PING ? 'PING' : 'PONG', opaque: frame.subarray(5) };
    default:
      throw new PosternError('PROTO_UNKNOWN_FRAME', `Cannot take a frame: unknown type ${type}`);
  }
}

/** A CONTROL, OPEN or ACCEPT frame. Throws PROTO_CONTROL_TOO_LARGE: the caller built a message nobody would take. */
export function encodeJson(type: 'CONTROL' | 'OPEN' | 'ACCEPT', id: number, value: object): Buffer {
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  if (bytes > LIMITS.controlBytes) throw controlTooLarge(bytes);
  const frame = header(FRAME_TYPE[type], id, bytes);
  frame.write(json, HEADER_BYTES);
  return frame;
}

/** The start of a DATA frame: everything but its data, with `room` bytes left behind it for the caller to fill. */
export function encodeDataHeader(id: number, offset: number, room: number): Buffer {
  const frame = header(FRAME_TYPE.DATA, id, 8 + room);
  writeOffset(frame, offset, HEADER_BYTES);
  return frame;
}

export function encodeAck(id: number, consumed: number, window: number): Buffer {
  const frame = header(FRAME_TYPE.ACK, id, 12);
  writeOffset(frame, consumed, HEADER_BYTES);
  frame.writeUInt32BE(window, 13);
  return frame;
}

export function encodeFin(id: number, offset: number): Buffer {
  const frame = header(FRAME_TYPE.FIN, id, 8);
  writeOffset(frame, offset, HEADER_BYTES);
  return frame;
}

/** A RESET frame. A reason over the limit is cut, at a character. */
export function encodeReset(id: number, code: ResetCode, reason: string): Buffer {
  const text = Buffer.from(reason);
  const cut = text.length <= LIMITS.reasonBytes ? text : cutUtf8(text, LIMITS.reasonBytes);
  const frame = header(FRAME_TYPE.RESET, id, 2 + cut.length);
  frame.writeUInt16BE(RESET_CODE[code], HEADER_BYTES);
  cut.copy(frame, HEADER_BYTES + 2);
  return frame;
}

/** A PING or PONG frame with 8 opaque bytes. */
export function encodePing(type: 'PING' | 'PONG', opaque: Uint8Array): Buffer {
  const frame = header(FRAME_TYPE[type], 0, 8);
  frame.set(opaque, HEADER_BYTES);
  return frame;
}

function header(type: number, id: number, payloadBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payloadBytes);
  frame[0] = type;
  frame.writeUInt32BE(id, 1);
  return frame;
}

function decodeData(frame: Buffer, id: number): Frame {
  const bytes = frame.length - DATA_HEADER_BYTES;
  if (bytes < 1) throw badFrame('DATA without data');
  if (bytes > LIMITS.dataBytes) {
    throw new PosternError(
      'PROTO_FRAME_TOO_LARGE',
      `Cannot take DATA: ${bytes} bytes, the limit is ${LIMITS.dataBytes}`,
    );
  }
  return {
    type: 'DATA',
    id,
    offset: readOffset(frame, 5),
    data: frame.subarray(DATA_HEADER_BYTES),
  };
}

function decodeReset(frame: Buffer, id: number): Frame {
  const reasonBytes = frame.length - HEADER_BYTES - 2;
  if (reasonBytes < 0) throw badFrame('RESET without a code');
  if (reasonBytes > LIMITS.reasonBytes)
    throw badFrame(`RESET with a reason of ${reasonBytes} bytes`);
  return {
    type: 'RESET',
    id,
    code: resetCodeOf(frame.readUInt16BE(HEADER_BYTES)),
    reason: frame.toString('utf8', HEADER_BYTES + 2),
  };
}

function jsonOf(frame: Buffer): Buffer {
  const bytes = frame.length - HEADER_BYTES;
  if (bytes > LIMITS.controlBytes) throw controlTooLarge(bytes);
  return frame.subarray(HEADER_BYTES);
}

function readOffset(frame: Buffer, at: number): number {
  const high = frame.readUInt32BE(at);
  // Above 2 ** 53 a number no longer counts by ones. No stream gets there: it is 9 PB.
  if (high >= 2 ** 21) throw badFrame('an offset of more than 53 bits');
  return high * 2 ** 32 + frame.readUInt32BE(at + 4);
}

function writeOffset(frame: Buffer, offset: number, at: number): void {
  frame.writeUInt32BE(Math.floor(offset / 2 ** 32), at);
  frame.writeUInt32BE(offset % 2 ** 32, at + 4);
}

function expectBytes(frame: Buffer, name: string, bytes: number): void {
  if (frame.length !== bytes)
    throw badFrame(`${name} of ${frame.length} bytes instead of ${bytes}`);
}

function badFrame(why: string): PosternError {
  return new PosternError('PROTO_BAD_FRAME', `Cannot take a frame: ${why}`);
}

function controlTooLarge(bytes: number): PosternError {
  return new PosternError(
    'PROTO_CONTROL_TOO_LARGE',
    `Cannot carry a control message: ${bytes} bytes, the limit is ${LIMITS.controlBytes}`,
  );
}

function cutUtf8(text: Buffer, limit: number): Buffer {
  let end = limit;
  // 10xxxxxx continues a character: step back to where one starts.
  while (end > 0 && ((text[end] as number) & 0xc0) === 0x80) end -= 1;
  return text.subarray(0, end);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
