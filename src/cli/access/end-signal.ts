/**
 * The signals that end a client: of its terminal, of whoever supervises it, and SIGHUP, which ssh sends its ProxyCommand when
 * it is done. Taken over so that streams are ended in order: the other side would keep them for a client that may come back.
 */
const SIGNALS = ['SIGHUP', 'SIGTERM', 'SIGINT'] as const;

export class EndSignal {
  /** Resolves when one has arrived. */
  readonly arrived: Promise<void>;
  #listener: () => void = () => undefined;

  constructor() {
    this.arrived = new Promise((resolve) => {
      this.#listener = resolve;
      for (const signal of SIGNALS) process.on(signal, this.#listener);
    });
  }

  /** Gives the signals their usual effect again: the next one ends the process at once. Safe to call twice. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
