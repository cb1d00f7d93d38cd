/** Requests that one replica could not take, and what another makes of them. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex, PassThrough } from 'node:stream';

import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../../src/core/error.ts';
import type {
  OriginTarget,
  RouteResult,
} from '../../../../src/gateway/http/origin/origin-opener.ts';
import { eventually } from '../../../support/eventually.ts';
import {
  RawClient,
  codeIn,
  dial,
  httpOrigin,
  rawOrigin,
  startGateway,
  statusIn,
  targetAt,
  type Gateway,
} from './http-fixture.ts';
import { http2Origin, http2Target } from './origin/http2-fixture.ts';

const GET = 'GET / HTTP/1.1\r\nHost: two.test\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: two.test\r\nContent-Length: 4\r\n\r\nbody';
const UPGRADE = GET.replace('\r\n\r\n', '\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
const LOST = new PosternError('STREAM_LOST', 'Cannot go on: the connector was restarted');

interface Two {
  readonly gateway: Gateway;
  /** Those who wait for a replica. */
  readonly waiting: Set<() => void>;
  /** How often each replica was asked for a connection. */
  readonly opened: { first: number; second: number };
}

/** A gateway whose `two.test` has two replicas; requests go to the first one. */
async function startTwo(
  first: Partial<OriginTarget> & { readonly port?: number },
  second: (Partial<OriginTarget> & { readonly port?: number }) | undefined,
): Promise<Two> {
  const opened = { first: 0, second: 0 };
  const waiting = new Set<() => void>();
  const made = (name: 'first' | 'second', how: Partial<OriginTarget> & { port?: number }) => {
    const { port = 1, ...changes } = how;
    const target = targetAt(port, { poolKey: name, replicaId: name, ...changes });
    const open: OriginTarget['open'] = async (request) => {
      opened[name] += 1;
      return target.open(request);
    };
    return { ...target, open };
  };
  const targets = [made('first', first), ...(second ? [made('second', second)] : [])];
  const route = (_hostname: string, _path: string, notAt?: string): RouteResult => {
    const target = targets.find(({ replicaId }) => replicaId !== notAt);
    const error = new PosternError('ROUTE_NO_REPLICA', 'Cannot reach it: none is connected');
    const wait = (again: () => void): { release(): void } => {
      waiting.add(again);
      return { release: () => void waiting.delete(again) };
    };
    return target === undefined ? { ok: false, error, wait } : { ok: true, target };
  };
  return { waiting, gateway: await startGateway({ origin: 1, route }), opened };
}

const refuses = (code: PosternError['code']): Partial<OriginTarget> => ({
  open: () => Promise.reject(new PosternError(code, 'Cannot open it')),
});

async function answerTo(gateway: Gateway, bytes: string): Promise<string> {
  const client = await RawClient.connect(gateway.port);
  client.send(bytes);
  await client.sees(/\r\n\r\n[^]+$/);
  return client.text;
}

const echo = (): Promise<number> =>
  httpOrigin((request, response) => {
    response.write('at the second:');
    request.pipe(response);
  });

describe('a request that a replica could not take', () => {
  it.each([
    ['GET', GET, 'ORIGIN_REFUSED'],
    ['POST', POST, 'ORIGIN_TIMEOUT'],
    ['POST', POST, 'STREAM_REFUSED'],
  ] as const)('a %s is served by another one, with its body', async (_, bytes, code) => {
    const { gateway, opened } = await startTwo(refuses(code), { port: await echo() });
    const client = await RawClient.connect(gateway.port);
    client.send(bytes);
    await client.sees(bytes === POST ? 'body' : 'at the second:');
    expect(statusIn(client.text)).toBe(200);
    expect(opened).toEqual({ first: 1, second: 1 });
    await eventually(() => gateway.summaries.length === 1);
    expect(gateway.summaries).toMatchObject([{ status: 200, replicaId: 'second' }]);
    expect(gateway.summaries[0]?.code).toBeUndefined();
    const told = gateway.logLines.filter((line) => line.includes('goes to another replica'));
    expect(told).toEqual([expect.stringContaining(`"errCode":"${code}"`)]);
  });

  it('becomes a WebSocket at another one', async () => {
    const port = await rawOrigin((socket) =>
      socket.once('data', () =>
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi',
        ),
      ),
    );
    const { gateway } = await startTwo(refuses('ORIGIN_UNREACHABLE'), { port });
    expect(await answerTo(gateway, UPGRADE)).toMatch(/^HTTP\/1\.1 101 /);
    expect(gateway.handler.stats.upgrades).toBe(1);
  });

  it('is tried twice and no more, and told what was wrong last', async () => {
    const { gateway, opened } = await startTwo(refuses('ORIGIN_REFUSED'), refuses('ORIGIN_DNS'));
    const answer = await answerTo(gateway, GET);
    expect([statusIn(answer), codeIn(answer)]).toEqual([502, 'ORIGIN_DNS']);
    expect(opened).toEqual({ first: 1, second: 1 });
  });

  it('is told what was wrong first where there is no other replica', async () => {
    const { gateway } = await startTwo(refuses('ORIGIN_REFUSED'), undefined);
    expect(codeIn(await answerTo(gateway, GET))).toBe('ORIGIN_REFUSED');
  });

  it('is not asked of another one where the user is not let in', async () => {
    const { gateway, opened } = await startTwo(refuses('ORIGIN_ACCESS'), { port: await echo() });
    expect(codeIn(await answerTo(gateway, GET))).toBe('ORIGIN_ACCESS');
    expect(opened).toEqual({ first: 1, second: 0 });
  });
});

/** A replica whose connections the test can break as a connector that dies does. */
function mortal(): { target: Partial<OriginTarget>; seen: () => string; die: () => void } {
  let seen = '';
  const open: Duplex[] = [];
  const target: Partial<OriginTarget> = {
    open: async () => {
      const [near, far] = [new PassThrough(), new PassThrough()];
      far.on('data', (bytes: Buffer) => (seen += bytes.toString('latin1')));
      const duplex = Duplex.from({ readable: near, writable: far });
      open.push(duplex);
      return duplex;
    },
  };
  return {
    target,
    seen: () => seen,
    die: () => {
      for (const duplex of open) duplex.destroy(LOST);
    },
  };
}

describe('a request whose connector dies before the answer', () => {
  it('is made again at another replica when it may be', async () => {
    const { target, seen, die } = mortal();
    const { gateway, opened } = await startTwo(target, { port: await echo() });
    const client = await RawClient.connect(gateway.port);
    client.send(GET);
    await eventually(() => seen().includes('GET /'));
    die();
    await client.sees('at the second:');
    expect([statusIn(client.text), opened]).toEqual([200, { first: 1, second: 1 }]);
  });

  it('is lost when it may not be made twice', async () => {
    const { target, seen, die } = mortal();
    const { gateway, opened } = await startTwo(target, { port: await echo() });
    const client = await RawClient.connect(gateway.port);
    client.send(POST);
    await eventually(() => seen().includes('body'));
    die();
    await client.sees('STREAM_LOST');
    expect([statusIn(client.text), opened]).toEqual([502, { first: 1, second: 0 }]);
  });

  it('is made again also where it was one of several on a connection to an HTTP/2 origin', async () => {
    const silent = await http2Origin(() => undefined);
    const streams: Duplex[] = [];
    const http2 = http2Target(silent.port, {
      open: async () => {
        const socket = await dial(silent.port);
        const duplex = Duplex.from({ readable: socket, writable: socket });
        streams.push(duplex);
        return Object.assign(duplex, { alpnProtocol: 'h2c' });
      },
    });
    const { gateway, opened } = await startTwo(http2, { port: await echo() });
    const [reader, writer] = [
      await RawClient.connect(gateway.port),
      await RawClient.connect(gateway.port),
    ];
    reader.send(GET);
    await eventually(() => silent.requests.length === 1);
    writer.send(POST);
    await eventually(() => silent.requests.length === 2);
    for (const stream of streams) stream.destroy(LOST);
    await reader.sees('at the second:');
    await writer.sees('STREAM_LOST');
    expect([silent.sessions.length, opened]).toEqual([1, { first: 1, second: 1 }]);
  });

  it('leaves a replica whose links are gone, and the one that waits for a POST stays', async () => {
    const { target, seen, die } = mortal();
    const { gateway } = await startTwo(target, { port: await echo() });
    const [reader, writer] = [
      await RawClient.connect(gateway.port),
      await RawClient.connect(gateway.port),
    ];
    reader.send(GET);
    writer.send(POST);
    await eventually(() => seen().includes('GET /') && seen().includes('body'));
    gateway.handler.running.leaveReplica('second');
    gateway.handler.running.leaveReplica('first');
    await reader.sees('at the second:');
    expect(writer.text).toBe('');
    die();
    await writer.sees('STREAM_LOST');
  });

  it('stays where there is no other replica while its stream may be resumed, and waits for one once it is lost', async () => {
    const { target, seen, die } = mortal();
    const { gateway, waiting, opened } = await startTwo(target, undefined);
    const client = await RawClient.connect(gateway.port);
    client.send(GET);
    await eventually(() => seen().includes('GET /'));
    gateway.handler.running.leaveReplica('first');
    expect([gateway.handler.stats.requests, waiting.size]).toEqual([1, 0]);
    die();
    await eventually(() => waiting.size === 1);
    expect(client.text).toBe('');
    for (const again of waiting) again();
    await eventually(() => opened.first === 2);
    die();
    await client.sees('STREAM_LOST');
  });

  it('is forgotten when its user leaves', async () => {
    const sockets: Socket[] = [];
    const silent = await rawOrigin((socket) => void sockets.push(socket.resume()));
    const { gateway } = await startTwo({ port: silent }, { port: silent });
    const user = connect(gateway.port, '127.0.0.1');
    user.write(GET);
    await eventually(() => sockets.length === 1);
    gateway.handler.running.leaveReplica('first');
    await eventually(() => sockets.length === 2);
    await eventually(() => sockets[0]?.destroyed === true);
    user.destroy();
    await once(sockets[1] as Socket, 'close');
    await eventually(() => gateway.summaries.length === 1);
    expect(gateway.summaries).toMatchObject([{ code: 'HTTP_ABORTED' }]);
    gateway.handler.running.leaveReplica('second');
    expect(sockets).toHaveLength(2);
  });
});

describe('a cookie that comes with the route', () => {
  it('is set beside those of the origin, and not where the gateway answers', async () => {
    const port = await httpOrigin((_request, response) => {
      response.setHeader('Set-Cookie', ['own=1', '__Host-postern_replica_x=forged']);
      response.end('ok');
    });
    const route = (hostname: string): RouteResult => ({
      ok: true,
      setCookie: 'sticky=1',
      target: targetAt(hostname === 'down.test' ? 1 : port, { poolKey: hostname }),
    });
    const gateway = await startGateway({ origin: 1, route });
    const answer = await answerTo(gateway, GET);
    expect(answer.match(/^set-cookie: .*$/gim)).toEqual([
      'Set-Cookie: own=1',
      'Set-Cookie: sticky=1',
    ]);
    const failed = await answerTo(gateway, GET.replace('two.test', 'down.test'));
    expect([statusIn(failed), /set-cookie/i.test(failed)]).toEqual([502, false]);
  });
});
