/**
 * A bound on bytes that many streams share: unacknowledged bytes of a link or process, or granted windows of a process.
 *
 * The budget only counts. Who finds it used up waits with `onRoom`, and is told once when a tenth is free again, so that
 * a thousand waiters do not fight over every single byte.
 */
export class ByteBudget {
  readonly limitBytes: number;
  #usedBytes = 0;
  #waiters = new Set<() => void>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get hasRoom(): boolean {
    return this.#usedBytes < this.limitBytes;
  }

  /** Counts `bytes` in, also above the limit: the caller asked `hasRoom` before. */
  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /** Counts `bytes` in when they fit; false when they do not. */
  tryTake(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Counts `bytes` out and wakes the waiters when there is room again. */
  give(bytes: number): void {
    this.#usedBytes -= bytes;
    if (this.#waiters.size === 0 || this.#usedBytes > this.limitBytes * 0.9) return;
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const wake of waiters) wake();
  }

  /** Calls `wake` once when there is room again. Adding the same function twice is one call. */
  onRoom(wake: () => void): void {
    this.#waiters.add(wake);
  }

  /** Takes back an onRoom(). */
  forget(wake: () => void): void {
    this.#waiters.delete(wake);
  }
}
