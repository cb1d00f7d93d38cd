import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../../../src/core/clock.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { BuiltinOrigin, type BuiltinAnswer } from '../../../../src/connector/origin/builtin.ts';
import { eventually } from '../../../support/eventually.ts';

const identity = { tunnel: 'office', replica: '7f3c' };
const hello: BuiltinAnswer = { kind: 'hello-world' };

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function ask(
  answer: BuiltinAnswer,
  options: { method?: string; path?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  const builtin = new BuiltinOrigin(identity, systemClock);
  const request = httpRequest({
    host: 'hello.example.com',
    createConnection: () => builtin.connect(answer),
    ...rest,
  });
  request.end(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
  const content = await text(response);
  builtin.close();
  return { status: response.statusCode, headers: response.headers, body: content };
}

/** Everything that arrives until the other end ends, after `bytes` and our end. */
async function speak(connection: Duplex, bytes: string): Promise<string> {
  let received = '';
  connection.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk;
  });
  connection.end(bytes);
  await once(connection, 'end');
  return received;
}

describe('http_status', () => {
  it.each([
    [200, '200 OK\n'],
    [404, '404 Not Found\n'],
    [503, '503 Service Unavailable\n'],
    [999, '999\n'],
  ])('answers %i with a line of text', async (status, body) => {
    const answer = await ask({ kind: 'http-status', status });
    expect(answer).toMatchObject({ status, body });
    expect(answer.headers['content-length']).toBe(String(body.length));
  });

  it.each([204, 304])('answers %i without a body', async (status) => {
    const answer = await ask({ kind: 'http-status', status });
    expect(answer).toMatchObject({ status, body: '' });
    expect(answer.headers).not.toHaveProperty('content-length');
  });

  it('answers HEAD without a body', async () => {
    const answer = await ask({ kind: 'http-status', status: 404 }, { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 404, body: '' });
  });

  it('answers a WebSocket upgrade with its status', async () => {
    const headers = { connection: 'Upgrade', upgrade: 'websocket' };
    const answer = await ask({ kind: 'http-status', status: 403 }, { headers });
    expect(answer.status).toBe(403);
  });

  it('answers several requests on one connection, and reads their bodies', async () => {
    const builtin = new BuiltinOrigin(identity, systemClock);
    const connection = builtin.connect({ kind: 'http-status', status: 410 });
    const body = 'x'.repeat(200_000);
    const post = `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const answers = await speak(connection, post + post + 'GET / HTTP/1.0\r\n\r\n');
    expect(answers.match(/^HTTP\/1\.1 410 Gone/gm)).toHaveLength(3);
  });
});

describe('hello_world', () => {
  it('shows tunnel, replica and request on a page', async () => {
    const answer = await ask(hello, { path: '/some?q=1', headers: { 'x-request-id': 'abc123' } });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    for (const shown of ['office', '7f3c', 'GET /some?q=1 HTTP/1.1', 'x-request-id', 'abc123']) {
      expect(answer.body).toContain(shown);
    }
  });

  it('answers in JSON who asks for JSON', async () => {
    const headers = { accept: 'application/json', 'x-request-id': 'abc123' };
    const answer = await ask(hello, { method: 'POST', path: '/api', headers, body: 'ignored' });
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(answer.body)).toMatchObject({
      ...identity,
      method: 'POST',
      url: '/api',
      version: 'HTTP/1.1',
      headers: expect.arrayContaining([['x-request-id', 'abc123']]),
    });
  });

  it('answers a browser, which takes anything, with the page', async () => {
    const headers = { accept: 'text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8' };
    const answer = await ask(hello, { headers });
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
  });

  it('serves connections with different answers at the same time', async () => {
    const answers = await Promise.all([
      ask(hello),
      ask({ kind: 'http-status', status: 418 }),
      ask(hello),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 418, 200]);
  });
});

describe('BuiltinOrigin', () => {
  it('half-close: answers a client that has ended its side', async () => {
    const builtin = new BuiltinOrigin(identity, systemClock);
    const answer = await speak(builtin.connect(hello), 'GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*<\/html>\n$/);
  });

  it('answers what is not HTTP with 400 and closes', async () => {
    const builtin = new BuiltinOrigin(identity, systemClock);
    const connection = builtin.connect(hello);
    await expect(speak(connection, '\x16\x03\x01 hello?\r\n\r\n')).resolves.toMatch(
      /^HTTP\/1\.1 400 /,
    );
  });

  it('closes a connection that stays silent for the limit, and not one that speaks', async () => {
    const timers = new Map<object, () => void>();
    const clock: Clock = {
      ...systemClock,
      after: (delayMs, callback) => {
        expect(delayMs).toBe(LIMITS.builtinIdleMs);
        const timer = { cancel: () => timers.delete(timer) };
        timers.set(timer, callback);
        return timer;
      },
    };
    const connection = new BuiltinOrigin(identity, clock).connect(hello);
    const [first] = timers.keys();
    connection.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    connection.resume();
    await eventually(() => ![...timers.keys()].includes(first ?? {}));
    expect(timers.size).toBe(1);
    const closed = once(connection, 'end');
    for (const fire of timers.values()) fire();
    await closed;
    expect(timers.size).toBe(0);
  });

  it('close() ends every connection', async () => {
    const builtin = new BuiltinOrigin(identity, systemClock);
    const connections = [builtin.connect(hello), builtin.connect(hello)];
    for (const connection of connections) connection.resume().on('end', () => connection.end());
    const closed = Promise.all(connections.map((connection) => once(connection, 'close')));
    await turn();
    builtin.close();
    await closed;
  });

  it('survives a client that goes away in the middle of a request', async () => {
    const builtin = new BuiltinOrigin(identity, systemClock);
    const connection = builtin.connect(hello);
    connection.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf');
    await once(connection, 'readable');
    connection.destroy();
    await turn();
    await expect(ask(hello)).resolves.toMatchObject({ status: 200 });
  });
});
