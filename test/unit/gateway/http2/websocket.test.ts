/** WebSockets over HTTP/2 (RFC 8441): one stream each, judged and ended as those over HTTP/1.1 are. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { HTTP_LIMITS_DEFAULTS } from '../../../../src/config/http-limits.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { PosternError } from '../../../../src/core/error.ts';
import {
  CLOSE_RESTART,
  CLOSE_REVOKED,
} from '../../../../src/gateway/http/websocket/upgrade-registry.ts';
import { eventually, untilStill } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { fieldsIn, httpOrigin, onHeads, rawOrigin } from '../http/http-fixture.ts';
import { echoServer, switchingOrigin } from '../http/websocket-origins.ts';
import { answerOf, ask, headOf, openSession, startHttp2Gateway } from './http2-fixture.ts';

jest.setTimeout(30_000);

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** An extended CONNECT, whose stream is open. */
function beginWebSocket(
  session: ClientHttp2Session,
  head: OutgoingHttpHeaders = {},
  options: { endStream: boolean } = { endStream: false },
): ClientHttp2Stream {
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'https',
      ':path': '/chat?x',
      ':authority': 'app.test',
      'sec-websocket-version': '13',
      ...head,
    },
    options,
  );
  stream.on('error', () => undefined);
  return stream;
}

/** What a stream carries from now on. */
function bytesOf(stream: ClientHttp2Stream): { text: () => string; length: () => number } {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    text: () => Buffer.concat(chunks).toString('latin1'),
    length: () => chunks.reduce((sum, { length }) => sum + length, 0),
  };
}

/** The 101 that answers a handshake. */
function switching(head: string, extra = ''): string {
  const [key = ''] = fieldsIn(head).get('sec-websocket-key') ?? [];
  const accept = createHash('sha1')
    .update(key + MAGIC)
    .digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${extra}\r\n`;
}

/** A frame as clients send it, masked with zeros. */
function masked(opcode: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(bytes.length < 126 ? 6 : 8);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | Math.min(bytes.length, 126);
  if (bytes.length >= 126) head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
}

describe('a WebSocket over HTTP/2', () => {
  it('reaches the origin as over HTTP/1.1, with a key of ours, and its user with what the origin chose', async () => {
    const origin = await switchingOrigin((head) =>
      switching(head, 'Sec-WebSocket-Protocol: b\r\nX-Odd: 1\r\n'),
    );
    const { port } = await startHttp2Gateway({ origin: origin.port });
    const stream = beginWebSocket(await openSession(port), {
      'sec-websocket-protocol': 'a, b',
      'sec-websocket-key': 'mine',
      'x-forwarded-for': '6.6.6.6',
      origin: 'https://app.test',
    });
    const headers = await headOf(stream);
    const [head = ''] = origin.heads;
    expect(head).toMatch(/^GET \/chat\?x HTTP\/1\.1\r\n/);
    const sent = fieldsIn(head);
    expect(sent.get('upgrade')).toEqual(['websocket']);
    expect(sent.get('sec-websocket-key')).toEqual([expect.stringMatching(/^[\w+/]{22}==$/)]);
    expect(sent.get('sec-websocket-protocol')).toEqual(['a, b']);
    expect(sent.get('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(sent.get('origin')).toEqual(['https://app.test']);
    expect(headers).toMatchObject({ ':status': 200, 'sec-websocket-protocol': 'b', 'x-odd': '1' });
    expect(headers).not.toHaveProperty('sec-websocket-accept');
    expect(headers).not.toHaveProperty('connection');
  });

  it('echoes messages beside others and beside requests, on one connection', async () => {
    const { port, handler, summaries } = await startHttp2Gateway({ origin: await echoServer() });
    const session = await openSession(port);
    const streams = [1, 2, 3].map(() => beginWebSocket(session));
    const seen = await Promise.all(
      streams.map(async (stream) => {
        await headOf(stream);
        return bytesOf(stream);
      }),
    );
    expect(handler.stats).toMatchObject({ upgrades: 3, requests: 0, connections: 1 });
    expect(handler.busySince).toBeUndefined();
    for (const [index, stream] of streams.entries()) stream.write(masked(1, `number ${index}`));
    await eventually(() =>
      seen.every((bytes, index) => bytes.text() === `\u0081\u0008number ${index}`),
    );
    // The server of `ws` answers other requests with 426.
    expect(await ask(session)).toMatchObject({ status: 426 });
    for (const stream of streams) stream.end(masked(8, Buffer.from([0x03, 0xe8])));
    await eventually(() => streams.every(({ closed }) => closed));
    expect(streams.map(({ rstCode }) => rstCode)).toEqual([0, 0, 0]);
    await eventually(() => summaries.length === 4);
    expect(summaries.filter(({ isUpgraded }) => isUpgraded)).toHaveLength(3);
    expect(summaries.at(-1)).toMatchObject({
      status: 101,
      method: 'GET',
      httpVersion: '2.0',
      path: '/chat',
      code: undefined,
      bytesReceived: 22,
    });
    expect(handler.stats).toMatchObject({ upgrades: 0, origins: { idle: 1, busy: 0 } });
  });

  it('P13 sends nothing on before the origin has switched', async () => {
    let received = '';
    let socket: Socket | undefined;
    const origin = await rawOrigin((accepted) => {
      socket = accepted;
      accepted.on('data', (bytes) => (received += bytes.toString('latin1')));
    });
    const { port } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const stream = beginWebSocket(session);
    stream.write('early words');
    await eventually(() => received.includes('\r\n\r\n'));
    // Behind a PING everything that was sent has been read.
    await new Promise((resolve) => session.ping(resolve));
    expect(received).not.toContain('early words');
    socket?.write(switching(received));
    await eventually(() => received.endsWith('\r\n\r\nearly words'));
  });

  it.each([200, 204])('P14 is no WebSocket where the origin answers %i', async (status) => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => socket.write(`HTTP/1.1 ${status} OK\r\nContent-Length: 0\r\n\r\n`)),
    );
    const { port, handler, summaries } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const answer = await answerOf(beginWebSocket(session));
    expect(answer.status).toBe(502);
    expect(answer.body.toString()).toContain('ORIGIN_BAD_RESPONSE');
    await eventually(() => summaries.length === 1);
    expect(handler.stats).toMatchObject({ requests: 0, upgrades: 0, origins: { busy: 0 } });
    expect(session.closed).toBe(false);
  });

  it('P14 gets any other answer as a response, and its connection goes on', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write('HTTP/1.1 403 Forbidden\r\nX-Why: no\r\nContent-Length: 2\r\n\r\nno'),
      ),
    );
    const { port, summaries } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const answer = await answerOf(beginWebSocket(session));
    expect({ ...answer, body: answer.body.toString() }).toMatchObject({ status: 403, body: 'no' });
    expect(answer.headers['x-why']).toBe('no');
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ status: 403, isUpgraded: false, code: undefined });
    expect(await ask(session)).toMatchObject({ status: 403 });
  });

  it('is refused where the origin answers another key', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => socket.write(switching('GET / HTTP/1.1\r\n\r\n'))),
    );
    const { port } = await startHttp2Gateway({ origin });
    expect(await answerOf(beginWebSocket(await openSession(port)))).toMatchObject({ status: 502 });
  });

  it.each<[string, OutgoingHttpHeaders, boolean, number, string]>([
    ['another protocol', { ':protocol': 'connect-udp' }, false, 501, 'HTTP_UPGRADE'],
    ['a body', { 'content-length': 5 }, false, 400, 'HTTP_UPGRADE'],
    ['an ended stream', {}, true, 400, 'HTTP_UPGRADE'],
    ['P12 another host', { ':authority': 'other.test' }, false, 421, 'HTTP_MISDIRECTED'],
    ['the scheme "http"', { ':scheme': 'http' }, false, 400, 'HTTP_BAD_REQUEST'],
  ])('with %s is refused', async (_what, head, endStream, status, code) => {
    const { port, handler } = await startHttp2Gateway({ origin: 1 });
    const session = await openSession(port);
    const answer = await answerOf(beginWebSocket(session, head, { endStream }));
    expect(answer.status).toBe(status);
    expect(answer.body.toString()).toContain(code);
    expect(handler.stats).toMatchObject({ requests: 0, upgrades: 0 });
  });

  it('gets a page where there is no route', async () => {
    const { port, summaries } = await startHttp2Gateway({ origin: 1 });
    const session = await openSession(port, { servername: 'other.test' });
    const answer = await answerOf(beginWebSocket(session, { ':authority': 'other.test' }));
    expect(answer.status).toBe(404);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'ROUTE_NOT_FOUND', isUpgraded: false });
  });
});

describe('the end of a WebSocket over HTTP/2', () => {
  it('reaches the origin at once when its user gives it up, before an answer and after', async () => {
    const sockets: Socket[] = [];
    let isAnswering = false;
    const origin = await rawOrigin((socket) => {
      sockets.push(socket);
      onHeads(socket, (head) => {
        if (isAnswering) socket.write(switching(head));
      });
    });
    const { port, summaries, handler } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const early = beginWebSocket(session);
    await eventually(() => sockets.length === 1);
    early.destroy(new Error('given up'));
    await eventually(() => sockets[0]?.destroyed === true || sockets[0]?.readableEnded === true);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED', status: 0, isUpgraded: false });

    isAnswering = true;
    const live = beginWebSocket(session);
    await headOf(live);
    live.destroy(new Error('given up'));
    await eventually(() => sockets[1]?.destroyed === true);
    await eventually(() => summaries.length === 2);
    expect(handler.stats).toMatchObject({ requests: 0, upgrades: 0, connections: 1 });
    expect(session.closed).toBe(false);
  });

  it('is visible to its user when the origin breaks, and only that stream ends', async () => {
    const origin = await switchingOrigin((head) => switching(head));
    const { port, summaries } = await startHttp2Gateway({ origin: origin.port });
    const session = await openSession(port);
    const [one, two] = [beginWebSocket(session), beginWebSocket(session)];
    await Promise.all([headOf(one), headOf(two)]);
    bytesOf(one);
    origin.sockets[0]?.resetAndDestroy();
    await eventually(() => one.closed);
    expect(one.rstCode).not.toBe(0);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'ORIGIN_RESET', isUpgraded: true });
    const seen = bytesOf(two);
    origin.sockets[1]?.write('still here');
    await eventually(() => seen.text() === 'still here');
  });

  it('keeps half-close both ways', async () => {
    const origin = await switchingOrigin((head) => switching(head));
    const { port, summaries } = await startHttp2Gateway({ origin: origin.port });
    const stream = beginWebSocket(await openSession(port));
    await headOf(stream);
    const seen = bytesOf(stream);
    const [atOrigin] = origin.sockets;
    if (atOrigin === undefined) throw new Error('no socket');
    atOrigin.allowHalfOpen = true;
    stream.end('last words');
    await once(atOrigin, 'end');
    atOrigin.end('the answer to them');
    await eventually(() => stream.closed);
    expect(seen.text()).toBe('the answer to them');
    expect(stream.rstCode).toBe(0);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: undefined, bytesReceived: 10, bytesSent: 18 });
  });

  it.each([CLOSE_RESTART, CLOSE_REVOKED])('says status %i where we end it', async (status) => {
    const origin = await switchingOrigin((head) => switching(head));
    const { port, handler, summaries } = await startHttp2Gateway({ origin: origin.port });
    const stream = beginWebSocket(await openSession(port));
    await headOf(stream);
    const seen = bytesOf(stream);
    const error = new PosternError('ACCESS_REVOKED', 'Cannot go on: signed out');
    expect(handler.upgrades.close(status, error)).toBe(1);
    await eventually(() => seen.length() > 4);
    const frame = Buffer.from(seen.text(), 'latin1');
    expect(frame[0]).toBe(0x88);
    expect(frame.readUInt16BE(2)).toBe(status);
    stream.end(masked(8, ''));
    await handler.upgrades.gone();
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'ACCESS_REVOKED', isUpgraded: true });
  });

  it('may take its time: neither idleness nor a drain ends it', async () => {
    const origin = await switchingOrigin((head) => switching(head));
    const clock = new FakeClock();
    const { port, handler } = await startHttp2Gateway({ origin: origin.port, clock });
    const session = await openSession(port);
    const stream = beginWebSocket(session);
    await headOf(stream);
    const seen = bytesOf(stream);
    const wait = async (ms: number): Promise<void> => {
      for (let waited = 0; waited < ms; waited += LIMITS.http2WatchMs / 2) {
        clock.run(LIMITS.http2WatchMs / 2);
        // A sign of life.
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => session.ping(resolve));
      }
    };
    let isSentAway = false;
    session.on('goaway', () => (isSentAway = true));
    await wait(2 * HTTP_LIMITS_DEFAULTS.idleTimeoutMs);
    expect(isSentAway).toBe(false);
    const drained = handler.drain();
    clock.run(LIMITS.http2MomentMs);
    await eventually(() => isSentAway);
    clock.run(LIMITS.http2GoawayMs);
    origin.sockets[0]?.write('still here');
    await eventually(() => seen.text() === 'still here');
    expect(handler.stats).toMatchObject({ upgrades: 1, isDraining: true });
    stream.end();
    origin.sockets[0]?.end();
    await drained;
    await eventually(() => session.destroyed);
    await eventually(() => {
      clock.run(LIMITS.http2LingerMs);
      return handler.stats.connections === 0;
    });
  });
});

it('a reader that does not read holds up a WebSocket over HTTP/2, in both directions', async () => {
  const origin = await switchingOrigin((head) => switching(head));
  const { port } = await startHttp2Gateway({ origin: origin.port });
  const stream = beginWebSocket(await openSession(port));
  await headOf(stream);
  const [atOrigin] = origin.sockets;
  if (atOrigin === undefined) throw new Error('no socket');
  for (const [writer, reader] of [
    [atOrigin, stream],
    [stream, atOrigin],
  ] as const) {
    reader.pause();
    let accepted = 0;
    const chunk = randomBytes(64 * 1024);
    const fill = (): void => {
      while (!writer.writableNeedDrain && accepted < 64 * 1024 * 1024) {
        writer.write(chunk);
        accepted += chunk.length;
      }
    };
    writer.on('drain', fill);
    fill();
    // oxlint-disable-next-line no-await-in-loop
    await untilStill(() => accepted, { everyMs: 200 });
    writer.off('drain', fill);
    expect(accepted).toBeLessThan(32 * 1024 * 1024);
    let read = 0;
    reader.on('data', (bytes: Buffer) => (read += bytes.length));
    reader.resume();
    // oxlint-disable-next-line no-await-in-loop
    await eventually(() => read === accepted);
  }
});

it('ordinary requests are not taken for WebSockets, nor WebSockets for them', async () => {
  const methods: unknown[] = [];
  const origin = await httpOrigin((request, response) => {
    methods.push(request.method);
    response.end('ok');
  });
  const { port } = await startHttp2Gateway({ origin });
  const session = await openSession(port);
  expect(await answerOf(session.request({ ':authority': 'app.test', ':path': '/' }))).toMatchObject(
    {
      status: 200,
    },
  );
  const tunnel = session.request({ ':method': 'CONNECT', ':authority': 'app.test' });
  expect(await answerOf(tunnel)).toMatchObject({ status: 405 });
  expect(methods).toEqual(['GET']);
});
