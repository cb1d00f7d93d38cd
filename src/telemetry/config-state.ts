/**
 * What became of a configuration file that is read again while the process runs: for `status`, `/ready` and metrics.
 * docs/operations.md "Changed files".
 *
 * Only remembers; who watches the file says what happened. Messages are cleaned: they go to terminals and dashboards.
 */
import type { Registry } from 'prom-client';
import { codeOf, messageOf } from '../core/error.ts';
import { cleanText } from './log-text.ts';
import { outcomeOf } from './outcome.ts';
import { addCounter, addGauge } from './scraped-metric.ts';
import { Tally } from './tally.ts';

/** Longest message that is kept, characters. */
const MAX_MESSAGE_CHARS = 2_000;

/** Times are ISO 8601. */
export interface ConfigStatus {
  /** When what is in force was read. Absent: it is what the process started with. */
  readonly since?: string;
  /** Why what is in the files now is not in force; absent where it is. */
  readonly refused?: { readonly at: string; readonly code: string; readonly message: string };
  /** Keys of the file whose change waits for a hand-over. */
  readonly waiting: readonly string[];
}

export class ConfigState {
  readonly #outcomes = new Tally('outcome');
  #status: ConfigStatus = { waiting: [] };

  get status(): ConfigStatus {
    return this.#status;
  }

  /** The files were read again, and what can change is in force. `at`: wall-clock time, ms. */
  taken(at: number, waiting: readonly string[]): void {
    this.#outcomes.add(outcomeOf(undefined));
    this.#status = { since: new Date(at).toISOString(), waiting };
  }

  /** The files were read again, and a new process is to take over with them: nothing changes in this one. */
  waits(waiting: readonly string[]): void {
    this.#status = { ...this.#status, waiting };
  }

  /** The files were read again, and nothing changes. */
  refused(at: number, error: unknown): void {
    this.#outcomes.add(outcomeOf(error));
    const message = cleanText(messageOf(error)).slice(0, MAX_MESSAGE_CHARS);
    const refused = { at: new Date(at).toISOString(), code: codeOf(error) ?? 'other', message };
    this.#status = { ...this.#status, refused };
  }

  /** Shows it. `prefix`: such as `postern_gateway`. */
  addMetrics(registry: Registry, prefix: string): void {
    addCounter(registry, {
      name: `${prefix}_config_reloads_total`,
      help: 'Times that changed files were read while the process ran.',
      labelNames: ['outcome'],
      read: () => this.#outcomes.samples(),
    });
    addGauge(registry, {
      name: `${prefix}_config_refused`,
      help: '1 while what is in the files is refused and the old configuration stays in force.',
      read: () => [[{}, Number(this.#status.refused !== undefined)]],
    });
    addGauge(registry, {
      name: `${prefix}_config_waiting`,
      help: 'Keys of the file whose change waits for a hand-over.',
      read: () => [[{}, this.#status.waiting.length]],
    });
  }
}
