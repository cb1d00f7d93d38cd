/**
 * Bodies of requests gathered whole, for origins that want their length before them (`disableChunkedEncoding`).
 *
 * The one place where bodies are kept in memory. Bounded for one and for all together; what is too large is refused before the
 * origin hears of it.
 */
import { PosternError } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { ByteBudget } from '../../../protocol/byte-budget.ts';
import type { RequestBody } from './request-body.ts';

/** What a gateway keeps of bodies at one time. */
export class WholeBodies {
  readonly #budget: ByteBudget;

  constructor(limitBytes: number = LIMITS.wholeBodiesBytes) {
    this.#budget = new ByteBudget(limitBytes);
  }

  /** Bytes that are kept now. */
  get usedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Begins to read a body. */
  gather(body: RequestBody): WholeBody {
    return new WholeBody(body, this.#budget);
  }
}

/** One body. Whoever has it releases it when nobody needs it any more, complete or not. */
export class WholeBody {
  /** Rejects with HTTP_BODY_TOO_LARGE, HTTP_TOO_MANY, and with what broke the body. */
  readonly bytes: Promise<Buffer>;
  readonly #budget: ByteBudget;
  #chunks: Buffer[] = [];
  #held = 0;
  #isReleased = false;

  constructor(body: RequestBody, budget: ByteBudget) {
    this.#budget = budget;
    this.bytes = new Promise((resolve, reject) => {
      body.on('data', (chunk: Buffer) => {
        const error = this.#take(chunk);
        if (error !== undefined) reject(error);
      });
      body.on('end', () => resolve(Buffer.concat(this.#chunks)));
      body.on('error', reject);
    });
    body.resume();
  }

  /** Gives back its place. Safe to call twice. */
  release(): void {
    this.#isReleased = true;
    this.#budget.give(this.#held);
    this.#held = 0;
    this.#chunks = [];
  }

  #take(chunk: Buffer): PosternError | undefined {
    if (this.#isReleased) return undefined;
    if (this.#held + chunk.length > LIMITS.wholeBodyBytes) {
      const most = `its service wants bodies whole, of at most ${LIMITS.wholeBodyBytes} bytes`;
      return new PosternError('HTTP_BODY_TOO_LARGE', `Cannot serve the request: ${most}`);
    }
    if (!this.#budget.tryTake(chunk.length)) {
      const why = 'too many bodies are kept whole at the moment';
      return new PosternError('HTTP_TOO_MANY', `Cannot serve the request: ${why}`);
    }
    this.#held += chunk.length;
    this.#chunks.push(chunk);
    return undefined;
  }
}
