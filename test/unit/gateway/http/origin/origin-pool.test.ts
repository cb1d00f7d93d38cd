import { Duplex } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { PooledConnection } from '../../../../../src/gateway/http/origin/http2-places.ts';
import type { OriginTarget } from '../../../../../src/gateway/http/origin/origin-opener.ts';
import { OriginPools } from '../../../../../src/gateway/http/origin/origin-pool.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { eventually } from '../../../../support/eventually.ts';
import {
  RawClient,
  codeIn,
  dial,
  exchangeBytes,
  onHeads,
  rawOrigin,
  startGateway,
  targetAt,
} from '../http-fixture.ts';

const REQUEST = { requestId: 'r', client: { address: '127.0.0.1', port: 1 } };

/** An origin that answers 204 to everything, and how many connections it has. */
async function emptyOrigin(): Promise<{ port: number; open: () => number }> {
  let open = 0;
  const port = await rawOrigin((socket) => {
    open += 1;
    socket.on('close', () => (open -= 1));
    onHeads(socket, () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
  });
  return { port, open: () => open };
}

/** Sends one request on a connection. */
async function use(connection: PooledConnection): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0;
    connection.dispatch(
      { path: '/', method: 'GET', headers: ['Host', 'a'] },
      {
        onConnect: () => undefined,
        onHeaders(code) {
          status = code;
          return true;
        },
        onData: () => true,
        onComplete: () => resolve(status),
        onError: reject,
      },
    );
  });
}

function newPools(options = {}): OriginPools {
  const pools = new OriginPools(options);
  cleanup(() => pools.close());
  return pools;
}

async function openAndUse(pools: OriginPools, target: OriginTarget): Promise<PooledConnection> {
  const connection = await pools.open(target, REQUEST);
  await use(connection);
  return connection;
}

describe('OriginPools', () => {
  it('says of each connection whether a request is under way on it', async () => {
    const pools = newPools();
    const { port } = await emptyOrigin();
    const told: number[] = [];
    const target = targetAt(port, {
      open: async () =>
        Object.assign(await dial(port), { carries: (n: number) => void told.push(n) }),
    });
    await openAndUse(pools, target);
    await eventually(() => pools.stats.idle === 1);
    const again = pools.take(target);
    if (again !== undefined) await use(again);
    await eventually(() => pools.stats.idle === 1);
    expect(told).toEqual([1, 0, 1, 0]);
  });

  it('hands out what became idle last', async () => {
    const pools = newPools();
    const target = targetAt((await emptyOrigin()).port);
    const first = await pools.open(target, REQUEST);
    const second = await pools.open(target, REQUEST);
    expect(pools.stats).toEqual({ pools: 1, idle: 0, busy: 2 });
    await use(first);
    await eventually(() => pools.stats.idle === 1);
    await use(second);
    await eventually(() => pools.stats.idle === 2);
    expect(pools.take(target)).toBe(second);
    expect(pools.take(target)).toBe(first);
    expect(pools.take(target)).toBeUndefined();
  });

  it('keeps no more idle ones than the rule says, and none for 0', async () => {
    const origin = await emptyOrigin();
    for (const keepAliveConnections of [2, 0]) {
      const pools = newPools();
      const target = targetAt(origin.port, { keepAliveConnections });
      const connections = await Promise.all(
        Array.from({ length: 5 }, () => pools.open(target, REQUEST)),
      );
      await Promise.all(connections.map(use));
      await eventually(() => pools.stats.busy === 0);
      expect(pools.stats.idle).toBe(keepAliveConnections);
      await eventually(() => origin.open() === keepAliveConnections);
      pools.close();
      await eventually(() => origin.open() === 0);
    }
  });

  it('keeps no more idle ones than allowed in all pools together', async () => {
    const pools = newPools({ maxIdle: 2 });
    const { port } = await emptyOrigin();
    for (const poolKey of ['a', 'b', 'c', 'd'])
      await openAndUse(pools, targetAt(port, { poolKey }));
    await eventually(() => pools.stats.busy === 0);
    expect(pools.stats).toEqual({ pools: 2, idle: 2, busy: 0 });
  });

  it('drops the pool that was used least recently when there are too many', async () => {
    const pools = newPools({ maxPools: 2 });
    const { port } = await emptyOrigin();
    const target = (poolKey: string): OriginTarget => targetAt(port, { poolKey });
    await openAndUse(pools, target('a'));
    await openAndUse(pools, target('b'));
    await eventually(() => pools.stats.idle === 2);
    const a = pools.take(target('a'));
    if (a === undefined) throw new Error('nothing idle');
    await use(a);
    await openAndUse(pools, target('c'));
    await eventually(() => pools.stats.idle === 2);
    expect(pools.take(target('b'))).toBeUndefined();
    expect(pools.take(target('a'))).toBe(a);
  });

  it('closes a connection that was idle for too long', async () => {
    const pools = newPools();
    const origin = await emptyOrigin();
    await openAndUse(pools, targetAt(origin.port, { keepAliveTimeoutMs: 30 }));
    await eventually(() => pools.stats.idle === 1);
    await eventually(() => origin.open() === 0);
    expect(pools.stats).toEqual({ pools: 0, idle: 0, busy: 0 });
  });

  it('forgets a connection that the origin closes while idle', async () => {
    const pools = newPools();
    const port = await rawOrigin((socket) =>
      onHeads(socket, () => {
        socket.write('HTTP/1.1 204 No Content\r\n\r\n');
        setImmediate(() => socket.end());
      }),
    );
    await openAndUse(pools, targetAt(port));
    await eventually(() => pools.stats.pools === 0);
    expect(pools.take(targetAt(port))).toBeUndefined();
  });

  it('drops the pool of a target that is dead', async () => {
    const pools = newPools();
    const origin = await emptyOrigin();
    let isAlive = true;
    const target = targetAt(origin.port, { isAlive: () => isAlive });
    await openAndUse(pools, target);
    await eventually(() => pools.stats.idle === 1);
    isAlive = false;
    expect(pools.take(target)).toBeUndefined();
    await eventually(() => origin.open() === 0);
  });

  it('keeps no connection whose target died while it was opened, or used', async () => {
    const pools = newPools();
    const origin = await emptyOrigin();
    let isAlive = true;
    const target = targetAt(origin.port, { isAlive: () => isAlive });
    const connection = await pools.open(target, REQUEST);
    isAlive = false;
    pools.drop(target.poolKey);
    await use(connection);
    await eventually(() => origin.open() === 0);
    expect(pools.stats).toEqual({ pools: 0, idle: 0, busy: 0 });
  });

  it('keeps no connection that was opened while its pool was dropped', async () => {
    const pools = newPools();
    const origin = await emptyOrigin();
    let isAlive = true;
    const target = targetAt(origin.port, { isAlive: () => isAlive });
    const opening = pools.open(target, REQUEST);
    isAlive = false;
    pools.drop(target.poolKey);
    await use(await opening);
    await eventually(() => origin.open() === 0);
    expect(pools.stats).toEqual({ pools: 0, idle: 0, busy: 0 });
  });

  it('drop() closes the idle ones now and those in use after their request', async () => {
    const pools = newPools();
    const origin = await emptyOrigin();
    const target = targetAt(origin.port);
    await openAndUse(pools, target);
    await eventually(() => pools.stats.idle === 1);
    const busy = await pools.open(target, REQUEST);
    pools.drop(target.poolKey);
    await eventually(() => origin.open() === 1);
    expect(await use(busy)).toBe(204);
    await eventually(() => origin.open() === 0);
    expect(pools.stats).toEqual({ pools: 0, idle: 0, busy: 0 });
  });

  it('leaves nothing behind of a connection that was never used', async () => {
    const pools = newPools();
    const target = targetAt((await emptyOrigin()).port);
    const connection = await pools.open(target, REQUEST);
    connection.discard();
    expect(pools.stats).toEqual({ pools: 0, idle: 0, busy: 0 });
  });
});

/** Answers with `answer` and then does what `then` says. */
function scripted(answer: string, then: (duplex: Duplex) => void): Duplex {
  const duplex: Duplex = new Duplex({
    read: () => undefined,
    write(_chunk, _encoding, done) {
      duplex.push(answer);
      setImmediate(then, duplex);
      done();
    },
  });
  return duplex;
}

it('a stream that had closed before it was handed over leaves nothing behind', async () => {
  const pools = newPools();
  const closed = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  closed.destroy();
  await eventually(() => closed.closed);
  const connection = await pools.open(targetAt(1, { open: async () => closed }), REQUEST);
  await expect(use(connection)).rejects.toMatchObject({ code: 'STALE_CONNECTION' });
  connection.discard();
  expect(pools.stats).toEqual({ pools: 0, idle: 0, busy: 0 });
});

describe('a stream that is no socket', () => {
  const GET = 'GET / HTTP/1.0\r\nHost: app.test\r\n\r\n';
  const HEAD = 'HTTP/1.0 200 OK\r\n\r\n';

  it('ends a response that only its end ends', async () => {
    const whole = scripted(`${HEAD}whole`, (duplex) => duplex.push(null));
    const { port } = await startGateway({ origin: targetAt(1, { open: async () => whole }) });
    expect(await exchangeBytes(port, GET)).toMatch(/\r\n\r\nwhole$/);
  });

  it('that is destroyed without an error does not make half a response look whole', async () => {
    const stream = scripted(`${HEAD}half`, () => undefined);
    const { port, summaries } = await startGateway({
      origin: targetAt(1, { open: async () => stream }),
    });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees('half');
    stream.destroy();
    await eventually(() => client.socket.errored !== null);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'ORIGIN_RESET', status: 200 });
  });

  it('that is destroyed before its answer is 502', async () => {
    const broken = scripted('', (duplex) => duplex.destroy());
    const { port } = await startGateway({ origin: targetAt(1, { open: async () => broken }) });
    expect(codeIn(await exchangeBytes(port, GET))).toBe('ORIGIN_RESET');
  });
});
