/**
 * A bound on bytes that many streams share: unacknowledged bytes of a link or process, or granted windows of a process.
 *
 * The budget only counts. What keeps a few streams from using it up is a rule that its users follow: hold no more than a
 * share of what is free. Then something is always free, and a stream that holds little can go on.
 */
export class ByteBudget {
  readonly limitBytes: number;
  readonly #whole: ByteBudget | undefined;
  #usedBytes = 0;

  /** A part of `whole`, where there is one: what is counted here is counted there too. */
  constructor(limitBytes: number, whole?: ByteBudget) {
    this.limitBytes = limitBytes;
    this.#whole = whole;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Negative when more was taken than there was. */
  get freeBytes(): number {
    return this.limitBytes - this.#usedBytes;
  }

  /** Counts `bytes` in, also above the limit: the caller looked at `freeBytes` before. */
  take(bytes: number): void {
    this.#whole?.take(bytes);
    this.#usedBytes += bytes;
  }

  /** Counts `bytes` in when they fit; false when they do not. */
  tryTake(bytes: number): boolean {
    if (bytes > this.freeBytes || this.#whole?.tryTake(bytes) === false) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Counts `bytes` out. */
  give(bytes: number): void {
    this.#whole?.give(bytes);
    this.#usedBytes -= bytes;
  }
}
