/** Requests for which there is nowhere to go yet, and soon may be. */
import { constants, type ClientHttp2Stream } from 'node:http2';

import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../../src/core/error.ts';
import type { RouteResult } from '../../../../src/gateway/http/origin/origin-opener.ts';
import { eventually } from '../../../support/eventually.ts';
import {
  RawClient,
  codeIn,
  httpOrigin,
  onHeads,
  rawOrigin,
  startGateway,
  statusIn,
  targetAt,
  type Gateway,
} from './http-fixture.ts';
import { answerOf, begin, openSession, startHttp2Gateway } from '../http2/http2-fixture.ts';

const GET = 'GET / HTTP/1.1\r\nHost: other.test\r\n\r\n';
const UPGRADE = GET.replace('\r\n\r\n', '\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');

interface Later {
  readonly gateway: Gateway;
  /** Those who wait. */
  readonly waiting: Set<() => void>;
  /** From now on the hostname leads to this port; 0 for nowhere, with nothing to wait for. */
  readonly arrive: (port: number) => void;
}

/** A gateway whose requests to `other.test` wait until a test says where they go. */
async function startLater(start = startGateway): Promise<Later> {
  const waiting = new Set<() => void>();
  let found: number | undefined;
  const route = (): RouteResult => {
    if (found !== undefined && found > 0) return { ok: true, target: targetAt(found) };
    const error = new PosternError('ROUTE_NO_REPLICA', 'Cannot reach it: none is connected');
    const wait = (again: () => void): { release(): void } | undefined => {
      if (found === 0) return undefined;
      waiting.add(again);
      return { release: () => void waiting.delete(again) };
    };
    return { ok: false, error, wait };
  };
  const gateway = await start({ origin: 1, route });
  return {
    gateway,
    waiting,
    arrive: (port) => {
      found = port;
      for (const again of waiting) again();
    },
  };
}

describe('a request that has nowhere to go yet', () => {
  it('is served when there is somewhere, and so is the next one on its connection', async () => {
    const { gateway, waiting, arrive } = await startLater();
    const client = await RawClient.connect(gateway.port);
    client.send('POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 4\r\n\r\nbody');
    await eventually(() => waiting.size === 1);
    expect([gateway.handler.stats.requests, client.text]).toEqual([1, '']);
    arrive(await httpOrigin((request, response) => void request.pipe(response)));
    await client.sees('body');
    client.send('POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 4\r\n\r\nmore');
    await client.sees('more');
    expect(statusIn(client.text)).toBe(200);
  });

  it('becomes a WebSocket then', async () => {
    const { gateway, waiting, arrive } = await startLater();
    const client = await RawClient.connect(gateway.port);
    client.send(UPGRADE);
    await eventually(() => waiting.size === 1);
    const switching = 'HTTP/1.1 101 Switching Protocols\r\n';
    arrive(
      await rawOrigin((socket) =>
        onHeads(socket, () =>
          socket.write(`${switching}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`),
        ),
      ),
    );
    await client.sees('101');
    expect(gateway.handler.stats.upgrades).toBe(1);
  });

  it.each([
    ['a request', GET],
    ['an upgrade', UPGRADE],
  ])('%s is refused as ever when there is nothing more to wait for', async (_, bytes) => {
    const { gateway, waiting, arrive } = await startLater();
    const client = await RawClient.connect(gateway.port);
    client.send(bytes);
    await eventually(() => waiting.size === 1);
    arrive(0);
    await client.sees('ROUTE_NO_REPLICA');
    expect([statusIn(client.text), codeIn(client.text)]).toEqual([503, 'ROUTE_NO_REPLICA']);
  });

  it.each([
    ['a request', GET],
    ['an upgrade', UPGRADE],
  ])('%s waits no longer when its user leaves', async (_, bytes) => {
    const { gateway, waiting } = await startLater();
    const client = await RawClient.connect(gateway.port);
    client.send(bytes);
    await eventually(() => waiting.size === 1);
    client.socket.destroy();
    await eventually(() => waiting.size === 0);
    await eventually(() => gateway.handler.stats.requests === 0);
    expect(gateway.summaries).toMatchObject([{ status: 0, code: 'HTTP_ABORTED' }]);
  });

  it('over HTTP/2 waits beside others, is served, or leaves', async () => {
    const { gateway, waiting, arrive } = await startLater(startHttp2Gateway);
    const session = await openSession(gateway.port, { servername: 'other.test' });
    const ask = (path: string): ClientHttp2Stream =>
      begin(session, { ':path': path, ':authority': 'other.test' });
    const [stays, leaves] = [ask('/stays'), ask('/leaves')];
    await eventually(() => waiting.size === 2);
    leaves.close(constants.NGHTTP2_CANCEL);
    await eventually(() => waiting.size === 1);
    arrive(await httpOrigin((request, response) => response.end(request.url)));
    expect((await answerOf(stays)).body.toString()).toBe('/stays');
    await eventually(() => gateway.summaries.length === 2);
    expect(gateway.summaries).toMatchObject([
      { path: '/leaves', status: 0, code: 'HTTP_ABORTED' },
      { path: '/stays', status: 200 },
    ]);
  });
});
