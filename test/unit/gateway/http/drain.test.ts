import type { ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { PosternError } from '../../../../src/core/error.ts';
import { CLOSE_RESTART } from '../../../../src/gateway/http/websocket/upgrade-registry.ts';
import { eventually } from '../../../support/eventually.ts';
import {
  RawClient,
  exchangeBytes,
  fieldsIn,
  httpOrigin,
  onHeads,
  rawOrigin,
  startGateway,
  statusIn,
} from './http-fixture.ts';

const GET = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n';

describe('drain()', () => {
  it('resolves at once when nothing is under way, also the second time', async () => {
    const { handler } = await startGateway({ origin: 1 });
    await handler.drain();
    await handler.drain();
    expect(handler.stats.isDraining).toBe(true);
  });

  it('lets a request under way finish, as the last of its connection', async () => {
    let response: ServerResponse | undefined;
    const origin = await httpOrigin((_request, arrived) => (response = arrived));
    const { port, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await eventually(() => response !== undefined);
    let isDrained = false;
    const drained = Promise.all([handler.drain(), handler.drain()]).then(() => (isDrained = true));
    expect(handler.stats).toMatchObject({ requests: 1, isDraining: true });
    response?.write('half, ');
    await client.sees('half, ');
    expect(isDrained).toBe(false);
    response?.end('whole');
    const text = await client.closed();
    expect(fieldsIn(text).get('connection')).toEqual(['close']);
    expect(text).toContain('whole');
    await drained;
    expect(handler.stats).toMatchObject({ requests: 0, connections: 0 });
  });

  it('finishes the pipelined request under way and closes idle connections', async () => {
    const origin = await httpOrigin((_request, response) => response.end('ok'));
    const { port, handler } = await startGateway({ origin });
    const idle = await RawClient.connect(port);
    const used = await RawClient.connect(port);
    used.send(GET);
    await used.sees('ok');
    await handler.drain();
    // A request that was on its way when the drain began is still answered.
    used.send(GET);
    await used.sees(/ok[^]*ok/);
    expect(await used.closed()).toMatch(/Connection: close\r\n[^]*ok$/i);
    used.socket.end();
    handler.closeIdle(60_000);
    await eventually(() => handler.stats.connections === 1);
    handler.closeIdle(0);
    expect(await idle.closed()).toBe('');
    idle.socket.end();
    await eventually(() => handler.stats.connections === 0);
  });

  it('answers those who come late, with errors too, and closes', async () => {
    const { port, handler } = await startGateway({ origin: 1 });
    await handler.drain();
    expect(statusIn(await exchangeBytes(port, GET))).toBe(502);
    expect(statusIn(await exchangeBytes(port, GET.replace('app.', 'x.')))).toBe(404);
  });

  it('waits for live WebSockets until they are closed', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
        ),
      ),
    );
    const { port, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET.replace('\r\n\r\n', '\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'));
    await client.sees('101');
    let isDrained = false;
    const drained = handler.drain().then(() => (isDrained = true));
    expect(handler.stats).toMatchObject({ requests: 0, upgrades: 1 });
    expect(isDrained).toBe(false);
    const error = new PosternError('STREAM_REFUSED', 'the gateway restarts');
    handler.upgrades.close(CLOSE_RESTART, error);
    await client.closed();
    client.socket.end();
    await handler.upgrades.gone();
    await drained;
    await handler.upgrades.gone();
  });
});

describe('closeIdle()', () => {
  it('leaves connections alone that carry a request, and those that did a moment ago', async () => {
    let response: ServerResponse | undefined;
    const origin = await httpOrigin((request, arrived) => {
      if (request.url === '/wait') response = arrived;
      else arrived.end('ok');
    });
    const { port, handler } = await startGateway({ origin });
    const [busy, used] = [await RawClient.connect(port), await RawClient.connect(port)];
    busy.send(GET.replace('/', '/wait'));
    used.send(GET);
    await used.sees('ok');
    await eventually(() => response !== undefined);
    expect(handler.busySince).toBeLessThan(performance.now());
    handler.closeIdle(5_000);
    used.send(GET);
    await used.sees(/ok[^]*ok/);
    handler.closeIdle(0);
    expect(await used.closed()).toMatch(/ok$/);
    response?.end('late');
    await busy.sees('late');
    expect(handler.busySince).toBeUndefined();
    expect(busy.socket.readableEnded).toBe(false);
  });
});

describe('resume()', () => {
  it('serves any number of requests on a connection again', async () => {
    const origin = await httpOrigin((_request, response) => response.end('ok'));
    const { port, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    await handler.drain();
    handler.resume();
    expect(handler.stats.isDraining).toBe(false);
    client.send(GET);
    await client.sees('ok');
    client.send(GET);
    await client.sees(/ok[^]*ok/);
    expect(client.text).not.toMatch(/connection: close/i);
  });
});

describe('close()', () => {
  it('ends requests, WebSockets and origin connections at once', async () => {
    let isClosed = false;
    let hasArrived = false;
    const origin = await rawOrigin((socket) => {
      onHeads(socket, () => (hasArrived = true));
      socket.on('close', () => (isClosed = true));
    });
    const { port, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await eventually(() => hasArrived);
    handler.close();
    expect(await client.closed()).toBe('');
    await eventually(() => isClosed);
    await eventually(() => handler.stats.requests === 0);
  });
});
