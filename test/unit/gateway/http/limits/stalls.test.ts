/** P31: users who bring nothing, or take nothing. Time is the test's. */
import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { cleanup } from '../../../../support/cleanup.ts';
import { eventually } from '../../../../support/eventually.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';
import { ask, begin, headOf, openSession, startHttp2Gateway } from '../../http2/http2-fixture.ts';
import {
  codeIn,
  httpOrigin,
  RawClient,
  startGateway,
  statusIn,
  type GatewayOptions,
} from '../http-fixture.ts';

const POST = 'POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n';

/** An origin that tells what came and answers when all of it has; `/endless` answers without end. */
async function startOrigin(): Promise<{ origin: number; bytes: () => number }> {
  let bytes = 0;
  const origin = await httpOrigin((request, response) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    if (request.url !== '/endless') {
      request.on('end', () => response.end('ok'));
      return;
    }
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  });
  return { origin, bytes: () => bytes };
}

const limits = { bodyTimeoutMs: 60_000, sendTimeoutMs: 120_000 } as const;

async function start(changes: Partial<GatewayOptions> = {}) {
  const { origin, bytes } = await startOrigin();
  const clock = new FakeClock();
  return { bytes, clock, ...(await startGateway({ origin, clock, limits, ...changes })) };
}

describe('P31 a body that does not come', () => {
  it('is 408 over HTTP/1.1 after its time, and lives as long as something comes', async () => {
    const { port, bytes, clock, summaries, handler } = await start();
    const client = await RawClient.connect(port);
    client.send(`${POST}a`);
    await eventually(() => bytes() === 1, { what: 'the first byte' });
    clock.run(59_000);
    client.send('b');
    await eventually(() => bytes() === 2, { what: 'the second byte' });
    clock.run(59_000);
    expect(client.text).toBe('');
    clock.run(3_000);
    const response = await client.closed();
    expect([statusIn(response), codeIn(response)]).toEqual([408, 'HTTP_TIMEOUT']);
    expect(summaries).toEqual([expect.objectContaining({ code: 'HTTP_TIMEOUT', status: 408 })]);
    await eventually(() => handler.stats.origins.busy === 0, { what: 'no origin connection' });
    // Nothing is under way: nothing is looked at.
    clock.run(2_000);
    expect(clock.pending).toBe(0);
  });

  it('is 408 over HTTP/2, on a connection that goes on', async () => {
    const { origin, bytes } = await startOrigin();
    const clock = new FakeClock();
    const { port } = await startHttp2Gateway({ origin, clock, limits });
    const session = await openSession(port);
    const stream = begin(session, { ':method': 'POST' });
    stream.write('a');
    await eventually(() => bytes() === 1, { what: 'the first byte' });
    clock.run(62_000);
    expect(await headOf(stream)).toMatchObject({ ':status': 408 });
    expect(await ask(session)).toMatchObject({ status: 200 });
  });

  it('is 408 where the whole takes longer than it may, also byte by byte', async () => {
    const { port, bytes, clock } = await start({ limits: { requestTimeoutMs: 30_000 } });
    const client = await RawClient.connect(port);
    client.send(POST);
    for (let at = 1; at <= 3; at += 1) {
      client.send('a');
      // One byte after the other.
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => bytes() === at, { what: `byte ${at}` });
      clock.run(10_000);
    }
    clock.run(2_000);
    expect(statusIn(await client.closed())).toBe(408);
  });
});

describe('P31 a response that is not taken', () => {
  it('is cut over HTTP/1.1 after its time', async () => {
    const { port, clock, handler, summaries } = await start();
    const client = await RawClient.connect(port);
    client.send(GET.replace('/ ', '/endless '));
    await client.sees('200 OK');
    client.socket.pause();
    // The kernel takes some megabytes first.
    let before = -1;
    await eventually(
      () => {
        const now = handler.stats.requests === 1 ? client.socket.bytesRead : before;
        const isStill = now === before;
        before = now;
        return isStill;
      },
      { what: 'a client that takes nothing', everyMs: 100 },
    );
    clock.run(2_000);
    expect(handler.stats.requests).toBe(1);
    clock.run(122_000);
    await eventually(() => handler.stats.requests === 0, { what: 'the end of the request' });
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED' });
    expect(summaries[0]?.error?.message).toMatch(/took nothing of it for 2m$/);
    await eventually(() => handler.stats.origins.busy === 0, { what: 'no origin connection' });
  });

  it('is cut over HTTP/2 where the user grants nothing, and the others of the connection go on', async () => {
    const { origin } = await startOrigin();
    const clock = new FakeClock();
    const gateway = await startHttp2Gateway({ origin, clock, limits: { sendTimeoutMs: 10_000 } });
    const session = await openSession(gateway.port, { settings: { initialWindowSize: 10_000 } });
    const stream = begin(session, { ':path': '/endless' });
    await headOf(stream);
    await eventually(
      () => gateway.summaries.length === 0 && gateway.handler.stats.origins.busy === 1,
      {
        what: 'the response',
      },
    );
    clock.run(2_000);
    clock.run(12_000);
    await eventually(() => gateway.summaries.length === 1, { what: 'the end of the request' });
    expect(gateway.summaries[0]).toMatchObject({ code: 'HTTP_ABORTED' });
    expect(await ask(session)).toMatchObject({ status: 200 });
  });

  it('is waited for as long as its user takes some of it now and then', async () => {
    const { port, clock, handler } = await start();
    const socket = connect({ port, host: '127.0.0.1' });
    cleanup(() => socket.destroy());
    socket.write(GET.replace('/ ', '/endless '));
    for (let round = 0; round < 4; round += 1) {
      const { bytesRead } = socket;
      socket.resume();
      // More than the kernels of both sides keep.
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => socket.bytesRead > bytesRead + 16_000_000, {
        what: 'more of it',
        everyMs: 1,
      });
      socket.pause();
      clock.run(60_000);
    }
    expect(handler.stats.requests).toBe(1);
  });
});

describe('limits that change', () => {
  it('hold for connections that come and for what is under way', async () => {
    const { port, clock, handler, bytes } = await start();
    const client = await RawClient.connect(port);
    client.send(`${POST}a`);
    await eventually(() => bytes() === 1, { what: 'the first byte' });
    handler.setLimits({
      headerTimeoutMs: 30_000,
      bodyTimeoutMs: 5_000,
      requestTimeoutMs: 0,
      sendTimeoutMs: 0,
      idleTimeoutMs: 75_000,
      maxHeaderBytes: 4_096,
      maxBodyBytes: 1_000,
      http2Streams: 128,
      maxRequestsPerAddress: 1,
      maxWebSocketsPerAddress: 0,
      maxConnectionsPerAddress: 0,
    });
    const other = await RawClient.connect(port);
    expect(statusIn(await other.send(`GET /${'a'.repeat(5_000)} HTTP/1.1\r\n\r\n`).closed())).toBe(
      431,
    );
    clock.run(62_000);
    expect(statusIn(await client.closed())).toBe(408);
  });
});
