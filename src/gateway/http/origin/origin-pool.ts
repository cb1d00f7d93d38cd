/**
 * Keeps idle connections to origins for the next request, per replica and ingress rule.
 *
 * Bounded in every direction: idle connections per pool (the ingress rule says), idle connections of all pools, and
 * pools, of which the least recently used goes. A pool whose target is dead is dropped when it is noticed. Does not send
 * requests: callers take or open a connection, dispatch on it, and it comes back by itself.
 */
import { OriginConnection } from './origin-connection.ts';
import type { OriginRequest, OriginTarget } from './origin-opener.ts';

export interface OriginPoolsOptions {
  /** Pools kept at once. Default 1_000. */
  readonly maxPools?: number;
  /** Idle connections of all pools together. Default 4_096: each is a stream at the gateway and a socket at an origin. */
  readonly maxIdle?: number;
  /** How long an origin may take to begin its answer, ms. Default 300_000; 0 for no limit. */
  readonly headersTimeoutMs?: number;
}

const ORIGIN_POOLS_DEFAULTS = {
  maxPools: 1_000,
  maxIdle: 4_096,
  headersTimeoutMs: 300_000,
} as const satisfies Required<OriginPoolsOptions>;

/** What `status` shows. */
export interface OriginPoolsStats {
  readonly pools: number;
  readonly idle: number;
  readonly busy: number;
}

interface Pool {
  readonly key: string;
  /** The longest idle first. */
  readonly idle: OriginConnection[];
  readonly all: Set<OriginConnection>;
  keepIdle: number;
  isDropped: boolean;
}

export class OriginPools {
  readonly #options: Required<OriginPoolsOptions>;
  /** The least recently used first. */
  readonly #pools = new Map<string, Pool>();
  #idle = 0;
  #connections = 0;

  constructor(options: OriginPoolsOptions = {}) {
    this.#options = { ...ORIGIN_POOLS_DEFAULTS, ...options };
  }

  get stats(): OriginPoolsStats {
    return { pools: this.#pools.size, idle: this.#idle, busy: this.#connections - this.#idle };
  }

  /** The connection that became idle last, or undefined. */
  take(target: OriginTarget): OriginConnection | undefined {
    const pool = this.#pools.get(target.poolKey);
    if (pool === undefined) return undefined;
    if (!target.isAlive()) {
      this.drop(target.poolKey);
      return undefined;
    }
    this.#touch(pool);
    for (;;) {
      const connection = pool.idle.pop();
      if (connection === undefined) return undefined;
      this.#idle -= 1;
      if (!connection.isGone) return connection;
    }
  }

  /** A fresh connection. Rejects as OriginTarget.open() does. */
  async open(target: OriginTarget, request: OriginRequest): Promise<OriginConnection> {
    const duplex = await target.open(request);
    const pool = this.#poolOf(target);
    const connection = new OriginConnection(duplex, {
      idleMs: target.keepAliveTimeoutMs,
      headersTimeoutMs: this.#options.headersTimeoutMs,
      // Its replica may have begun to drain since, which waits for connections that nobody would use again.
      onIdle: () => (target.isAlive() ? this.#keep(pool, connection) : connection.destroy()),
      onGone: () => this.#forget(pool, connection),
    });
    pool.all.add(connection);
    this.#connections += 1;
    return connection;
  }

  /** Closes the idle connections of a pool; those in use close after their request. */
  drop(poolKey: string): void {
    const pool = this.#pools.get(poolKey);
    if (pool === undefined) return;
    this.#pools.delete(poolKey);
    pool.isDropped = true;
    this.#idle -= pool.idle.length;
    for (const connection of pool.idle.splice(0)) connection.destroy();
  }

  /** Drops every pool. */
  close(): void {
    for (const key of this.#pools.keys()) this.drop(key);
  }

  #poolOf(target: OriginTarget): Pool {
    const known = this.#pools.get(target.poolKey);
    if (known !== undefined) {
      known.keepIdle = target.keepAliveConnections;
      this.#touch(known);
      return known;
    }
    const oldest = this.#pools.keys().next();
    if (this.#pools.size >= this.#options.maxPools && oldest.done !== true) this.drop(oldest.value);
    const pool: Pool = {
      key: target.poolKey,
      idle: [],
      all: new Set(),
      keepIdle: target.keepAliveConnections,
      isDropped: false,
    };
    this.#pools.set(pool.key, pool);
    return pool;
  }

  #touch(pool: Pool): void {
    if (this.#pools.size === 1) return;
    this.#pools.delete(pool.key);
    this.#pools.set(pool.key, pool);
  }

  #keep(pool: Pool, connection: OriginConnection): void {
    const hasRoom = pool.idle.length < pool.keepIdle && this.#idle < this.#options.maxIdle;
    if (pool.isDropped || !hasRoom || connection.isGone) {
      connection.destroy();
      return;
    }
    pool.idle.push(connection);
    this.#idle += 1;
  }

  #forget(pool: Pool, connection: OriginConnection): void {
    if (!pool.all.delete(connection)) return;
    this.#connections -= 1;
    const index = pool.idle.indexOf(connection);
    if (index !== -1) {
      pool.idle.splice(index, 1);
      this.#idle -= 1;
    }
    if (pool.all.size === 0 && this.#pools.get(pool.key) === pool) this.#pools.delete(pool.key);
  }
}
