/**
 * Keeps idle connections to origins for the next request, per replica and ingress rule.
 *
 * Bounded in every direction: idle connections per pool (the ingress rule says), idle connections of all pools, and
 * pools, of which the least recently used goes. A pool whose target is dead is dropped when it is noticed. Does not send
 * requests: callers take or open a connection, dispatch on it, and it comes back by itself.
 */
import { systemClock, type Clock } from '../../../core/clock.ts';
import { Http2Connection } from './http2-connection.ts';
import { Http2Places, type PooledConnection } from './http2-places.ts';
import { OriginConnection } from './origin-connection.ts';
import type { OriginRequest, OriginStream, OriginTarget } from './origin-opener.ts';

export interface OriginPoolsOptions {
  /** Pools kept at once. Default 1_000. */
  readonly maxPools?: number;
  /** Idle connections of all pools together. Default 4_096: each is a stream at the gateway and a socket at an origin. */
  readonly maxIdle?: number;
  /** How long an origin may take to begin its answer, ms. Default 300_000; 0 for no limit. */
  readonly headersTimeoutMs?: number;
  /** For HTTP/2 connections. Default the system's. */
  readonly clock?: Clock;
}

const ORIGIN_POOLS_DEFAULTS = {
  maxPools: 1_000,
  maxIdle: 4_096,
  headersTimeoutMs: 300_000,
  clock: systemClock,
} as const satisfies Required<OriginPoolsOptions>;

/** What `status` shows. */
export interface OriginPoolsStats {
  readonly pools: number;
  readonly idle: number;
  readonly busy: number;
}

interface Pool {
  readonly key: string;
  /** The longest idle first. Of HTTP/1.1. */
  readonly idle: OriginConnection[];
  readonly all: Set<OriginConnection | Http2Connection>;
  /** Of HTTP/2; made with the first target that wants it. */
  http2: Http2Places | undefined;
  keepIdle: number;
  isDropped: boolean;
}

export class OriginPools {
  readonly #options: Required<OriginPoolsOptions>;
  /** The least recently used first. */
  readonly #pools = new Map<string, Pool>();
  #idle = 0;
  readonly #idleHttp2 = new Set<Http2Connection>();
  #connections = 0;

  constructor(options: OriginPoolsOptions = {}) {
    this.#options = { ...ORIGIN_POOLS_DEFAULTS, ...options };
  }

  get stats(): OriginPoolsStats {
    const idle = this.#idleCount;
    return { pools: this.#pools.size, idle, busy: this.#connections - idle };
  }

  get #idleCount(): number {
    return this.#idle + this.#idleHttp2.size;
  }

  /** The connection that became idle last, or a place on one that takes several requests; undefined without either. */
  take(target: OriginTarget): PooledConnection | undefined {
    const pool = this.#pools.get(target.poolKey);
    if (pool === undefined) return undefined;
    if (!target.isAlive()) {
      this.drop(target.poolKey);
      return undefined;
    }
    this.#touch(pool);
    for (;;) {
      const connection = pool.idle.pop();
      if (connection === undefined) return pool.http2?.take();
      this.#idle -= 1;
      if (!connection.isGone) return connection;
    }
  }

  /** A fresh connection, or a place on one. Rejects as OriginTarget.open() does, and with ORIGIN_PROTOCOL and ORIGIN_TIMEOUT. */
  async open(target: OriginTarget, request: OriginRequest): Promise<PooledConnection> {
    if (target.http2 !== true || request.needsHttp1 === true) {
      return this.#openHttp1(target, await target.open(request));
    }
    const pool = this.#poolOf(target);
    if (target.keepAliveConnections === 0) {
      // It is this request's alone: the origin may have been told whose it is.
      const connection = await this.#openEither(pool, target, request);
      return connection instanceof Http2Connection ? connection.reserve() : connection;
    }
    pool.http2 ??= new Http2Places(async (first) => this.#openEither(pool, target, first));
    try {
      return await pool.http2.get(request);
    } catch (error) {
      this.#tidy(pool);
      throw error;
    }
  }

  async #openEither(
    pool: Pool,
    target: OriginTarget,
    request: OriginRequest,
  ): Promise<OriginConnection | Http2Connection> {
    const stream = await target.open(request);
    const { alpnProtocol } = stream;
    if (alpnProtocol !== 'h2' && alpnProtocol !== 'h2c') return this.#openHttp1(target, stream);
    return this.#openHttp2(pool, target, stream);
  }

  async #openHttp2(
    pool: Pool,
    target: OriginTarget,
    stream: OriginStream,
  ): Promise<Http2Connection> {
    const { clock, headersTimeoutMs } = this.#options;
    const connection = await Http2Connection.open(stream, {
      scheme: stream.alpnProtocol === 'h2' ? 'https' : 'http',
      clock,
      headersTimeoutMs,
      idleMs: target.keepAliveTimeoutMs,
      onBusy: (busy) => this.#idleHttp2.delete(busy),
      onRoom: (free) => {
        pool.http2?.serve();
        if (free.isIdle) this.#keepHttp2(pool, target, free);
      },
      onGone: (gone) => {
        this.#idleHttp2.delete(gone);
        pool.http2?.remove(gone);
        this.#forget(pool, gone);
      },
    });
    pool.all.add(connection);
    this.#connections += 1;
    this.#idleHttp2.add(connection);
    return connection;
  }

  #keepHttp2(pool: Pool, target: OriginTarget, connection: Http2Connection): void {
    const hasRoom = this.#idleCount < this.#options.maxIdle && pool.keepIdle > 0;
    if (pool.isDropped || !hasRoom || !target.isAlive()) connection.retire();
    else this.#idleHttp2.add(connection);
  }

  #openHttp1(target: OriginTarget, stream: OriginStream): OriginConnection {
    const pool = this.#poolOf(target);
    const connection = new OriginConnection(stream, {
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
    pool.http2?.retire();
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
      http2: undefined,
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
    const hasRoom = pool.idle.length < pool.keepIdle && this.#idleCount < this.#options.maxIdle;
    if (pool.isDropped || !hasRoom || connection.isGone) {
      connection.destroy();
      return;
    }
    pool.idle.push(connection);
    this.#idle += 1;
  }

  #forget(pool: Pool, connection: OriginConnection | Http2Connection): void {
    if (!pool.all.delete(connection)) return;
    this.#connections -= 1;
    const index = connection instanceof OriginConnection ? pool.idle.indexOf(connection) : -1;
    if (index !== -1) {
      pool.idle.splice(index, 1);
      this.#idle -= 1;
    }
    this.#tidy(pool);
  }

  #tidy(pool: Pool): void {
    const isUsed = pool.all.size > 0 || pool.http2?.isUnused === false;
    if (!isUsed && this.#pools.get(pool.key) === pool) this.#pools.delete(pool.key);
  }
}
