/**
 * Looks every quarter of a second at what other processes have changed in the store, and tells who keeps copies in memory.
 *
 * So a session that the CLI or another worker revokes ends here within a second. A look that fails is repeated with the
 * next tick: meanwhile nothing that is known is forgotten.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { LIMITS } from '../core/limits.ts';
import type { Change, ChangeStore } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';

/** Keeps copies of what the store has. */
export interface ChangeListener {
  /** One thing changed. */
  onChange(change: Change): Promise<void> | void;
  /** Some changes cannot be named any more: everything may have changed. */
  onMissed(): Promise<void> | void;
  /** Time has passed. Called after the changes, four times a second. */
  onTick?(): void;
}

export class ChangeWatch {
  readonly #changes: ChangeStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners: ChangeListener[] = [];
  #seq = 0;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #isFailing = false;

  constructor(options: {
    readonly changes: ChangeStore;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#changes = options.changes;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Listeners are told in the order in which they were added. */
  add(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** Begins with what changes from now on. Throws STORE_*. */
  async start(): Promise<void> {
    this.#seq = await this.#changes.latest();
    this.#schedule();
  }

  /** Resolves when nothing is under way. Safe to call twice. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#looking;
  }

  #schedule(): void {
    this.#timer = this.#clock.after(LIMITS.changePollMs, () => {
      this.#looking = this.#look().finally(() => {
        if (this.#timer !== undefined) this.#schedule();
      });
    });
  }

  async #look(): Promise<void> {
    try {
      const { latest, changes } = await this.#changes.since(this.#seq);
      for (const listener of this.#listeners) {
        // One after the other: who decides with sessions is told after who keeps them.
        // oxlint-disable-next-line no-await-in-loop
        await tell(listener, changes);
      }
      this.#seq = latest;
      this.#isFailing = false;
    } catch (err) {
      // Once, or a database that is away fills the log.
      if (!this.#isFailing) this.#log.warn({ err }, 'changes of other processes cannot be read');
      this.#isFailing = true;
    }
    for (const listener of this.#listeners) listener.onTick?.();
  }
}

async function tell(
  listener: ChangeListener,
  changes: readonly Change[] | 'missed',
): Promise<void> {
  if (changes === 'missed') {
    await listener.onMissed();
    return;
  }
  // oxlint-disable-next-line no-await-in-loop
  for (const change of changes) await listener.onChange(change);
}
