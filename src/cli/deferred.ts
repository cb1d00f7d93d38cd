/** A promise whose value comes from elsewhere. Settles once; later values are ignored. */
export class Deferred<T> {
  #resolve: (value: T) => void = () => undefined;
  readonly promise = new Promise<T>((resolve) => (this.#resolve = resolve));

  resolve(value: T): void {
    this.#resolve(value);
  }
}
