import { once } from 'node:events';
import { connect } from 'node:net';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { eventually, untilStill } from '../../../../support/eventually.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';
import {
  RawClient,
  codeIn,
  exchangeBytes,
  rawOrigin,
  responseTo,
  startGateway,
  startRequest,
  statusIn,
  textOf,
} from '../http-fixture.ts';
import { http2Origin, http2Target } from './http2-fixture.ts';

const H = 'Host: app.test\r\n';
const GET = `GET /x?y=1 HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;

function answer(stream: ServerHttp2Stream, text = 'ok'): void {
  stream.respond({ ':status': 200 });
  stream.end(text);
}

describe('an origin that speaks HTTP/2', () => {
  it('gets the request as HTTP/2 has it, and its answer arrives', async () => {
    let seen: Record<string, unknown> = {};
    const { port: origin } = await http2Origin((stream, headers) => {
      seen = { ...headers };
      stream.respond({
        ':status': 404,
        'x-one': 'a',
        'set-cookie': ['a=1', 'b=2'],
        'content-length': 4,
      });
      stream.end('gone');
    });
    const { port, summaries } = await startGateway({ origin: http2Target(origin) });
    const request = `GET /x?y=1 HTTP/1.1\r\n${H}X-Two: 1\r\nX-Two: 2\r\nIf-None-Match: "a"\r\nif-none-match: "b"\r\nCookie: a=1; b=2\r\nUpgrade-Insecure-Requests: 1\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nHTTP2-Settings: AAMAAABk\r\nTE: trailers\r\n\r\n`;
    const response = await exchangeBytes(port, request);
    expect(response).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(response).toMatch(/x-one: a\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n/);
    expect(response.endsWith('\r\n\r\ngone')).toBe(true);
    expect(seen).toMatchObject({
      ':method': 'GET',
      ':path': '/x?y=1',
      ':scheme': 'http',
      ':authority': 'app.test',
      'x-two': '1, 2',
      'if-none-match': '"a", "b"',
      cookie: 'a=1; b=2',
      te: 'trailers',
      'x-forwarded-proto': 'http',
    });
    for (const name of ['host', 'connection', 'x-gone', 'http2-settings', 'upgrade']) {
      expect(seen).not.toHaveProperty(name);
    }
    expect(summaries[0]).toMatchObject({ status: 404, bytesSent: 4 });
  });

  it('gets bytes beyond ASCII as they came, and its own arrive so', async () => {
    let seen: unknown;
    const { port: origin } = await http2Origin((stream, headers) => {
      seen = headers['x-bytes'];
      stream.respond({ ':status': 200, 'x-answer': 'k\u00c3\u00a4se' }, { endStream: true });
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const request = `GET / HTTP/1.1\r\n${H}X-Bytes: k\u00c3\u00a4se\r\nConnection: close\r\n\r\n`;
    const response = await exchangeBytes(port, request);
    expect(response).toContain('x-answer: k\u00c3\u00a4se\r\n');
    expect(seen).toBe('k\u00c3\u00a4se');
  });

  it('is dialled once for many requests at once', async () => {
    const held: ServerHttp2Stream[] = [];
    const { port: origin, sessions } = await http2Origin((stream) => void held.push(stream));
    const { port, handler } = await startGateway({ origin: http2Target(origin) });
    const responses = Array.from({ length: 60 }, async () => responseTo(startRequest(port).end()));
    await eventually(() => held.length === 60);
    for (const stream of held) answer(stream);
    const texts = (await Promise.all(responses)).map(async (response) => textOf(response));
    expect(await Promise.all(texts)).toEqual(Array(60).fill('ok'));
    expect(sessions).toHaveLength(1);
    expect(handler.stats.origins).toEqual({ pools: 1, idle: 1, busy: 0 });
  });

  it('is never asked for more at once than it takes: others go over another connection', async () => {
    const held: ServerHttp2Stream[] = [];
    const origin = await http2Origin((stream) => void held.push(stream), {
      settings: { maxConcurrentStreams: 4 },
    });
    const { port } = await startGateway({ origin: http2Target(origin.port) });
    const responses = Array.from({ length: 10 }, async () => exchangeBytes(port, GET));
    await eventually(() => held.length === 10);
    for (const stream of held) answer(stream);
    expect((await Promise.all(responses)).map(statusIn)).toEqual(Array(10).fill(200));
    expect(origin.sessions.length).toBeGreaterThanOrEqual(3);
    expect(origin.requests).toHaveLength(10);
  });

  it('gets a connection for each request where none may be kept', async () => {
    const held: ServerHttp2Stream[] = [];
    const { port: origin, sessions } = await http2Origin((stream) => void held.push(stream));
    const { port, handler } = await startGateway({
      origin: http2Target(origin, { keepAliveConnections: 0 }),
    });
    const responses = Array.from({ length: 4 }, async () => exchangeBytes(port, GET));
    await eventually(() => held.length === 4);
    expect(sessions).toHaveLength(4);
    for (const stream of held) answer(stream);
    expect((await Promise.all(responses)).map(statusIn)).toEqual(Array(4).fill(200));
    await eventually(() => sessions.every(({ closed }) => closed));
    expect(handler.stats.origins).toEqual({ pools: 0, idle: 0, busy: 0 });
  });

  it('gets a body as it comes, and may answer before it ends', async () => {
    const { port: origin } = await http2Origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.on('data', (chunk: Buffer) => stream.write(`<${chunk.toString()}>`));
      stream.on('end', () => stream.end('.'));
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const client = await RawClient.connect(port);
    client.send(`POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n`);
    await client.sees('<one>');
    client.send('3\r\ntwo\r\n');
    await client.sees('<two>');
    client.send('0\r\n\r\n');
    await client.sees('.\r\n');
  });

  it.each([true, false])(
    'may answer whole before the request ends, and is sent no more of it; a head alone: %s',
    async (endStream) => {
      const streams: ServerHttp2Stream[] = [];
      const { port: origin, sessions } = await http2Origin((stream) => {
        streams.push(stream);
        stream.respond({ ':status': 413 }, { endStream });
        if (!endStream) stream.end('too much');
      });
      const { port, handler } = await startGateway({ origin: http2Target(origin) });
      const client = await RawClient.connect(port);
      client.send(`POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n`);
      await client.sees(endStream ? ' 413 ' : 'too much');
      await eventually(() => streams[0]?.closed === true);
      await eventually(() => handler.stats.origins.idle === 1);
      expect([streams[0]?.rstCode, sessions[0]?.closed]).toEqual([0, false]);
    },
  );

  it('P8: gets the trailers that may be ones, and its own arrive', async () => {
    const seen: Record<string, unknown>[] = [];
    const { port: origin } = await http2Origin((stream) => {
      stream.on('trailers', (trailers) => void seen.push({ ...trailers }));
      stream.resume().on('end', () => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'b', 'set-cookie': 'c=d' }));
        stream.end('ok');
      });
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const head = `POST / HTTP/1.1\r\n${H}TE: trailers\r\nConnection: close, TE\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const trailers = 'X-Sum: a\r\nX-Forwarded-User: eve\r\nX_Access_User: eve\r\nHost: other\r\n';
    const response = await exchangeBytes(port, `${head}2\r\nhi\r\n0\r\n${trailers}\r\n`);
    expect(response).toMatch(/2\r\nok\r\n0\r\nx-sum: b\r\n\r\n$/);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ 'x-sum': 'a' });
    expect(seen[0]).not.toHaveProperty('x-forwarded-user');
    expect(seen[0]).not.toHaveProperty('host');
  });

  it('moves a large body in both directions', async () => {
    const { port: origin } = await http2Origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const body = Buffer.alloc(8 * 1024 * 1024, 'abcdefghij');
    const request = startRequest(port, { method: 'PUT' });
    const answered = responseTo(request);
    request.end(body);
    const parts: Buffer[] = [];
    for await (const part of await answered) parts.push(part as Buffer);
    expect(Buffer.concat(parts).equals(body)).toBe(true);
  });

  it('may answer without a body, with a head alone or with an empty one', async () => {
    const { port: origin } = await http2Origin((stream, headers) => {
      const status = Number(String(headers[':path']).slice(1));
      stream.respond({ ':status': status }, { endStream: true });
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    for (const status of [200, 204, 304]) {
      const response = await responseTo(startRequest(port, { path: `/${status}` }).end());
      expect([response.statusCode, await textOf(response)]).toEqual([status, '']);
    }
    const head = await responseTo(startRequest(port, { path: '/200', method: 'HEAD' }).end());
    expect(head.statusCode).toBe(200);
  });

  it('that goes away finishes what it took; what it did not look at goes over a new connection', async () => {
    const held: ServerHttp2Stream[] = [];
    const origin = await http2Origin((stream) => {
      held.push(stream);
      const { session, id = 0 } = stream;
      // The second request of the first connection is the first that was not looked at.
      if (held.length === 2) session?.goaway(0, id - 2);
      if (held.length > 2) answer(stream, 'new');
    });
    const { port } = await startGateway({ origin: http2Target(origin.port) });
    const first = exchangeBytes(port, GET);
    await eventually(() => held.length === 1);
    const second = await exchangeBytes(port, GET);
    expect([statusIn(second), second.endsWith('3\r\nnew\r\n0\r\n\r\n')]).toEqual([200, true]);
    expect(origin.sessions).toHaveLength(2);
    answer(held[0] as ServerHttp2Stream, 'old');
    expect(await first).toContain('old');
    expect(statusIn(await exchangeBytes(port, GET))).toBe(200);
    expect(origin.sessions).toHaveLength(2);
  });

  it('that refuses a request is asked again, and not for ever', async () => {
    let refusals = 1;
    const origin = await http2Origin((stream) => {
      if (refusals-- > 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else answer(stream);
    });
    const { port } = await startGateway({ origin: http2Target(origin.port) });
    expect(statusIn(await exchangeBytes(port, GET))).toBe(200);
    expect(origin.requests).toHaveLength(2);
    refusals = 1_000;
    const response = await exchangeBytes(port, GET);
    expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_RESET']);
    expect(origin.requests).toHaveLength(2 + 1 + LIMITS.originSendsAgain);
  });

  it('that refuses a request with a short body gets all of it again; one with a long body fails', async () => {
    let refusals = 1;
    const bodies: string[] = [];
    const origin = await http2Origin((stream) => {
      let text = '';
      stream.setEncoding('utf8').on('data', (part: string) => (text += part));
      stream.on('end', () => {
        bodies.push(text);
        if (refusals-- > 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
        else answer(stream, `${text.length}`);
      });
    });
    const { port } = await startGateway({ origin: http2Target(origin.port) });
    const post = (text: string): string =>
      `POST / HTTP/1.1\r\n${H}Connection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    expect(await exchangeBytes(port, post('short'))).toMatch(/^HTTP\/1\.1 200 .*\r\n5\r\n/s);
    expect(bodies).toEqual(['short', 'short']);
    refusals = 1;
    const long = 'x'.repeat(LIMITS.originKeptBytes + 1);
    const response = await exchangeBytes(port, post(long));
    expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_RESET']);
    expect(bodies).toHaveLength(3);
  });

  it('that sends much to a user who does not read holds up nobody else', async () => {
    const { port: origin, sessions } = await http2Origin((stream, headers) => {
      stream.respond({ ':status': 200 });
      const most = headers[':path'] === '/endless' ? Number.POSITIVE_INFINITY : 8 * 1024 * 1024;
      const chunk = Buffer.alloc(64 * 1024);
      let sent = 0;
      const write = (): void => {
        while (!stream.destroyed && sent < most) {
          sent += chunk.length;
          if (!stream.write(chunk)) return;
        }
        stream.end();
      };
      stream.on('drain', write);
      write();
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const slow = await responseTo(startRequest(port, { path: '/endless' }).end());
    slow.pause();
    for (let round = 0; round < 3; round += 1) {
      const quick = await responseTo(startRequest(port).end());
      let bytes = 0;
      for await (const part of quick) bytes += (part as Buffer).length;
      expect(bytes).toBe(8 * 1024 * 1024);
    }
    expect(sessions).toHaveLength(1);
    slow.destroy();
  });

  it('that breaks off half an answer does not make it look whole', async () => {
    const { port: origin } = await http2Origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half', () => stream.destroy(new Error('broken')));
    });
    const { port, summaries } = await startGateway({ origin: http2Target(origin) });
    const response = await exchangeBytes(port, GET);
    expect(response).toContain('half');
    expect(response.endsWith('0\r\n\r\n')).toBe(false);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]?.code).toBe('ORIGIN_RESET');
  });

  it('that dies under half an answer does not make it look whole', async () => {
    const origin = await http2Origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half');
    });
    const { port, summaries } = await startGateway({ origin: http2Target(origin.port) });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees('half');
    origin.sessions[0]?.destroy(new Error('dead'), 2);
    expect((await client.closed()).endsWith('0\r\n\r\n')).toBe(false);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]?.code).toBe('ORIGIN_RESET');
  });

  it('hears at once of a user who leaves', async () => {
    const streams: ServerHttp2Stream[] = [];
    const { port: origin, sessions } = await http2Origin((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('some');
      streams.push(stream);
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees('some');
    const [stream] = streams as [ServerHttp2Stream];
    const closed = once(stream, 'close');
    client.socket.destroy();
    await closed;
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    // The connection goes on.
    expect(sessions[0]?.closed).toBe(false);
  });

  it('is spared by users who only ask and leave: others go over another connection', async () => {
    let answered = 0;
    const origin = await http2Origin((stream, headers) => {
      if (headers[':path'] === '/stay')
        return void setImmediate(() => answer(stream, `${++answered}`));
    });
    const { port } = await startGateway({ origin: http2Target(origin.port) });
    const leave = async (): Promise<void> => {
      const { length } = origin.requests;
      const client = await RawClient.connect(port);
      client.send(GET);
      await eventually(() => origin.requests.length > length, { everyMs: 1 });
      client.socket.destroy();
    };
    for (let round = 0; round < LIMITS.originHttp2GivenUp; round += 1) await leave();
    await eventually(() => origin.sessions[0]?.closed === true);
    const stay = await responseTo(startRequest(port, { path: '/stay' }).end());
    expect([stay.statusCode, origin.sessions.length]).toEqual([200, 2]);
  });

  it('that vanishes is noticed, and what is on the connection is answered', async () => {
    const clock = new FakeClock();
    const streams: ServerHttp2Stream[] = [];
    const behind = await http2Origin((stream) => void streams.push(stream));
    let isCut = false;
    const origin = await rawOrigin((socket) => {
      const on = connect(behind.port, '127.0.0.1');
      socket.on('data', (bytes) => isCut || on.write(bytes));
      on.on('data', (bytes) => isCut || socket.write(bytes));
      on.on('error', () => undefined);
      socket.on('close', () => on.destroy());
    });
    const { port } = await startGateway({ origin: http2Target(origin), pools: { clock } });
    const responses = [exchangeBytes(port, GET), exchangeBytes(port, GET)];
    await eventually(() => streams.length === 2);
    // As long as it answers PING it may take its time.
    for (let round = 0; round < 4; round += 1) {
      clock.run(LIMITS.http2WatchMs);
      const [session] = behind.sessions;
      await once(session as object as NodeJS.EventEmitter, 'ping');
      await new Promise<void>((resolve) => session?.ping(() => resolve()));
    }
    isCut = true;
    for (let round = 0; round <= LIMITS.http2SilentRounds; round += 1)
      clock.run(LIMITS.http2WatchMs);
    const codes = (await Promise.all(responses)).map((text) => `${statusIn(text)} ${codeIn(text)}`);
    expect(codes).toEqual(['504 ORIGIN_TIMEOUT', '504 ORIGIN_TIMEOUT']);
  });

  it('may send no more ahead of a slow user than its window', async () => {
    let sent = 0;
    const { port: origin } = await http2Origin((stream) => {
      stream.respond({ ':status': 200 });
      const chunk = Buffer.alloc(64 * 1024);
      const write = (): void => {
        while (!stream.destroyed && sent < 64 * 1024 * 1024) {
          sent += chunk.length;
          if (!stream.write(chunk)) return;
        }
      };
      stream.on('drain', write);
      write();
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const response = await responseTo(startRequest(port).end());
    response.pause();
    await untilStill(() => sent, { everyMs: 150 });
    // Its own window, what the sockets on the way hold, and a little in each process.
    expect(sent).toBeLessThan(LIMITS.originHttp2WindowBytes + 12 * 1024 * 1024);
    response.destroy();
  });

  it('whose head is too large is a broken one', async () => {
    const { port: origin } = await http2Origin((stream) => {
      stream.respond({ ':status': 200, 'x-large': 'a'.repeat(LIMITS.originHeadBytes + 1_000) });
      stream.end();
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const response = await exchangeBytes(port, GET);
    expect(statusIn(response)).toBe(502);
  });

  it('may say something before its answer', async () => {
    const { port: origin } = await http2Origin((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      answer(stream);
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const response = await exchangeBytes(port, GET);
    expect(response).toContain('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n');
    expect(response).toContain('HTTP/1.1 200 OK\r\n');
  });

  it('that takes too long to answer is given up, and the connection stays', async () => {
    const clock = new FakeClock();
    const streams: ServerHttp2Stream[] = [];
    const origin = await http2Origin((stream) => void streams.push(stream));
    const { port } = await startGateway({
      origin: http2Target(origin.port),
      pools: { clock, headersTimeoutMs: 5_000 },
    });
    const response = exchangeBytes(port, GET);
    await eventually(() => streams.length === 1);
    clock.run(5_001);
    expect([statusIn(await response), codeIn(await response)]).toEqual([504, 'ORIGIN_TIMEOUT']);
    expect(origin.sessions[0]?.closed).toBe(false);
  });

  it('is left when nothing was asked for some time', async () => {
    const clock = new FakeClock();
    const origin = await http2Origin((stream) => answer(stream));
    const { port, handler } = await startGateway({
      origin: http2Target(origin.port, { keepAliveTimeoutMs: 1_000 }),
      pools: { clock },
    });
    await exchangeBytes(port, GET);
    await eventually(() => handler.stats.origins.idle === 1);
    const closed = once(origin.sessions[0] as object as NodeJS.EventEmitter, 'close');
    clock.run(1_001);
    await closed;
    expect(handler.stats.origins).toEqual({ pools: 0, idle: 0, busy: 0 });
  });

  it('gets a WebSocket over HTTP/1.1', async () => {
    const origin = await rawOrigin((socket) => {
      socket.on('data', () =>
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
        ),
      );
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const client = await RawClient.connect(port);
    client.send(
      `GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    await client.sees('101 Switching Protocols');
  });
});
