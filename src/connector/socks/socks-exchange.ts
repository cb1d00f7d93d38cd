/**
 * The SOCKS5 conversation on a stream, up to where the bytes of the connection follow.
 *
 * Whoever dials says how it went, with succeed() or refuse(). A user who says nothing, or does not go after a refusal, is
 * let go of after a while.
 */
import type { Clock } from '../../core/clock.ts';
import type { Destination } from '../../config/destination.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { ResetCode } from '../../protocol/reset-code.ts';
import type { Stream } from '../../protocol/stream.ts';
import type { EarlyData } from '../early-data.ts';
import {
  encodeReply,
  parseGreeting,
  parseRequest,
  SOCKS_METHOD,
  type Parsed,
  type SocksReply,
} from './socks-request.ts';

const NOTHING = new Uint8Array(0);

export class SocksExchange {
  readonly #stream: Stream;
  readonly #early: EarlyData;
  readonly #clock: Clock;

  constructor(stream: Stream, early: EarlyData, clock: Clock) {
    this.#stream = stream;
    this.#early = early;
    this.#clock = clock;
  }

  /**
   * What the user asks for. The stream must be accepted, so that they can. Throws ORIGIN_SOCKS for what is no request that
   * can be served, once it is answered, and where none comes in time.
   */
  async destination(): Promise<Destination> {
    const { offersNone } = await this.#message(parseGreeting);
    if (!offersNone) {
      this.#stream.write(SOCKS_METHOD.unacceptable);
      throw refused('it only offers kinds of authentication that there are not');
    }
    this.#stream.write(SOCKS_METHOD.none);
    const request = await this.#message(parseRequest);
    if (!('refused' in request)) return request;
    this.#stream.write(encodeReply(request.refused));
    throw refused(`the answer is "${request.refused}"`);
  }

  /** Says that the connection stands; its bytes may follow. */
  succeed(): void {
    this.#stream.write(encodeReply('succeeded'));
  }

  /** Says why there is none. */
  refuse(reply: SocksReply): void {
    this.#stream.write(encodeReply(reply));
  }

  /** Ends the stream so that the user reads the last answer before it is reset. */
  end(code: ResetCode, reason: string): void {
    const stream = this.#stream;
    if (stream.state === 'closed') return;
    const timer = this.#clock.after(LIMITS.socksRefusedMs, () => stream.reset(code, reason));
    const before = stream.handler;
    stream.handler = {
      onData: (chunk) => stream.consume(chunk.byteLength),
      onEnd: () => undefined,
      onWritable: () => undefined,
      onClose: (error) => {
        timer.cancel();
        before.onClose(error);
      },
    };
    this.#early.replay(stream);
    stream.end();
  }

  #message<Message>(parse: (bytes: Uint8Array) => Parsed<Message>): Promise<Message> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        timer.cancel();
        this.#early.watch(() => undefined);
        act();
      };
      const timer = this.#clock.after(LIMITS.socksRequestMs, () =>
        settle(() => reject(refused('it does not come'))),
      );
      let bytes: Uint8Array = NOTHING;
      const look = (): void => {
        try {
          for (;;) {
            const parsed = parse(bytes);
            if ('message' in parsed) return settle(() => resolve(parsed.message));
            const more = this.#early.take(parsed.needs - bytes.length);
            if (more.length === 0) break;
            bytes = Buffer.concat([bytes, more]);
            this.#stream.consume(more.length);
          }
          if (this.#early.isOver) throw refused('it ends before it is whole');
        } catch (error) {
          settle(() => reject(error));
        }
      };
      this.#early.watch(look);
      look();
    });
  }
}

function refused(why: string): PosternError {
  return new PosternError('ORIGIN_SOCKS', `Cannot serve a SOCKS5 request: ${why}`);
}
