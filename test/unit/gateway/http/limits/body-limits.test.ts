/** P36: bodies that are too large, over HTTP/1.1 and HTTP/2, with a real origin that says what reached it. */
import { describe, expect, it } from '@jest/globals';
import type { Admission, RequestGate } from '../../../../../src/gateway/http/request-gate.ts';
import type { ApplicationLimits } from '../../../../../src/gateway/http/limits/request-limits.ts';
import { eventually } from '../../../../support/eventually.ts';
import { CODE } from '../../../../support/http2-frames.ts';
import { ask, begin, headOf, openSession, startHttp2Gateway } from '../../http2/http2-fixture.ts';
import {
  codeIn,
  exchangeBytes,
  httpOrigin,
  RawClient,
  startGateway,
  statusIn,
  type Gateway,
} from '../http-fixture.ts';

const MOST = 1_000;

interface Lab extends Gateway {
  /** What each request brought to the origin: its path, its bytes, and whether it came whole. */
  readonly reached: { path: string; bytes: number; isWhole: boolean }[];
}

async function startOrigin(reached: Lab['reached']): Promise<number> {
  return httpOrigin((request, response) => {
    const entry = { path: request.url ?? '', bytes: 0, isWhole: false };
    reached.push(entry);
    request.on('data', (chunk: Buffer) => {
      entry.bytes += chunk.length;
    });
    request.on('error', () => undefined);
    request.on('end', () => {
      entry.isWhole = true;
      response.end('ok');
    });
  });
}

async function start(): Promise<Lab> {
  const reached: Lab['reached'] = [];
  const origin = await startOrigin(reached);
  return { ...(await startGateway({ origin, limits: { maxBodyBytes: MOST } })), reached };
}

const post = (fields: string, body: string): string =>
  `POST /up HTTP/1.1\r\nHost: app.test\r\n${fields}\r\n\r\n${body}`;

/** Another request, smuggled in as a body. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n';

describe('P36 a body over HTTP/1.1', () => {
  it('of just the limit passes', async () => {
    const { port, reached } = await start();
    const body = 'x'.repeat(MOST);
    const fields = `Content-Length: ${MOST}\r\nConnection: close`;
    expect(statusIn(await exchangeBytes(port, post(fields, body)))).toBe(200);
    const chunked = `${MOST.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const fieldsOfChunked = 'Transfer-Encoding: chunked\r\nConnection: close';
    expect(statusIn(await exchangeBytes(port, post(fieldsOfChunked, chunked)))).toBe(200);
    expect(reached.map(({ bytes }) => bytes)).toEqual([MOST, MOST]);
  });

  it('that says that it is too large never reaches the origin, and what follows is no request', async () => {
    const { port, reached, summaries } = await start();
    const response = await exchangeBytes(
      port,
      post(`Content-Length: ${MOST + 1}`, `${'x'.repeat(MOST + 1)}${SMUGGLED}`),
    );
    expect([statusIn(response), codeIn(response)]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
    expect(response.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(response).toMatch(/\r\nConnection: close\r\n/i);
    expect(reached).toEqual([]);
    expect(summaries).toEqual([expect.objectContaining({ status: 413 })]);
  });

  it('that waits for 100 Continue is refused before it is sent', async () => {
    const { port } = await start();
    const client = await RawClient.connect(port);
    client.send(post(`Content-Length: ${MOST + 1}\r\nExpect: 100-continue`, ''));
    const response = await client.closed();
    expect(statusIn(response)).toBe(413);
    expect(response).not.toContain('100 Continue');
  });

  it('in chunks that grows too large is cut, at the origin too, and its connections are used no more', async () => {
    const { port, reached, handler } = await start();
    const chunk = `100\r\n${'x'.repeat(256)}\r\n`;
    const client = await RawClient.connect(port);
    client.send(post('Transfer-Encoding: chunked', chunk.repeat(3)));
    await eventually(() => reached[0]?.bytes === 768, { what: 'the part that is allowed' });
    client.send(`${chunk}0\r\n\r\n${SMUGGLED}`);
    const response = await client.closed();
    expect([statusIn(response), codeIn(response)]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
    expect(response.match(/HTTP\/1\.1/g)).toHaveLength(1);
    await eventually(() => handler.stats.origins.busy + handler.stats.origins.idle === 0, {
      what: 'the end of the connection to the origin',
    });
    expect(reached).toEqual([{ path: '/up', bytes: 768, isWhole: false }]);
    const after = await exchangeBytes(port, post('Content-Length: 2\r\nConnection: close', 'ok'));
    expect(statusIn(after)).toBe(200);
  });

  it('that is too large is told so when the origin has begun to answer: the response breaks off', async () => {
    const origin = await httpOrigin((request, response) => {
      request.on('error', () => undefined);
      request.once('data', () => response.write('early'));
      request.resume();
    });
    const { port } = await startGateway({ origin, limits: { maxBodyBytes: MOST } });
    const client = await RawClient.connect(port);
    client.send(post('Transfer-Encoding: chunked', `1\r\nx\r\n`));
    await client.sees('early');
    client.send(`${MOST.toString(16)}\r\n${'x'.repeat(MOST)}\r\n`);
    expect(await client.closed()).not.toContain('0\r\n\r\n');
  });
});

describe('P36 a body over HTTP/2', () => {
  async function startSecure(): Promise<Lab> {
    const reached: Lab['reached'] = [];
    const origin = await startOrigin(reached);
    return { ...(await startHttp2Gateway({ origin, limits: { maxBodyBytes: MOST } })), reached };
  }
  const head = { ':method': 'POST', ':path': '/up' };

  it('that says that it is too large is refused alone: the connection goes on', async () => {
    const { port, reached } = await startSecure();
    const session = await openSession(port);
    const stream = begin(session, { ...head, 'content-length': String(MOST + 1) });
    expect(await headOf(stream)).toMatchObject({ ':status': 413 });
    await eventually(() => stream.closed, { what: 'the end of the stream' });
    expect(stream.rstCode).toBe(CODE.none);
    expect(reached).toEqual([]);
    expect(await ask(session, head, 'ok')).toMatchObject({ status: 200 });
  });

  it('without a length that grows too large is answered 413, and cut at the origin', async () => {
    const { port, reached, handler } = await startSecure();
    const session = await openSession(port);
    const stream = begin(session, head);
    stream.write(Buffer.alloc(MOST));
    await eventually(() => reached[0]?.bytes === MOST, { what: 'the part that is allowed' });
    stream.write(Buffer.alloc(1));
    const { ':status': status } = await headOf(stream);
    expect(status).toBe(413);
    await eventually(() => handler.stats.origins.busy === 0, { what: 'no origin connection' });
    expect(reached).toEqual([{ path: '/up', bytes: MOST, isWhole: false }]);
    expect(await ask(session, head, 'x'.repeat(MOST))).toMatchObject({ status: 200 });
  });
});

describe('the limit of an application', () => {
  const gate = (application: ApplicationLimits): RequestGate => ({
    admit: (): Admission => ({
      kind: 'pass',
      pass: {
        identityHeaders: [],
        ownsAuthorization: false,
        application,
        hold: () => ({ release: () => undefined }),
      },
    }),
  });

  it.each([
    [{ name: 'own', maxBodyBytes: 2_000 }, 2_000, 200],
    [{ name: 'own', maxBodyBytes: 2_000 }, 2_001, 413],
    [{ name: 'none', maxBodyBytes: 0 }, 5_000, 200],
    [{ name: 'as all' }, MOST, 200],
    [{ name: 'as all' }, MOST + 1, 413],
  ])('%j makes a body of %i end with %i', async (application, bytes, status) => {
    const origin = await startOrigin([]);
    const limits = { maxBodyBytes: MOST };
    const { port } = await startGateway({ origin, limits, gate: gate(application) });
    const fields = `Content-Length: ${bytes}\r\nConnection: close`;
    expect(statusIn(await exchangeBytes(port, post(fields, 'x'.repeat(bytes))))).toBe(status);
  });

  it('holds back requests and WebSockets beyond its number, and takes others when one has ended', async () => {
    const waiting: (() => void)[] = [];
    const origin = await httpOrigin(
      (_request, response) => void waiting.push(() => response.end()),
    );
    const busy = { name: 'busy', maxRequests: 2 };
    const { port, summaries } = await startGateway({ origin, gate: gate(busy) });
    const get = 'GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n';
    const open = [exchangeBytes(port, get), exchangeBytes(port, get)];
    await eventually(() => waiting.length === 2, { what: 'both at the origin' });
    const refused = await exchangeBytes(port, get);
    expect([statusIn(refused), codeIn(refused)]).toEqual([503, 'HTTP_APPLICATION_LIMIT']);
    expect(refused).toMatch(/\r\nRetry-After: 5\r\n/i);
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
    const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    const webSocket = `GET / HTTP/1.1\r\nHost: app.test\r\n${upgrade}${key}\r\n`;
    expect(statusIn(await exchangeBytes(port, webSocket))).toBe(503);
    for (const end of waiting.splice(0)) end();
    expect((await Promise.all(open)).map(statusIn)).toEqual([200, 200]);
    await eventually(() => summaries.length === 4, { what: 'the end of all of them' });
    const next = exchangeBytes(port, get);
    await eventually(() => waiting.length === 1, { what: 'another one at the origin' });
    waiting[0]?.();
    expect(statusIn(await next)).toBe(200);
  });
});
