/**
 * A bound on bytes that many streams share: unacknowledged bytes of a link or process, or granted windows of a process.
 *
 * The budget only counts. What keeps a few streams from using it up is a rule that its users follow: hold no more than a
 * share of what is free. Then something is always free, and a stream that holds little can go on.
 */
export class ByteBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
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
    this.#usedBytes += bytes;
  }

  /** Counts `bytes` in when they fit; false when they do not. */
  tryTake(bytes: number): boolean {
    if (bytes > this.freeBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Counts `bytes` out. */
  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
