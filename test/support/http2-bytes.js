/**
 * The bytes of HTTP/2 frames (RFC 9113 §3.4, §4.1, §6): plain JavaScript, because processes that Node 20 runs by themselves
 * use them as tests do.
 */

/** Types of frames. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
};

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4 };

/** What a client says first, before its SETTINGS. */
export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** One frame: 3 bytes length, 1 type, 1 flags, 4 stream. */
export function frame(type, flags, streamId, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** A 32-bit number, as RST_STREAM and WINDOW_UPDATE carry it. */
export function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
