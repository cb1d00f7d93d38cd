/**
 * SIGTERM and SIGINT as something to wait for: the first asks for a drain, the second for an end at once.
 *
 * Takes both signals over as soon as it is made, so that none is lost while a program starts.
 */

/** npm passes Ctrl-C on to a program that the terminal has told already: one key press is one request, ms. */
const SAME_KEY_MS = 100;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export class StopSignals {
  /** Resolves with the first signal. */
  readonly first: Promise<NodeJS.Signals>;
  /** Resolves with the second one. */
  readonly second: Promise<NodeJS.Signals>;
  readonly #listener: (signal: NodeJS.Signals) => void;

  constructor() {
    let onFirst: (signal: NodeJS.Signals) => void = () => undefined;
    let onSecond: (signal: NodeJS.Signals) => void = () => undefined;
    this.first = new Promise((resolve) => (onFirst = resolve));
    this.second = new Promise((resolve) => (onSecond = resolve));
    let firstAt: number | undefined;
    this.#listener = (signal) => {
      if (firstAt === undefined) {
        firstAt = performance.now();
        onFirst(signal);
      } else if (signal !== 'SIGINT' || performance.now() - firstAt > SAME_KEY_MS) {
        onSecond(signal);
      }
    };
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  /** Gives both signals their usual effect again. Safe to call twice. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
