/**
 * Who waits until the peer has read what was sent so far, by the number that each one's PING carries. See docs/protocol.md §8.
 *
 * The first four of the eight bytes are the number. It is never zero: those are the PINGs of `liveness.ts`.
 */
export class RoundTrips {
  readonly #waiting = new Map<number, () => void>();
  #number = 0;

  /** The bytes for a PING, and what resolves when its PONG has come, or the link has ended. */
  begin(): { readonly opaque: Buffer; readonly answered: Promise<void> } {
    this.#number += 1;
    const number = this.#number;
    const opaque = Buffer.alloc(8);
    opaque.writeUInt32BE(number, 0);
    const answered = new Promise<void>((resolve) => {
      this.#waiting.set(number, resolve);
    });
    return { opaque, answered };
  }

  /** A PONG has come. False: it is none of these. */
  onPong(opaque: Buffer): boolean {
    const number = opaque.readUInt32BE(0);
    if (number === 0) return false;
    this.#waiting.get(number)?.();
    this.#waiting.delete(number);
    return true;
  }

  /** Nothing comes any more: nobody waits. */
  end(): void {
    for (const resolve of this.#waiting.values()) resolve();
    this.#waiting.clear();
  }
}
