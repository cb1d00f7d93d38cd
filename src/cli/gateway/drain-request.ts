/** `gateway drain` on its way from the admin socket to whoever runs the gateway, and its result on the way back. */
import { Deferred } from '../deferred.ts';

export class DrainRequest {
  readonly #asked = new Deferred<string>();
  readonly #cut = new Deferred<number>();

  /** Resolves with the reason when somebody asks. */
  get asked(): Promise<string> {
    return this.#asked.promise;
  }

  /** Asks; resolves with how much was cut when the drain is over. */
  async ask(): Promise<number> {
    this.#asked.resolve('gateway drain');
    return this.#cut.promise;
  }

  /** Tells whoever asked. */
  done(cut: number): void {
    this.#cut.resolve(cut);
  }
}
