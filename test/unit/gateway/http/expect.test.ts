/** Bodies that wait: for an origin that was asked with Expect, or for their user. */
import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import { eventually } from '../../../support/eventually.ts';
import { begin, answerOf, openSession, startHttp2Gateway } from '../http2/http2-fixture.ts';
import { RawClient, fieldsIn, rawOrigin, startGateway, statusIn } from './http-fixture.ts';

const H = 'Host: app.test\r\n';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const LENGTH = 'Content-Length: 4\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const EXPECT = 'Expect: 100-continue\r\n';

/** An origin that says nothing by itself. */
async function silentOrigin(): Promise<{
  port: number;
  sockets: Socket[];
  /** What its last connection received. */
  text: () => string;
  say: (bytes: string) => void;
}> {
  const sockets: Socket[] = [];
  let received = '';
  const port = await rawOrigin((socket) => {
    sockets.push(socket);
    received = '';
    socket.on('data', (bytes) => (received += bytes.toString('latin1')));
  });
  const say = (bytes: string): void => void sockets.at(-1)?.write(bytes);
  return { port, sockets, text: () => received, say };
}

const put = (fields: string): string => `PUT /up?x HTTP/1.1\r\n${H}${fields}\r\n`;

describe('a request with Expect: 100-continue', () => {
  it.each([
    ['a length', LENGTH, 'body', 'body'],
    ['chunks', CHUNKED, '4\r\nbody\r\n0\r\n\r\n', '4\r\nbody\r\n0\r\n\r\n'],
    ['no chunk', CHUNKED, '0\r\n\r\n', '0\r\n\r\n'],
  ])('and %s is asked for when the origin asks', async (_what, framing, body, arrived) => {
    const origin = await silentOrigin();
    const { port, handler, summaries } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(put(`${framing}${EXPECT}X-A: 1\r\n`));
    await eventually(() => origin.text().endsWith('\r\n\r\n'));
    expect(origin.text()).toMatch(/^PUT \/up\?x HTTP\/1\.1\r\n/);
    const fields = fieldsIn(origin.text());
    expect(fields.get('expect')).toEqual(['100-continue']);
    expect(fields.get('x-a')).toEqual(['1']);
    expect(fields.get('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(fields.get(framing.split(':')[0]?.toLowerCase() ?? '')).toHaveLength(1);
    expect(client.text).toBe('');
    const head = origin.text();
    origin.say(CONTINUE);
    await client.sees(CONTINUE);
    client.send(body);
    await eventually(() => origin.text() === head + arrived);
    origin.say(OK);
    await client.sees('ok');
    expect(client.text.split('100 Continue')).toHaveLength(2);
    await eventually(() => summaries.length === 1);
    // Both connections carry another.
    await eventually(() => handler.stats.origins.idle === 1);
    client.send(`GET /next HTTP/1.1\r\n${H}\r\n`);
    await eventually(() => origin.text().includes('GET /next'));
    origin.say(OK);
    await eventually(() => client.text.split('ok').length === 3);
    expect(origin.sockets).toHaveLength(1);
  });

  it.each([401, 417, 200])('that the origin answers with %i needs no body', async (status) => {
    const origin = await silentOrigin();
    const { port, handler } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(put(LENGTH + EXPECT));
    await eventually(() => origin.text().endsWith('\r\n\r\n'));
    origin.say(`HTTP/1.1 ${status} X\r\nContent-Length: 2\r\n\r\nno`);
    const text = await client.closed();
    expect(statusIn(text)).toBe(status);
    expect(text).not.toContain('100 Continue');
    expect(fieldsIn(text).get('connection')).toEqual(['close']);
    await eventually(() => handler.stats.origins.busy === 0);
    expect(handler.stats.origins.idle).toBe(0);
  });

  it('waits for an origin that says nothing no longer than it must, and a late 100 harms nobody', async () => {
    const origin = await silentOrigin();
    const { port } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    const before = performance.now();
    client.send(put(LENGTH + EXPECT));
    await client.sees(CONTINUE);
    expect(performance.now() - before).toBeGreaterThan(LIMITS.continueMs - 50);
    client.send('body');
    await eventually(() => origin.text().endsWith('\r\n\r\nbody'));
    origin.say(CONTINUE + CONTINUE + OK);
    await client.sees('ok');
    expect(client.text.split('100 Continue')).toHaveLength(2);
  });

  it('hears what else the origin says first, byte by byte', async () => {
    const origin = await silentOrigin();
    const { port } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(put(LENGTH + EXPECT));
    await eventually(() => origin.text().endsWith('\r\n\r\n'));
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
    for (const byte of `HTTP/1.1 102 Processing\r\n\r\n${hints}${CONTINUE}`) {
      origin.say(byte);
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.sees(CONTINUE);
    expect(client.text).toMatch(/^HTTP\/1\.1 102 [^]*HTTP\/1\.1 103 [^]*HTTP\/1\.1 100 /);
    client.send('body');
    await eventually(() => origin.text().endsWith('body'));
    for (const byte of OK) {
      origin.say(byte);
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.sees('ok');
  });

  it.each(['nonsense\r\n\r\n', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'])(
    'that is answered with %j gets a page',
    async (bytes) => {
      const origin = await silentOrigin();
      const { port } = await startGateway({ origin: origin.port });
      const client = await RawClient.connect(port);
      client.send(put(LENGTH + EXPECT));
      await eventually(() => origin.text().endsWith('\r\n\r\n'));
      origin.say(bytes);
      expect(statusIn(await client.closed())).toBe(502);
    },
  );

  it('ends at the origin at once when its user leaves while it waits', async () => {
    const origin = await silentOrigin();
    const { port, summaries } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(put(LENGTH + EXPECT));
    await eventually(() => origin.text().endsWith('\r\n\r\n'));
    client.socket.destroy();
    await eventually(() => origin.sockets[0]?.readableEnded === true);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED', bytesReceived: 0 });
  });

  it('is the same over HTTP/2', async () => {
    const origin = await silentOrigin();
    const { port } = await startHttp2Gateway({ origin: origin.port });
    const stream = begin(await openSession(port), { ':method': 'PUT', expect: '100-continue' });
    await eventually(() => origin.text().endsWith('\r\n\r\n'));
    expect(fieldsIn(origin.text()).get('expect')).toEqual(['100-continue']);
    let isAsked = false;
    stream.on('continue', () => {
      isAsked = true;
      stream.end('body');
    });
    expect(isAsked).toBe(false);
    origin.say(CONTINUE);
    await eventually(() => origin.text().endsWith('4\r\nbody\r\n0\r\n\r\n'));
    origin.say(OK);
    expect(await answerOf(stream)).toMatchObject({ status: 200 });
  });
});

describe('a body that does not come at once', () => {
  it.each([
    ['a length', LENGTH, ['bo', 'dy'], 'body'],
    ['chunks', CHUNKED, ['2\r\nbo\r\n', '2\r\ndy\r\n0\r\n\r\n'], '2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n'],
    ['no chunk', CHUNKED, ['0\r\n', '\r\n'], '0\r\n\r\n'],
  ])('of %s: the origin has the head', async (_what, framing, pieces, arrived) => {
    const origin = await silentOrigin();
    const { port, handler } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    for (const round of [1, 2]) {
      client.send(put(framing));
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => origin.text().endsWith('\r\n\r\n') && handler.stats.requests === 1);
      const head = origin.text();
      expect(fieldsIn(head).has('expect')).toBe(false);
      for (const piece of pieces) {
        client.send(piece);
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => setImmediate(resolve));
      }
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => origin.text() === head + arrived);
      origin.say(OK);
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => client.text.split('ok').length === round + 1);
      // oxlint-disable-next-line no-await-in-loop
      await eventually(() => handler.stats.requests === 0);
    }
    expect(origin.sockets).toHaveLength(1);
  });

  it('does not hold up the answer, which may come before the first byte', async () => {
    const origin = await silentOrigin();
    const { port } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(put(CHUNKED));
    await eventually(() => origin.text().endsWith('\r\n\r\n'));
    origin.say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    await client.sees('hello');
    client.send('2\r\nhi\r\n');
    await eventually(() => origin.text().endsWith('2\r\nhi'));
    origin.say('3\r\nbye\r\n');
    await client.sees('bye');
    client.send('0\r\n\r\n');
    await eventually(() => origin.text().endsWith('0\r\n\r\n'));
    origin.say('0\r\n\r\n');
    await client.sees('0\r\n\r\n');
  });
});
