/**
 * SIGTERM and SIGINT as something to wait for: the first asks for a drain, the second for an end at once.
 *
 * Takes both signals over as soon as it is made, so that none is lost while a program starts. After the second one the
 * process ends in any case, whatever still holds it.
 */
import { EventEmitter, once } from 'node:events';
import { EXIT } from './exit-code.ts';

/** npm passes Ctrl-C on to a program that the terminal has told already: one key press is one request, ms. */
const SAME_KEY_MS = 100;
/** How long the end may take after the second signal, ms. */
const END_MS = 2_000;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

type StopSignal = (typeof SIGNALS)[number];

export class StopSignals {
  readonly #events = new EventEmitter();
  /** Resolves with the name of the first signal. */
  readonly first = this.#next('first');
  /** Resolves with the name of the second one. */
  readonly second = this.#next('second');
  #firstAt: number | undefined;
  readonly #onStuck: () => void;
  readonly #listener = (signal: StopSignal): void => this.#received(signal);

  /** `onStuck` is called when the process is still there END_MS after the second signal. Default: ends it. */
  constructor(onStuck: () => void = () => process.exit(EXIT.failed)) {
    this.#onStuck = onStuck;
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  /** Gives both signals their usual effect again. Safe to call twice. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }

  #received(signal: StopSignal): void {
    const now = performance.now();
    if (this.#firstAt === undefined) {
      this.#firstAt = now;
      this.#events.emit('first', signal);
    } else if (signal !== 'SIGINT' || now - this.#firstAt > SAME_KEY_MS) {
      setTimeout(this.#onStuck, END_MS).unref();
      this.#events.emit('second', signal);
    }
  }

  async #next(event: string): Promise<string> {
    const [signal]: unknown[] = await once(this.#events, event);
    return String(signal);
  }
}
