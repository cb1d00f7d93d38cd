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

/** Whoever stops a whole group of processes tells a child itself, and its parent tells it too: one request, ms. */
const SAME_REQUEST_MS = 1_000;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

type StopSignal = (typeof SIGNALS)[number];

/** Who else asks a process to stop. */
interface StopSignalsOptions {
  /**
   * Whether a parent asks, with drain() and stop(). Then SIGINT means nothing: Ctrl-C reaches the parent, which knows what it is to
   * mean. Default false.
   */
  readonly hasParent?: boolean;
}

export class StopSignals {
  readonly #events = new EventEmitter();
  /** Resolves with the name of the first signal. */
  readonly first = this.#next('first');
  /** Resolves with the name of the second one. */
  readonly second = this.#next('second');
  #firstAt: number | undefined;
  /** When a parent asked for a drain. */
  #toldAt: number | undefined;
  /** As in the options; changes where the parent lets go. */
  hasParent: boolean;
  readonly #onStuck: () => void;
  readonly #listener = (signal: StopSignal): void => this.#received(signal);

  /** `onStuck` is called when the process is still there END_MS after the second signal. Default: ends it. */
  constructor(
    onStuck: () => void = () => process.exit(EXIT.failed),
    { hasParent = false }: StopSignalsOptions = {},
  ) {
    this.#onStuck = onStuck;
    this.hasParent = hasParent;
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  /** Gives both signals their usual effect again. Safe to call twice. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }

  /** Asks for a drain, as the first signal does; nothing where that was asked for already. */
  drain(reason: string): void {
    this.#toldAt = performance.now();
    if (this.#firstAt === undefined) this.#first(reason);
  }

  /** Asks for the end at once, as the second signal does. */
  stop(reason: string): void {
    if (this.#firstAt === undefined) this.#first(reason);
    this.#second(reason);
  }

  #received(signal: StopSignal): void {
    const now = performance.now();
    if (this.hasParent && signal === 'SIGINT') return;
    if (this.#firstAt === undefined) {
      this.#first(signal);
      return;
    }
    if (signal === 'SIGINT' && now - this.#firstAt <= SAME_KEY_MS) return;
    const isSameRequest = this.#toldAt !== undefined && now - this.#toldAt <= SAME_REQUEST_MS;
    if (!isSameRequest) this.#second(signal);
  }

  #first(reason: string): void {
    this.#firstAt = performance.now();
    this.#events.emit('first', reason);
  }

  #second(reason: string): void {
    setTimeout(this.#onStuck, END_MS).unref();
    this.#events.emit('second', reason);
  }

  async #next(event: string): Promise<string> {
    const [signal]: unknown[] = await once(this.#events, event);
    return String(signal);
  }
}
