/**
 * Follows what other processes do to tunnels and routes: the worker that took over, or the command line. design.md §6
 * "Revocation is live".
 *
 * What was done in this process has been acted on at once, and is nothing new here. What cannot be read is looked at again
 * with the next tick.
 */
import type { ChangeListener } from '../../access/change-watch.ts';
import type { Change, Store, Tunnel } from '../../store/store.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';

export interface TunnelChangesOptions {
  readonly store: Pick<Store, 'tunnels'>;
  readonly log: Log;
  /** The tunnels that are connected here. */
  connected(): readonly Pick<Tunnel, 'id' | 'name'>[];
  /** Reads the routes again. */
  loadRoutes(): Promise<void>;
  /** A tunnel was deleted. */
  onDeleted(tunnel: Pick<Tunnel, 'id' | 'name'>): void;
  /** A tunnel may have another token now: whoever came with an older one goes. */
  onRotated(tunnel: Tunnel): void;
}

export class TunnelChanges implements ChangeListener {
  readonly #options: TunnelChangesOptions;
  readonly #tunnels = new Set<string>();
  #haveRoutesChanged = false;
  #looking: Promise<void> | undefined;
  #isFailing = false;

  constructor(options: TunnelChangesOptions) {
    this.#options = options;
  }

  onChange({ kind, item }: Change): void {
    if (kind === 'tunnel') this.#tunnels.add(item);
    if (kind === 'route' || kind === 'tunnel') this.#haveRoutesChanged = true;
  }

  onMissed(): void {
    this.#haveRoutesChanged = true;
    for (const { id } of this.#options.connected()) this.#tunnels.add(id);
  }

  /** Many changes are one look. */
  onTick(): void {
    if (this.#looking !== undefined || (!this.#haveRoutesChanged && this.#tunnels.size === 0)) {
      return;
    }
    this.#looking = this.#look().finally(() => (this.#looking = undefined));
  }

  async #look(): Promise<void> {
    try {
      if (this.#haveRoutesChanged) {
        this.#haveRoutesChanged = false;
        await this.#options.loadRoutes().catch((error: unknown) => {
          this.#haveRoutesChanged = true;
          throw error;
        });
      }
      for (const id of this.#tunnels) {
        // oxlint-disable-next-line no-await-in-loop
        await this.#recheck(id);
        this.#tunnels.delete(id);
      }
      this.#isFailing = false;
    } catch (err) {
      // Once, or a database that is away fills the log.
      if (!this.#isFailing) {
        this.#options.log.warn({ [FIELD.err]: err }, 'changed tunnels cannot be read');
      }
      this.#isFailing = true;
    }
  }

  async #recheck(id: string): Promise<void> {
    const tunnel = await this.#options.store.tunnels.find(id);
    if (tunnel !== undefined) {
      this.#options.onRotated(tunnel);
      return;
    }
    const known = this.#options.connected().find((one) => one.id === id);
    if (known !== undefined) this.#options.onDeleted(known);
  }
}
