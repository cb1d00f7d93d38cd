/** How many requests and WebSockets one address may have under way. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { HTTP_LIMITS_DEFAULTS } from '../../../../../src/config/http-limits.ts';
import { RequestLimits } from '../../../../../src/gateway/http/limits/request-limits.ts';
import { RequestRecord } from '../../../../../src/gateway/http/record/request-record.ts';
import { eventually } from '../../../../support/eventually.ts';
import { ask, begin, openSession, startHttp2Gateway } from '../../http2/http2-fixture.ts';
import {
  codeIn,
  exchangeBytes,
  httpOrigin,
  RawClient,
  rawOrigin,
  startGateway,
  statusIn,
} from '../http-fixture.ts';

const from = (address: string): RequestRecord =>
  new RequestRecord('id', { address, port: 1 }, 'GET');

describe('RequestLimits', () => {
  const limits = { ...HTTP_LIMITS_DEFAULTS, maxRequestsPerAddress: 2, maxWebSocketsPerAddress: 1 };

  it('counts an IPv4 address and an IPv6 /64 as one, and others apart', () => {
    const counted = new RequestLimits(limits);
    const code = (address: string): string | undefined => counted.enter(from(address), false)?.code;
    expect([code('192.0.2.1'), code('192.0.2.1')]).toEqual([undefined, undefined]);
    expect(code('192.0.2.1')).toBe('HTTP_ADDRESS_LIMIT');
    expect(code('192.0.2.2')).toBeUndefined();
    expect([code('2001:db8::1'), code('2001:db8:0:0:ffff::')]).toEqual([undefined, undefined]);
    expect(code('2001:db8::2')).toBe('HTTP_ADDRESS_LIMIT');
    expect(code('2001:db8:0:1::1')).toBeUndefined();
  });

  it('counts WebSockets apart from requests, and gives places back once', () => {
    const counted = new RequestLimits(limits);
    const [one, two] = [from('192.0.2.1'), from('192.0.2.1')];
    expect(counted.enter(one, true)).toBeUndefined();
    expect(counted.enter(from('192.0.2.1'), true)?.code).toBe('HTTP_ADDRESS_LIMIT');
    expect(counted.enter(two, false)).toBeUndefined();
    counted.leave(one);
    counted.leave(one);
    expect(counted.enter(from('192.0.2.1'), true)).toBeUndefined();
    expect(counted.enter(from('192.0.2.1'), true)?.code).toBe('HTTP_ADDRESS_LIMIT');
  });

  it('has no limit where it is 0, and obeys one that changes', () => {
    const counted = new RequestLimits({ ...limits, maxRequestsPerAddress: 0 });
    for (let at = 0; at < 100; at += 1) {
      expect(counted.enter(from('192.0.2.1'), false)).toBeUndefined();
    }
    counted.limits = { ...limits, maxRequestsPerAddress: 1 };
    expect(counted.enter(from('192.0.2.1'), false)).toBeUndefined();
    expect(counted.enter(from('192.0.2.1'), false)?.code).toBe('HTTP_ADDRESS_LIMIT');
  });
});

describe('an address with as many requests under way as it may have', () => {
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: app.test\r\n\r\n`;

  it('gets 429 on a connection that goes on, and is served when one has ended', async () => {
    const waiting: (() => void)[] = [];
    const origin = await httpOrigin((request, response) => {
      if (request.url === '/wait') waiting.push(() => response.end());
      else response.end('ok');
    });
    const gateway = await startGateway({ origin, limits: { maxRequestsPerAddress: 2 } });
    const { port, summaries } = gateway;
    const open = [await RawClient.connect(port), await RawClient.connect(port)];
    for (const client of open) client.send(get('/wait'));
    await eventually(() => waiting.length === 2, { what: 'both at the origin' });
    const third = await RawClient.connect(port);
    third.send(get('/'));
    await third.sees('}}\n');
    expect([statusIn(third.text), codeIn(third.text)]).toEqual([429, 'HTTP_ADDRESS_LIMIT']);
    expect(third.text).toMatch(/\r\nRetry-After: 5\r\n/i);
    // Somebody else is not held up.
    const other = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    await once(other, 'connect');
    const neighbour = new RawClient(other).send(get('/'));
    await neighbour.sees('200 OK');
    waiting[0]?.();
    await eventually(() => summaries.some(({ path }) => path === '/wait'), { what: 'its end' });
    third.send(get('/'));
    await third.sees('200 OK');
  });

  it('cannot hide in one HTTP/2 connection', async () => {
    const origin = await httpOrigin(
      ({ url }, response) => void (url === '/' && response.end('ok')),
    );
    const gateway = await startHttp2Gateway({ origin, limits: { maxRequestsPerAddress: 3 } });
    const session = await openSession(gateway.port);
    const open = [1, 2, 3].map(() => begin(session, { ':path': '/wait' }));
    await eventually(() => gateway.handler.stats.origins.busy === 3, { what: 'all at the origin' });
    expect(await ask(session)).toMatchObject({ status: 429 });
    open[0]?.close();
    await eventually(() => gateway.summaries.length === 2, { what: 'the end of one' });
    expect(await ask(session)).toMatchObject({ status: 200 });
  });

  it('may have WebSockets beside them, and not more than their own number', async () => {
    const origin = await rawOrigin((socket) => {
      const accept = 'Sec-WebSocket-Accept: x\r\n\r\n';
      socket.once('data', () =>
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${accept}`,
        ),
      );
    });
    const limits = { maxWebSocketsPerAddress: 1 };
    const { port, handler } = await startGateway({ origin, limits });
    const upgrade =
      'GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    const first = await RawClient.connect(port);
    await first.send(upgrade).sees('101 Switching');
    const refused = await exchangeBytes(port, upgrade);
    expect([statusIn(refused), codeIn(refused)]).toEqual([429, 'HTTP_ADDRESS_LIMIT']);
    first.socket.destroy();
    await eventually(() => handler.stats.upgrades === 0, { what: 'the end of the WebSocket' });
    const next = await RawClient.connect(port);
    await next.send(upgrade).sees('101 Switching');
  });
});
