/**
 * Which tunnel serves a public hostname, in memory: a copy of the store's routes that is replaced as a whole.
 *
 * An exact route wins over a wildcard, a longer wildcard over a shorter one. Looking up never waits.
 */
import type { Route } from '../../store/store.ts';

export class RouteTable {
  #exact = new Map<string, Route>();
  /** By suffix with its dot: `.example.com`. */
  #wildcards = new Map<string, Route>();

  /** Replaces all routes at once. */
  load(routes: readonly Route[]): void {
    const exact = new Map<string, Route>();
    const wildcards = new Map<string, Route>();
    for (const route of routes) {
      if (route.hostname.startsWith('*.')) wildcards.set(route.hostname.slice(1), route);
      else exact.set(route.hostname, route);
    }
    this.#exact = exact;
    this.#wildcards = wildcards;
  }

  /** The route for a hostname in normal form, or for a wildcard as an ingress rule writes it. */
  find(hostname: string): Route | undefined {
    const isWildcard = hostname.startsWith('*.');
    const exact = isWildcard ? this.#wildcards.get(hostname.slice(1)) : this.#exact.get(hostname);
    if (exact !== undefined) return exact;
    // Each dot starts a shorter suffix; the first one found is the longest.
    for (let dot = hostname.indexOf('.', 1); dot !== -1; dot = hostname.indexOf('.', dot + 1)) {
      const route = this.#wildcards.get(hostname.slice(dot));
      if (route !== undefined) return route;
    }
    return undefined;
  }
}
