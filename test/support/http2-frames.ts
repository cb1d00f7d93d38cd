/**
 * HTTP/2 in single frames (RFC 9113 §4, §6), so that tests can say what no client would.
 *
 * Heads are written without compression: literal fields, never indexed, no Huffman (RFC 7541 §6.2.3). What a server sends
 * is split into frames, and its heads are not read.
 */
import { EventEmitter, once } from 'node:events';
import type { Duplex } from 'node:stream';
import { eventually } from './eventually.ts';
import { FLAG, frame, FRAME, PREFACE } from './http2-bytes.js';

/** Error codes of RST_STREAM and GOAWAY (§7). */
export const CODE = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  refused: 7,
  cancel: 8,
  calm: 11,
} as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The fields of a head, uncompressed. */
export function fields(list: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    list.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]),
  );
}

/** A HEADERS frame of a whole request head. */
export function headersFrame(
  streamId: number,
  list: readonly (readonly [string, string])[],
  flags: number = FLAG.endStream | FLAG.endHeaders,
): Buffer {
  return frame(FRAME.headers, flags, streamId, fields(list));
}

/** A length as a 7-bit prefix integer (RFC 7541 §5.1), and the bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** Emits `frame` for each that comes. Acknowledges SETTINGS, and nothing else by itself. */
export class FrameClient extends EventEmitter {
  readonly stream: Duplex;
  /** All frames that have come. */
  readonly frames: Frame[] = [];
  #rest: Buffer = Buffer.alloc(0);

  /** Speaks the preface on a fresh connection, with these SETTINGS. */
  constructor(stream: Duplex, settings: Buffer = Buffer.alloc(0)) {
    super();
    this.stream = stream;
    stream.on('error', () => undefined);
    stream.on('data', (bytes: Buffer) => this.#onBytes(bytes));
    stream.write(PREFACE, 'latin1');
    this.send(frame(FRAME.settings, 0, 0, settings));
  }

  send(...bytes: Buffer[]): this {
    if (this.stream.writable) this.stream.write(Buffer.concat(bytes));
    return this;
  }

  /** Waits until the server has taken everything that was sent. */
  async flushed(): Promise<void> {
    if (this.stream.writableNeedDrain)
      await Promise.race([once(this.stream, 'drain'), this.closed()]);
  }

  /** The first frame of this kind, also one that has come already. */
  async first(type: number, streamId = 0): Promise<Frame> {
    const find = (): Frame | undefined =>
      this.frames.find((one) => one.type === type && one.streamId === streamId);
    await eventually(() => find() !== undefined, {
      what: `a frame ${type} on ${streamId}`,
      everyMs: 2,
    });
    const found = find();
    if (found === undefined) throw new Error('it came and went');
    return found;
  }

  /** The code of the RST_STREAM on a stream. */
  async resetCode(streamId: number): Promise<number> {
    return (await this.first(FRAME.reset, streamId)).payload.readUInt32BE(0);
  }

  /** The code of the GOAWAY that says why the connection ends. */
  async goawayCode(): Promise<number> {
    return (await this.first(FRAME.goaway)).payload.readUInt32BE(4);
  }

  async closed(): Promise<void> {
    const isOver = (): boolean => this.stream.readableEnded || this.stream.destroyed;
    await eventually(isOver, { what: 'the end of the connection', everyMs: 2 });
  }

  #onBytes(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      this.#onFrame({
        type: this.#rest.readUInt8(3),
        flags: this.#rest.readUInt8(4),
        streamId: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, 9 + length),
      });
      this.#rest = this.#rest.subarray(9 + length);
    }
  }

  #onFrame(one: Frame): void {
    this.frames.push(one);
    if (one.type === FRAME.settings && one.flags === 0)
      this.send(frame(FRAME.settings, FLAG.ack, 0));
    this.emit('frame', one);
  }
}
