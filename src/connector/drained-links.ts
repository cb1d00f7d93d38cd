/**
 * Links whose gateway asked us to leave, held for the streams on them and for those that its users still open.
 *
 * A gateway that is replaced several times in a row drains in several processes at once, each with links of its own. They
 * close the links when they are done; what they do not close is bounded here: the oldest go.
 */
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { KeptLink } from '../transport/dial/link-keeper.ts';

export class DrainedLinks {
  /** By the gateway's process, the longest draining first. */
  readonly #gateways = new Map<string, Set<KeptLink>>();

  /** How many are held. */
  get size(): number {
    return [...this].length;
  }

  *[Symbol.iterator](): Generator<KeptLink> {
    for (const links of this.#gateways.values()) yield* links;
  }

  has(kept: KeptLink): boolean {
    return [...this.#gateways.values()].some((links) => links.has(kept));
  }

  /** Holds a link to this process of a gateway, and ends those that are too many. */
  add(process: string, kept: KeptLink): void {
    if (kept.link.isClosed) return;
    const links = this.#gateways.get(process) ?? new Set();
    this.#gateways.set(process, links.add(kept));
    if (links.size > LIMITS.linksPerReplica) {
      const [oldest] = links;
      if (oldest !== undefined) this.#end([oldest]);
    }
    if (this.#gateways.size > LIMITS.drainingGateways) {
      const [oldest = []] = this.#gateways.values();
      this.#end([...oldest]);
    }
  }

  /** The link closed. Safe to call for one that is not held. */
  delete(kept: KeptLink): void {
    for (const [process, links] of this.#gateways) {
      if (links.delete(kept) && links.size === 0) this.#gateways.delete(process);
    }
  }

  #end(links: readonly KeptLink[]): void {
    for (const kept of links) {
      this.delete(kept);
      const error = new PosternError('LINK_CLOSED', 'Cannot keep more links that drain');
      kept.link.terminate(error);
    }
  }
}
