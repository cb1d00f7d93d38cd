/** What users see of requests over HTTP/2: the same as over HTTP/1.1. */
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { clientCertificateOf } from '../../../../src/gateway/http/user/client-certificate.ts';
import { eventually } from '../../../support/eventually.ts';
import { FRAME } from '../../../support/http2-bytes.js';
import { headersFrame } from '../../../support/http2-frames.ts';
import { TestAuthority } from '../../../support/test-authority.ts';
import { dialTls } from '../../../support/tls-client.ts';
import {
  RawClient,
  fieldsIn,
  httpOrigin,
  onHeads,
  rawOrigin,
  statusIn,
  textOf,
} from '../http/http-fixture.ts';
import {
  CA,
  CLIENT,
  GET,
  answerOf,
  ask,
  begin,
  headOf,
  openFrames,
  openSession,
  startHttp2Gateway,
} from './http2-fixture.ts';

/** Another authority, which clients here do not trust. */
const RENEWED = await TestAuthority.create();

describe('a request over HTTP/2', () => {
  it('reaches the origin over HTTP/1.1 and is answered', async () => {
    let head = '';
    const origin = await rawOrigin((socket) =>
      onHeads(socket, (text) => {
        head = text;
        socket.write(
          'HTTP/1.1 207 Sort Of\r\nSet-Cookie: a=1\r\nX-Odd: 1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nX-odd: 3\r\n\r\nok',
        );
      }),
    );
    const { port, summaries } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const { status, headers, body } = await ask(session, {
      ':path': '/a/b?c=d',
      cookie: ['one=1', 'two=2'],
      te: 'trailers',
      'x-forwarded-for': '6.6.6.6',
      x_forwarded_host: 'evil.test',
    });
    expect(head).toMatch(/^GET \/a\/b\?c=d HTTP\/1\.1\r\n/);
    const fields = fieldsIn(head);
    expect(fields.get('host')).toEqual(['app.test']);
    expect(fields.get('cookie')).toEqual(['one=1; two=2']);
    expect(fields.get('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(fields.get('x-forwarded-proto')).toEqual(['https']);
    expect(fields.get('x-request-id')).toHaveLength(1);
    expect(fields.get('te')).toEqual(['trailers']);
    expect([...fields.keys()]).not.toEqual(expect.arrayContaining(['x_forwarded_host']));
    expect(status).toBe(207);
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(headers['x-odd']).toBe('1, 3');
    expect(body.toString()).toBe('ok');
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({
      status: 207,
      path: '/a/b',
      bytesSent: 2,
      code: undefined,
    });
  });

  it('with a body of unknown length arrives whole', async () => {
    const origin = await httpOrigin((request, response) => {
      void textOf(request).then((text) =>
        response.end(`${request.headers['transfer-encoding']} ${text}`),
      );
    });
    const { port, summaries } = await startHttp2Gateway({ origin });
    const stream = begin(await openSession(port), { ':method': 'POST' });
    stream.write('one ');
    stream.end('two');
    expect((await answerOf(stream)).body.toString()).toBe('chunked one two');
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ bytesReceived: 7, code: undefined });
  });

  it('whose body ends without a byte arrives', async () => {
    const origin = await httpOrigin((request, response) => {
      void textOf(request).then((text) => response.end(`${request.method}:${text}`));
    });
    const { port } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const methods = ['POST', 'GET', 'PUT', 'DELETE'];
    const answers = methods.map(async (method) => {
      const head = { ':method': method, ':authority': 'app.test', ':path': '/' };
      const stream = session.request(head, { endStream: false });
      stream.end();
      return (await answerOf(stream)).body.toString();
    });
    expect(await Promise.all(answers)).toEqual(methods.map((method) => `${method}:`));
  });

  it('that its user gives up ends at the origin at once', async () => {
    let isClosed = false;
    let response: ServerResponse | undefined;
    const origin = await httpOrigin((_request, arrived) => {
      response = arrived;
      arrived.on('close', () => (isClosed = true));
      arrived.write('half');
    });
    const { port, summaries, handler } = await startHttp2Gateway({ origin });
    const stream = begin(await openSession(port));
    await headOf(stream);
    expect(response).toBeDefined();
    stream.close(8);
    await eventually(() => isClosed);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED' });
    expect(handler.stats).toMatchObject({ requests: 0, connections: 1 });
  });

  it('shares its connection with others that run at the same time', async () => {
    const waiting: ServerResponse[] = [];
    const origin = await httpOrigin((_request, response) => waiting.push(response));
    const { port, handler } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const streams = Array.from({ length: 50 }, () => begin(session));
    await eventually(() => waiting.length === 50);
    expect(handler.stats).toMatchObject({ requests: 50, connections: 1 });
    for (const response of waiting.toReversed()) response.end('done');
    const answers = await Promise.all(streams.map(async (stream) => answerOf(stream)));
    expect(answers.every(({ status, body }) => status === 200 && body.toString() === 'done')).toBe(
      true,
    );
  });

  it('gets an error page where there is no route, and its connection goes on', async () => {
    const { port } = await startHttp2Gateway({ origin: 1 });
    const session = await openSession(port, { servername: 'other.test' });
    for (const method of ['GET', 'POST']) {
      const stream = begin(session, { ':authority': 'other.test', ':method': method });
      const { status, body, headers } = await answerOf(stream);
      expect(status).toBe(404);
      expect(body.toString()).toContain('ROUTE_NOT_FOUND');
      expect(headers['x-request-id']).toBeDefined();
    }
    expect(session.closed).toBe(false);
  });
});

describe('trailers over HTTP/2', () => {
  it('come behind the body, announced or not, and P8 none that belongs into a head', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write(
          'HTTP/1.1 200 OK\r\nTrailer: X-Sum, Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n' +
            '2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Other: a\r\nX-Other: b\r\nSet-Cookie: a=b\r\n\r\n',
        ),
      ),
    );
    const { port } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    for (const method of ['GET', 'POST']) {
      const stream = begin(session, { ':method': method });
      // Of a request that has not ended yet too: the rest is refused, and the trailers are read.
      if (method === 'POST') stream.write('half');
      const trailers: unknown[] = [];
      stream.on('trailers', (fields) => trailers.push([fields['x-sum'], fields['x-other']]));
      // oxlint-disable-next-line no-await-in-loop
      const { headers, body } = await answerOf(stream);
      expect(headers.trailer).toBe('X-Sum');
      expect(body.toString()).toBe('ok');
      expect(trailers).toEqual([['1', 'a, b']]);
    }
    expect(session.closed).toBe(false);
  });

  it('come also without a body, and an empty response without any is one frame', async () => {
    let trailers = 'X-Sum: 1\r\n';
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${trailers}\r\n`),
      ),
    );
    const { port } = await startHttp2Gateway({ origin });
    const client = await openFrames(port);
    client.send(headersFrame(1, GET));
    const isOver = (id: number): boolean =>
      client.frames.some(({ streamId, flags }) => streamId === id && (flags & 1) === 1);
    await eventually(() => isOver(1));
    const heads = client.frames.filter(
      ({ type, streamId }) => type === FRAME.headers && streamId === 1,
    );
    expect(heads).toHaveLength(2);
    trailers = '';
    client.send(headersFrame(3, GET));
    await eventually(() => isOver(3));
    expect(client.frames.filter(({ streamId }) => streamId === 3)).toHaveLength(1);
  });
});

describe('a response over HTTP/2', () => {
  it.each([204, 304])('with status %i has no body', async (status) => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => socket.write(`HTTP/1.1 ${status} X\r\nETag: "a"\r\n\r\n`)),
    );
    const { port } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    for (let times = 0; times < 2; times += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const { headers, body, ...rest } = await ask(session);
      expect(rest.status).toBe(status);
      expect(headers.etag).toBe('"a"');
      expect(body).toHaveLength(0);
    }
  });

  it('to HEAD has its length and no body, also where it is a page of ours', async () => {
    const origin = await httpOrigin((_request, response) => {
      response.setHeader('Content-Length', '12345');
      response.end();
    });
    const { port, summaries } = await startHttp2Gateway({ origin });
    const { status, headers, body } = await ask(await openSession(port), { ':method': 'HEAD' });
    expect({ status, length: headers['content-length'], body: body.length }).toEqual({
      status: 200,
      length: '12345',
      body: 0,
    });
    const other = await openSession(port, { servername: 'other.test' });
    const page = await ask(other, { ':method': 'HEAD', ':authority': 'other.test' });
    expect(page.status).toBe(404);
    expect(page.body).toHaveLength(0);
    await eventually(() => summaries.length === 2);
    expect(summaries.map(({ code }) => code)).toEqual([undefined, 'ROUTE_NOT_FOUND']);
  });

  it('is preceded by 102, 103 and 100 where they are due', async () => {
    const origin = await httpOrigin((request, response) => {
      response.writeProcessing();
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      request.pipe(response);
    });
    const { port } = await startHttp2Gateway({ origin });
    const stream = begin(await openSession(port), {
      ':method': 'POST',
      expect: '100-continue',
      'content-length': 4,
    });
    const informed: unknown[] = [];
    stream.on('headers', (headers) => informed.push([headers[':status'], headers['link']]));
    stream.on('continue', () => stream.end('body'));
    expect((await answerOf(stream)).body.toString()).toBe('body');
    expect(informed).toEqual(
      expect.arrayContaining([
        [100, undefined],
        [102, undefined],
        [103, '</a.css>; rel=preload'],
      ]),
    );
  });

  it('that comes before the end of the request is whole, and the rest is refused without an error', async () => {
    const origin = await httpOrigin((_request, response) => {
      response.writeHead(413, { Connection: 'close' });
      response.end('too much');
    });
    const { port, summaries } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    const stream = begin(session, { ':method': 'POST' });
    stream.write(Buffer.alloc(100_000));
    const { status, body } = await answerOf(stream);
    expect({ status, body: body.toString() }).toEqual({ status: 413, body: 'too much' });
    expect(stream.rstCode).toBe(0);
    await eventually(() => summaries.length === 1);
    expect(await ask(session)).toMatchObject({ status: 413 });
  });

  it.each(['Content-Length: 100\r\n\r\nhalf', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'])(
    'that breaks off at the origin breaks off for its user, and only that one: %j',
    async (half) => {
      let isBroken = false;
      const origin = await rawOrigin((socket) =>
        onHeads(socket, () => {
          if (isBroken) {
            socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
            return;
          }
          isBroken = true;
          socket.write(`HTTP/1.1 200 OK\r\n${half}`, () => setImmediate(() => socket.end()));
        }),
      );
      const { port, summaries } = await startHttp2Gateway({ origin });
      const session = await openSession(port);
      const stream = begin(session);
      let hasEnd = false;
      stream.on('end', () => (hasEnd = true));
      await expect(answerOf(stream)).rejects.toThrow(/code (?:2|NGHTTP2_INTERNAL_ERROR)/);
      expect(hasEnd).toBe(false);
      await eventually(() => summaries.length === 1);
      expect(summaries[0]).toMatchObject({ code: 'ORIGIN_RESET' });
      expect(await ask(session)).toMatchObject({ status: 200 });
    },
  );

  it('that is cut with all connections never looks whole', async () => {
    const origin = await httpOrigin((_request, response) => response.write('half'));
    const { port, handler } = await startHttp2Gateway({ origin });
    const client = await openFrames(port);
    client.send(headersFrame(1, GET));
    await client.first(FRAME.data, 1);
    handler.close();
    await client.closed();
    expect(client.frames.filter(({ type, flags }) => type === FRAME.data && flags !== 0)).toEqual(
      [],
    );
  });

  it('with a status that HTTP/2 does not have is not passed on', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => socket.write('HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\nx')),
    );
    const { port } = await startHttp2Gateway({ origin });
    const session = await openSession(port);
    expect(await ask(session)).toMatchObject({ status: 502 });
    expect(session.closed).toBe(false);
  });

  it('with fields that are not valid HTTP is not passed on', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write('HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n'),
      ),
    );
    const { port } = await startHttp2Gateway({ origin });
    const { status, body } = await ask(await openSession(port));
    expect(status).toBe(502);
    expect(body.toString()).toContain('ORIGIN_BAD_RESPONSE');
  });

  it('with a field twice that may be there once keeps the first', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write(
          'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n',
        ),
      ),
    );
    const { port } = await startHttp2Gateway({ origin });
    const { headers } = await ask(await openSession(port));
    expect(headers['content-type']).toBe('text/plain');
  });
});

it('a client certificate is known on every request, a renewed certificate serves new connections', async () => {
  const names: unknown[] = [];
  const { port, server } = await startHttp2Gateway({
    origin: await httpOrigin((_request, response) => response.end('ok')),
    intercept: {
      request: ({ socket }) => {
        names.push(clientCertificateOf(socket)?.names);
        return false;
      },
    },
  });
  const session = await openSession(port, { client: CLIENT });
  await ask(session);
  await ask(await openSession(port));
  server.setSecureContext({ ...(await RENEWED.issue({ dns: ['app.test'] })), ca: CA });
  await expect(openSession(port)).rejects.toThrow(/certificate/);
  expect(await ask(session)).toMatchObject({ status: 200 });
  expect(names).toEqual([['laptop.test'], undefined, ['laptop.test']]);
});

it('HTTP/1.1 and HTTP/1.0 are served on the same port', async () => {
  const origin = await httpOrigin((_request, response) => response.end('ok'));
  const { port } = await startHttp2Gateway({ origin });
  for (const protocol of ['http/1.1', 'http/1.0', undefined]) {
    const { socket } = dialTls(port, {
      ca: CA,
      servername: 'app.test',
      ...(protocol !== undefined && { ALPNProtocols: [protocol] }),
    });
    const client = new RawClient(socket);
    client.send('GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n');
    // oxlint-disable-next-line no-await-in-loop
    expect(statusIn(await client.closed())).toBe(200);
  }
});
