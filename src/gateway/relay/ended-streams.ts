/**
 * Tells connectors which streams of clients must end although nobody is attached to them. docs/protocol.md §4 `end`, §11.
 *
 * By key where this process knows the stream, and by grant where it may not: a stream that is detached may have been opened
 * through a process that is gone. A connector that is away is told when it is back.
 */
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import type { ConnectedReplica } from '../links/connected-replica.ts';
import type { TunnelRegistry } from '../links/tunnel-registry.ts';

/** The least time between two messages to a connector, ms: it takes only so many control frames a second. */
const PAUSE_MS = 20;

/** What a connector has yet to be told. */
interface Owed {
  keys: string[];
  grants: string[];
  isDue: boolean;
  lastAt: number;
}

export class EndedStreams {
  readonly #clock: Clock;
  readonly #registry: Pick<TunnelRegistry, 'replicas' | 'replicasOf'>;
  /** By the id of the replica, those that were told last at the end. */
  readonly #owed = new Map<string, Owed>();
  /** The last that ended, for connectors that were away. */
  #grants: string[] = [];

  constructor(clock: Clock, registry: Pick<TunnelRegistry, 'replicas' | 'replicasOf'>) {
    this.#clock = clock;
    this.#registry = registry;
  }

  /** One stream, by its key. */
  endStream({ id, tunnel }: Pick<ConnectedReplica, 'id' | 'tunnel'>, key: string): void {
    const owed = this.#owedTo(id);
    owed.keys.push(key);
    if (owed.keys.length > LIMITS.endedKeysOwed) owed.keys.shift();
    this.#tellSoon(tunnel.id, id, owed);
  }

  /** Whatever was opened by one session or token, wherever. */
  endGrant(grant: string): void {
    this.#grants = [...this.#grants, grant].slice(-LIMITS.endedKeys);
    for (const { id, tunnel } of this.#registry.replicas()) {
      const owed = this.#owedTo(id);
      owed.grants.push(grant);
      this.#tellSoon(tunnel.id, id, owed);
    }
  }

  /** A connector is here, perhaps again. */
  onJoin({ id, tunnel }: Pick<ConnectedReplica, 'id' | 'tunnel'>): void {
    const owed = this.#owed.get(id);
    if (owed === undefined && this.#grants.length === 0) return;
    const known = owed ?? this.#owedTo(id);
    known.grants = [...this.#grants];
    this.#tellSoon(tunnel.id, id, known);
  }

  #owedTo(id: string): Owed {
    const known = this.#owed.get(id) ?? { keys: [], grants: [], isDue: false, lastAt: -PAUSE_MS };
    this.#owed.delete(id);
    this.#owed.set(id, known);
    const [oldest] = this.#owed.keys();
    if (this.#owed.size > LIMITS.relayOwners && oldest !== undefined) this.#owed.delete(oldest);
    return known;
  }

  #tellSoon(tunnelId: string, id: string, owed: Owed): void {
    if (owed.isDue) return;
    owed.isDue = true;
    const tell = (): void => {
      owed.isDue = false;
      this.#tell(tunnelId, id, owed);
    };
    // Whoever ends one often ends many.
    const pauseMs = owed.lastAt + PAUSE_MS - this.#clock.now();
    if (pauseMs <= 0) queueMicrotask(tell);
    else this.#clock.after(pauseMs, tell);
  }

  #tell(tunnelId: string, id: string, owed: Owed): void {
    const replica = this.#registry.replicasOf(tunnelId).find((one) => one.id === id);
    const link = replica?.links.find((one) => !one.link.isClosed)?.link;
    if (link === undefined) return;
    const { keys, grants } = owed;
    this.#owed.set(id, { keys: [], grants: [], isDue: false, lastAt: this.#clock.now() });
    for (let at = 0; at < Math.max(keys.length, grants.length); at += LIMITS.endedKeys) {
      const [someKeys, someGrants] = [keys, grants].map((all) =>
        all.slice(at, at + LIMITS.endedKeys),
      );
      link.sendControl({
        type: 'end',
        keys: someKeys ?? [],
        ...(someGrants !== undefined && someGrants.length > 0 && { grants: someGrants }),
      });
    }
  }
}
