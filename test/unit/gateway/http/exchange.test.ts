import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../../support/eventually.ts';
import {
  RawClient,
  codeIn,
  dial,
  exchangeBytes,
  fieldsIn,
  httpOrigin,
  onHeads,
  rawOrigin,
  responseTo,
  startGateway,
  startRequest,
  statusIn,
  targetAt,
  textOf,
} from './http-fixture.ts';

const H = 'Host: app.test\r\n';
const GET = `GET / HTTP/1.1\r\n${H}\r\n`;
const GET_AND_CLOSE = `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;

async function ask(port: number): Promise<IncomingMessage> {
  return responseTo(startRequest(port).end());
}

describe('a response', () => {
  it('keeps its status, reason, order, spelling and repeated fields', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write(
          'HTTP/1.1 207 Sort Of\r\nset-cookie: a=1\r\nX-Odd: 1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nx-odd: 3\r\n\r\nok',
        ),
      ),
    );
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees('ok');
    expect(client.text).toMatch(/^HTTP\/1\.1 207 Sort Of\r\n/);
    expect(client.text).toMatch(
      /set-cookie: a=1\r\nX-Odd: 1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nx-odd: 3/,
    );
  });

  it.each([204, 304])(
    'with status %i has no body and leaves both connections usable',
    async (status) => {
      let connections = 0;
      const origin = await rawOrigin((socket) => {
        connections += 1;
        onHeads(socket, () => socket.write(`HTTP/1.1 ${status} X\r\nETag: "a"\r\n\r\n`));
      });
      const { port } = await startGateway({ origin });
      const client = await RawClient.connect(port);
      for (let round = 1; round <= 3; round += 1) {
        client.send(GET);
        await eventually(() => client.text.split('ETag: "a"').length === round + 1);
        await client.sees(/\r\n\r\n$/);
      }
      expect(client.text).not.toMatch(/transfer-encoding/i);
      expect(connections).toBe(1);
    },
  );

  it.each(['Content-Length: 9', 'Transfer-Encoding: chunked'])(
    'with status 304 and %s ends without a body, and its connection goes on',
    async (framing) => {
      const origin = await rawOrigin((socket) =>
        onHeads(socket, () => socket.write(`HTTP/1.1 304 X\r\nETag: "a"\r\n${framing}\r\n\r\n`)),
      );
      const { port, handler, summaries } = await startGateway({ origin });
      const client = await RawClient.connect(port);
      for (const round of [1, 2, 3]) {
        client.send(GET);
        // oxlint-disable-next-line no-await-in-loop
        await eventually(() => client.text.split('ETag: "a"').length === round + 1);
        // oxlint-disable-next-line no-await-in-loop
        await eventually(() => summaries.length === round);
      }
      expect(summaries.map(({ status, code }) => [status, code])).toEqual([
        [304, undefined],
        [304, undefined],
        [304, undefined],
      ]);
      expect(handler.stats).toMatchObject({ requests: 0, origins: { busy: 0, idle: 0 } });
    },
  );

  it('to HEAD keeps its length and has no body', async () => {
    const origin = await httpOrigin((_request, response) => {
      response.setHeader('Content-Length', 1_000);
      response.end();
    });
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(`HEAD / HTTP/1.1\r\n${H}\r\n`);
    await client.sees(/\r\n\r\n/);
    expect(fieldsIn(client.text).get('content-length')).toEqual(['1000']);
    client.send(`HEAD / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    expect((await client.closed()).match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  });

  it('P8 has its trailers, announced where they were, and none that belongs into a head', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () =>
        socket.write(
          'HTTP/1.1 200 OK\r\nTrailer: X-Sum, Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n' +
            '2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nX-Sum: 2\r\n\r\n',
        ),
      ),
    );
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees('2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n');
    expect(fieldsIn(client.text).get('trailer')).toEqual(['X-Sum']);
    client.send(`HEAD / HTTP/1.1\r\n${H}\r\n`);
    await eventually(() => client.text.split('HTTP/1.1 200').length === 3);
    // To a user of HTTP/1.0 there is no place for them, nor for what announces them.
    const old = await exchangeBytes(port, `GET / HTTP/1.0\r\n${H}\r\n`);
    expect(old).toMatch(/\r\n\r\nok$/);
    expect(fieldsIn(old).has('trailer')).toBe(false);
  });

  it('of HTTP/1.0, which ends with its connection, arrives whole', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => socket.end('HTTP/1.0 200 OK\r\n\r\nold but gold')),
    );
    const { port } = await startGateway({ origin });
    expect(await textOf(await ask(port))).toBe('old but gold');
  });

  it('to a user of HTTP/1.0 is not chunked and ends with the connection', async () => {
    const origin = await httpOrigin((_request, response) => {
      response.write('one,');
      response.end('two');
    });
    const { port } = await startGateway({ origin });
    const response = await exchangeBytes(port, `GET / HTTP/1.0\r\n${H}\r\n`);
    expect(response).not.toMatch(/transfer-encoding/i);
    expect(response).toMatch(/\r\n\r\none,two$/);
  });

  it('passes 102 and 103 on, and drops what it cannot', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => {
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n');
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: %nonsense\r\n\r\n');
        socket.write('HTTP/1.1 102 Processing\r\n\r\n');
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }),
    );
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees(/ok$/);
    expect(client.text).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 200 OK/,
    );
  });

  it('reaches the user event by event', async () => {
    let stream: { write(text: string): void; end(): void } | undefined;
    const origin = await httpOrigin((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.flushHeaders();
      stream = response;
    });
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees('text/event-stream');
    for (let event = 0; event < 5; event += 1) {
      stream?.write(`data: ${event}\n\n`);
      await client.sees(`data: ${event}\n\n`);
    }
    stream?.end();
    await client.sees(/\r\n0\r\n\r\n$/);
  });
});

describe('a request body', () => {
  const body = randomBytes(3 * 1024 * 1024 + 17);

  it.each([
    ['a length', { 'Content-Length': String(body.length) }],
    ['chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('with %s arrives whole', async (_name, headers) => {
    const origin = await httpOrigin((request, response) => {
      const hash = createHash('sha256');
      request.on('data', (chunk: Buffer) => hash.update(chunk));
      request.on('end', () => response.end(hash.digest('hex')));
    });
    const { port } = await startGateway({ origin });
    const request = startRequest(port, { method: 'POST', headers });
    for (let at = 0; at < body.length; at += 50_000) request.write(body.subarray(at, at + 50_000));
    request.end();
    const response = await responseTo(request);
    expect(await textOf(response)).toBe(createHash('sha256').update(body).digest('hex'));
  });

  it('with Expect: 100-continue is asked for once the origin is connected', async () => {
    const origin = await httpOrigin((request, response) => {
      void textOf(request).then((text) => response.end(`${request.headers.expect} ${text}`));
    });
    let connect: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (connect = resolve));
    const open = async (): Promise<Socket> => {
      await gate;
      return dial(origin);
    };
    const { port } = await startGateway({ origin: targetAt(origin, { open }) });
    const client = await RawClient.connect(port);
    client.send(`PUT / HTTP/1.1\r\n${H}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n`);
    expect(client.text).toBe('');
    connect?.();
    await client.sees('HTTP/1.1 100 Continue\r\n\r\n');
    client.send('body');
    await client.sees('100-continue body');
  });

  it('with Expect: 100-continue is not asked for when nothing can take it', async () => {
    const { port } = await startGateway({ origin: 1 });
    const head = `PUT / HTTP/1.1\r\n${H}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n`;
    const response = await exchangeBytes(port, head);
    expect(response).not.toContain('100 Continue');
    expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_REFUSED']);
  });

  it('P36 that is still coming when the answer is there: no connection is used again', async () => {
    const closed: number[] = [];
    const origin = await rawOrigin((socket, index) => {
      socket.on('close', () => closed.push(index));
      socket.on('data', (bytes) => {
        const isUpload = bytes.toString('latin1').startsWith('POST');
        const length = isUpload
          ? 'Content-Length: 7\r\n\r\ntoo big'
          : 'Content-Length: 2\r\n\r\nok';
        if (isUpload || bytes.toString('latin1').startsWith('GET')) {
          socket.write(`HTTP/1.1 ${isUpload ? '413 No' : '200 OK'}\r\n${length}`);
        }
      });
    });
    const { port, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(`POST / HTTP/1.1\r\n${H}Content-Length: 100000\r\n\r\n${'x'.repeat(1_000)}`);
    await client.sees('too big');
    expect(fieldsIn(client.text).get('connection')).toEqual(['close']);
    // What is sent on is thrown away: it is neither a request nor a reason to lose the answer.
    client.send(`${'y'.repeat(98_000)}${GET}`);
    expect((await client.closed()).match(/HTTP\/1\.1/g)).toHaveLength(1);
    await eventually(() => closed.includes(0));
    expect(handler.stats.origins.idle).toBe(0);
    expect(statusIn(await exchangeBytes(port, GET_AND_CLOSE))).toBe(200);
  });

  it('that the parser refuses half-way is answered, and the origin never takes it for whole', async () => {
    let hasBegun = false;
    let sawEnd = false;
    let isClosed = false;
    const origin = await httpOrigin((request) => {
      request.on('end', () => (sawEnd = true)).on('data', () => (hasBegun = true));
      request.on('error', () => undefined);
      request.on('close', () => (isClosed = true));
    });
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(`POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    await eventually(() => hasBegun);
    client.send('zz\r\n');
    const response = await client.closed();
    expect([statusIn(response), codeIn(response)]).toEqual([400, 'HTTP_BAD_REQUEST']);
    await eventually(() => isClosed);
    expect(sawEnd).toBe(false);
  });
});

describe('a user who leaves', () => {
  it('while waiting ends the request at the origin at once', async () => {
    let isClosed = false;
    let socket: Socket | undefined;
    const origin = await rawOrigin((arrived) => {
      socket = arrived;
      arrived.on('data', () => undefined);
      arrived.on('close', () => (isClosed = true));
    });
    const { port, summaries, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await eventually(() => socket !== undefined);
    client.socket.destroy();
    await eventually(() => isClosed);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED', status: 0 });
    expect(handler.stats).toMatchObject({ requests: 0, origins: { busy: 0, idle: 0 } });
  });

  it('in the middle of an upload breaks it off at the origin', async () => {
    let isAborted = false;
    let hasBegun = false;
    const origin = await httpOrigin((request) => {
      request.on('error', () => undefined).on('data', () => (hasBegun = true));
      request.on('aborted', () => (isAborted = true));
    });
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(`POST / HTTP/1.1\r\n${H}Content-Length: 1000\r\n\r\nabc`);
    await eventually(() => hasBegun);
    client.socket.resetAndDestroy();
    await eventually(() => isAborted);
  });

  it('in the middle of a download ends it at the origin', async () => {
    let isClosed = false;
    const origin = await httpOrigin((_request, response) => {
      response.write('x'.repeat(100_000));
      response.on('close', () => (isClosed = true));
    });
    const { port, summaries } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(GET);
    await client.sees('xxx');
    client.socket.destroy();
    await eventually(() => isClosed);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED', status: 200 });
  });

  it('before the origin is connected gives the late connection back', async () => {
    const origin = await rawOrigin(() => undefined);
    let opened: Socket | undefined;
    let connect: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (connect = resolve));
    const open = async (): Promise<Socket> => {
      await gate;
      return (opened = await dial(origin));
    };
    const { port, summaries, handler } = await startGateway({ origin: targetAt(origin, { open }) });
    const client = await RawClient.connect(port);
    client.send(GET);
    await eventually(() => handler.stats.requests === 1);
    client.socket.destroy();
    await eventually(() => summaries.length === 1);
    connect?.();
    await eventually(() => opened?.destroyed === true);
    expect(handler.stats.origins.busy).toBe(0);
  });
});

describe('an origin that breaks off', () => {
  it.each([
    ['a response with a length', 'Content-Length: 100\r\n\r\nhalf'],
    ['a chunked response', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['a chunk', 'Transfer-Encoding: chunked\r\n\r\nff\r\nhalf'],
  ])('%s never gives the user a whole one', async (_name, rest) => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => socket.end(`HTTP/1.1 200 OK\r\n${rest}`)),
    );
    const { port, summaries } = await startGateway({ origin });
    const response = await ask(port);
    await expect(textOf(response)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await eventually(() => summaries.length === 1);
    expect(summaries[0]?.code).toMatch(/^ORIGIN_(?:RESET|BAD_RESPONSE)$/);
  });

  it('a response that ends with the connection resets the user of HTTP/1.0', async () => {
    let breakOff: (() => void) | undefined;
    const origin = await rawOrigin((socket) => {
      breakOff = () => socket.resetAndDestroy();
      onHeads(socket, () => socket.write('HTTP/1.0 200 OK\r\n\r\nhalf'));
    });
    const { port, summaries } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    const error = once(client.socket, 'error');
    client.send(`GET / HTTP/1.0\r\n${H}\r\n`);
    await client.sees('half');
    breakOff?.();
    expect(await error).toMatchObject([{ code: 'ECONNRESET' }]);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]?.code).toBe('ORIGIN_RESET');
  });

  it.each([
    ['closes without an answer', (socket: Socket) => socket.end(), 'ORIGIN_RESET'],
    ['resets', (socket: Socket) => socket.resetAndDestroy(), 'ORIGIN_RESET'],
    [
      'speaks something else',
      (socket: Socket) => socket.end('SSH-2.0-x\r\n'),
      'ORIGIN_BAD_RESPONSE',
    ],
    [
      'closes in its head',
      (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nA: b'),
      'ORIGIN_RESET',
    ],
    [
      'sends two lengths',
      (socket: Socket) =>
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
      'ORIGIN_BAD_RESPONSE',
    ],
    [
      'P35 sends a head that Node cannot write',
      (socket: Socket) => socket.end('HTTP/1.1 200 O\u0001K\r\nContent-Length: 0\r\n\r\n'),
      'ORIGIN_BAD_RESPONSE',
    ],
    [
      'switches protocols unasked',
      (socket: Socket) =>
        socket.write('HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n'),
      'ORIGIN_BAD_RESPONSE',
    ],
    [
      'sends a head without end',
      (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(100_000)}`),
      'ORIGIN_BAD_RESPONSE',
    ],
  ])('and %s is 502', async (_name, answer, code) => {
    const origin = await rawOrigin((socket) => onHeads(socket, () => answer(socket)));
    const { port } = await startGateway({ origin });
    const response = await exchangeBytes(port, GET_AND_CLOSE);
    expect([statusIn(response), codeIn(response)]).toEqual([502, code]);
  });

  it('behind a rule whose Host is no field value is refused, and no connection is kept', async () => {
    const origin = await rawOrigin(() => undefined);
    const { port, handler } = await startGateway({
      origin: targetAt(origin, { hostHeader: 'two\nlines' }),
    });
    expect(statusIn(await exchangeBytes(port, GET_AND_CLOSE))).toBe(400);
    await eventually(() => handler.stats.origins.busy === 0);
  });

  it('by never answering is 504', async () => {
    const origin = await rawOrigin((socket) => socket.resume());
    const { port } = await startGateway({ origin, pools: { headersTimeoutMs: 100 } });
    const response = await exchangeBytes(port, GET_AND_CLOSE);
    expect([statusIn(response), codeIn(response)]).toEqual([504, 'ORIGIN_TIMEOUT']);
  });
});
