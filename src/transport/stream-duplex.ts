/**
 * A stream as a Node Duplex, for code that wants a socket: the HTTP client of the gateway, upgrades, built-in services.
 *
 * Bytes count as handed on when the reader has taken them, give or take one high-water mark, so back-pressure reaches the
 * other endpoint. What a slow reader has not asked for stays out of Node's buffer, because one `read()` returns all that is
 * in there in one piece: a copy of the whole window, which would then count as handed on. Destroying the duplex before both
 * directions ended resets the stream.
 */
import { Duplex } from 'node:stream';
import { PosternError } from '../core/error.ts';
import type { AcceptInfo } from '../protocol/message/stream-opening.ts';
import type { Stream } from '../protocol/stream.ts';

/** Bytes the readable side holds before the rest has to wait. */
const HIGH_WATER_BYTES = 64 * 1024;

/** So many chunks are handed on before the list of those that wait is cut. */
const CUT_AFTER = 256;

export class StreamDuplex extends Duplex {
  readonly stream: Stream;
  /** Offers what waits, if it is still asked for. */
  readonly #offerNext = (): void => {
    if (this.#isAsked && !this.destroyed && this.readableLength === 0) this.#offerWaiting();
  };
  /** What arrived while the readable side was full: never more than the window. */
  #waiting: Uint8Array[] = [];
  /** The first of them that was not handed on. */
  #next = 0;
  #hasFin = false;
  /** Node has called _read and got nothing: it calls again only after it has got something. */
  #isAsked = false;
  #unconsumed = 0;
  #afterWrite: ((error?: Error) => void) | undefined;
  #alpnProtocol: string | undefined;

  constructor(stream: Stream) {
    super({
      allowHalfOpen: true,
      readableHighWaterMark: HIGH_WATER_BYTES,
      writableHighWaterMark: HIGH_WATER_BYTES,
    });
    this.stream = stream;
    stream.handler = {
      onAccept: (info) => {
        this.#alpnProtocol = info.alpn;
        this.emit('accept', info);
      },
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#onEnd(),
      onWritable: () => this.#onWritable(),
      onClose: (error) => this.#onClose(error),
    };
    // Once the other endpoint has ended Node asks for no more, however much waits to be read.
    this.once('end', () => this._read());
  }

  /** What the other endpoint agreed on with its origin, once it has said so. */
  get alpnProtocol(): string | undefined {
    return this.#alpnProtocol;
  }

  /** Resolves when the other endpoint has connected its origin; rejects when the duplex ends before. Call it at once. */
  async accepted(): Promise<AcceptInfo> {
    return new Promise((resolve, reject) => {
      const onAccept = (info: AcceptInfo): void => {
        this.off('error', onEnd).off('close', onEnd);
        resolve(info);
      };
      const onEnd = (error?: Error): void => {
        this.off('accept', onAccept).off('error', onEnd).off('close', onEnd);
        reject(error ?? noLongerWanted());
      };
      this.once('accept', onAccept).once('error', onEnd).once('close', onEnd);
      if (this.closed) onEnd(this.errored ?? undefined);
    });
  }

  /**
   * Resolves when the other endpoint has taken everything and has ended too, which is later than this duplex ends; rejects
   * with what ended the stream before. Whoever goes away must wait for it, or what is under way is lost.
   */
  async settled(): Promise<void> {
    const { stream } = this;
    if (stream.state !== 'closed') await new Promise((resolve) => this.once('settled', resolve));
    if (stream.error !== undefined) throw stream.error;
  }

  /** Says how many things it carries now, for whoever chooses between links and replicas. */
  carries(load: number): void {
    this.stream.load = load;
  }

  /**
   * Node asks once for each piece, before it hands one on. A parser that stops in the middle puts the rest back: were it given
   * more each time it reads that again, the whole window would pile up here, to be copied at each stop.
   */
  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    if (this.#isAsked && this.#waiting.length > 0) process.nextTick(this.#offerNext);
    return chunk;
  }

  override _read(): void {
    const bytes = this.#unconsumed;
    this.#unconsumed = 0;
    this.#isAsked = true;
    // Node asks before it takes what is there, and would join the two: read() sees to the rest.
    if (this.readableLength === 0) this.#offerWaiting();
    else process.nextTick(this.#offerNext);
    if (bytes > 0) this.stream.consume(bytes);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.stream.write(chunk)) done();
    else this.#afterWrite = done;
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    let mayContinue = true;
    for (const { chunk } of chunks) mayContinue = this.stream.write(chunk);
    if (mayContinue) done();
    else this.#afterWrite = done;
  }

  override _final(done: () => void): void {
    this.stream.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Without effect on a stream that has ended, or whose two directions are only waiting for acknowledgements.
    if (!(this.readableEnded && this.writableFinished)) {
      this.stream.reset('STREAM_CANCELLED', error?.message ?? noLongerWanted().message);
    }
    // Whoever waits for a write must not wait for ever.
    const afterWrite = this.#afterWrite;
    this.#afterWrite = undefined;
    afterWrite?.(error ?? noLongerWanted());
    done(error);
  }

  #onData(chunk: Uint8Array): void {
    // Node calls _read in the next tick while there is room, once for all that came.
    const hasRoom = this.#isAsked || this.readableLength < HIGH_WATER_BYTES;
    if (hasRoom && this.#waiting.length === 0) this.#offer(chunk);
    else this.#waiting.push(chunk);
  }

  #onEnd(): void {
    this.#hasFin = true;
    if (this.#waiting.length === 0) this.push(null);
  }

  #offer(chunk: Uint8Array): boolean {
    this.#isAsked = false;
    this.#unconsumed += chunk.byteLength;
    return this.push(chunk);
  }

  /** At least one chunk of those that wait, and as many as there is room for. */
  #offerWaiting(): void {
    if (this.#waiting.length === 0) return;
    let hasRoom = true;
    while (hasRoom && this.#next < this.#waiting.length) {
      hasRoom = this.#offer(this.#waiting[this.#next++] as Uint8Array);
    }
    if (this.#next === this.#waiting.length || this.#next >= CUT_AFTER) {
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
    }
    if (this.#hasFin && this.#waiting.length === 0) this.push(null);
  }

  #onWritable(): void {
    const done = this.#afterWrite;
    this.#afterWrite = undefined;
    done?.();
  }

  #onClose(error: PosternError | undefined): void {
    if (error !== undefined) this.destroy(error);
    this.emit('settled');
  }
}

function noLongerWanted(): PosternError {
  return new PosternError('STREAM_CANCELLED', 'the stream is no longer wanted');
}
