/** Trailers of requests on their way to origins that speak HTTP/1.1, byte by byte. */
import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../../support/eventually.ts';
import { answerOf, openSession, startHttp2Gateway } from '../http2/http2-fixture.ts';
import { RawClient, fieldsIn, rawOrigin, startGateway, targetAt } from './http-fixture.ts';

const HEAD = 'POST /up HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** An origin that answers when the test says so. */
async function quietOrigin(): Promise<{
  readonly port: number;
  /** What each connection received, without the head. */
  readonly bodies: () => string[];
  readonly heads: () => Map<string, string[]>[];
  readonly say: (bytes: string) => void;
  readonly sockets: Socket[];
}> {
  const sockets: Socket[] = [];
  const received: string[] = [];
  const port = await rawOrigin((socket, index) => {
    sockets.push(socket);
    received.push('');
    socket.on('data', (bytes) => (received[index] += bytes.toString('latin1')));
  });
  return {
    port,
    sockets,
    bodies: () => received.map((text) => text.replace(/^[^]*?\r\n\r\n/, '')),
    heads: () => received.map((text) => fieldsIn(text)),
    say: (bytes) => void sockets.at(-1)?.write(bytes),
  };
}

/** A user, a gateway and an origin that speak HTTP/1.1. */
async function startChain() {
  const origin = await quietOrigin();
  const { port, handler } = await startGateway({ origin: origin.port });
  return { origin, handler, client: await RawClient.connect(port) };
}

describe('trailers of a request to an origin of HTTP/1.1', () => {
  it.each([
    ['announced', 'Trailer: X-Sum, X-Other', ['X-Sum, X-Other']],
    ['not announced', 'X-A: 1', undefined],
  ])('arrive behind the last chunk, %s', async (_what, field, announced) => {
    const { origin, client } = await startChain();
    // What ends a body may stand in it.
    const body = '9\r\nab\r\n0\r\n\r\n\r\n7\r\n\r\n0\r\n\r\n\r\n';
    client.send(`${HEAD}${field}\r\n\r\n${body}0\r\nX-Sum: 1\r\nX-Other: a,  b: c\r\n\r\n`);
    const arrived = `${body}0\r\nX-Sum: 1\r\nX-Other: a,  b: c\r\n\r\n`;
    await eventually(() => expect(origin.bodies().join('')).toBe(arrived));
    expect(origin.heads()[0]?.get('trailer')).toEqual(announced);
    origin.say(OK);
    await client.sees('ok');
  });

  it.each([
    ['at once', ''],
    ['to an origin that is asked for it', 'Expect: 100-continue\r\n'],
  ])('arrive behind a body without a byte, %s', async (_what, expects) => {
    const { origin, client } = await startChain();
    client.send(`${HEAD}${expects}\r\n`);
    if (expects !== '') {
      await eventually(() => expect(origin.heads()[0]?.has('expect')).toBe(true));
      origin.say('HTTP/1.1 100 Continue\r\n\r\n');
      await client.sees('100 Continue');
    }
    client.send('0\r\nX-Sum: 1\r\n\r\n');
    await eventually(() => expect(origin.bodies()).toEqual(['0\r\nX-Sum: 1\r\n\r\n']));
    expect(origin.heads()[0]?.get('transfer-encoding')).toEqual(['chunked']);
    expect(origin.heads()[0]?.has('content-length')).toBe(false);
    origin.say(OK);
    await client.sees('200 OK');
  });

  it('arrive behind a body that came after a while', async () => {
    const { origin, client } = await startChain();
    client.send(`${HEAD}\r\n`);
    await eventually(() => expect(origin.bodies()).toEqual(['']));
    client.send('2\r\nab\r\n');
    await eventually(() => expect(origin.bodies()).toEqual(['2\r\nab']));
    client.send('0\r\nX-Sum: 1\r\n\r\n');
    await eventually(() => expect(origin.bodies()).toEqual(['2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n']));
    origin.say(OK);
    await client.sees('ok');
  });

  it('end the connection with its response, and the next request has another', async () => {
    const { origin, client, handler } = await startChain();
    const body = '2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n';
    client.send(`${HEAD}\r\n${body}`);
    await eventually(() => expect(origin.bodies()).toEqual([body]));
    // An origin that knows no trailers, and took them for a request.
    origin.say(`${OK}${OK.replace('ok', 'no')}`);
    await client.sees('ok');
    await eventually(() => expect(handler.stats.origins).toMatchObject({ idle: 0, busy: 0 }));
    client.send(`${HEAD}\r\n2\r\nab\r\n0\r\n\r\n`);
    await eventually(() => expect(origin.bodies()).toHaveLength(2));
    origin.say(OK);
    await eventually(() => expect(client.text.split('200 OK')).toHaveLength(3));
    expect(client.text).not.toContain('no');
    await eventually(() => expect(handler.stats.origins.idle).toBe(1));
  });

  it('P8 say nothing that only a head may say, nor what Connection lists', async () => {
    const { origin, client } = await startChain();
    const evil = ['Host: evil', 'X_Forwarded_For: 1.2.3.4', 'Postern-Access-Email: eve', 'TE: a'];
    const more = ['Authorization: eve', 'Cookie: a=b', 'X-Hop: 1', 'Connection: close'];
    const names = [...evil, ...more].map((line) => line.split(':')[0]);
    client.send(`${HEAD}Connection: close, X-Hop\r\nTrailer: ${names.join(',')}, X-B\r\n\r\n`);
    client.send(`2\r\nab\r\n0\r\n${[...evil, ...more, 'X-B: 1'].join('\r\n')}\r\n\r\n`);
    await eventually(() => expect(origin.bodies()).toEqual(['2\r\nab\r\n0\r\nX-B: 1\r\n\r\n']));
    expect(origin.heads()[0]?.get('trailer')).toEqual(['X-B']);
    origin.say(OK);
    await client.sees('ok');
  });

  it('P8 of which none is left change nothing', async () => {
    const { origin, client, handler } = await startChain();
    client.send(`${HEAD}Trailer: Host\r\n\r\n2\r\nab\r\n0\r\nHost: evil\r\n\r\n`);
    await eventually(() => expect(origin.bodies()).toEqual(['2\r\nab\r\n0\r\n\r\n']));
    expect(origin.heads()[0]?.has('trailer')).toBe(false);
    origin.say(OK);
    await client.sees('ok');
    await eventually(() => expect(handler.stats.origins.idle).toBe(1));
  });

  it('have no place behind a body that is sent with its length', async () => {
    const origin = await quietOrigin();
    const target = targetAt(origin.port, { wholeBodies: true });
    const { port } = await startGateway({ origin: target });
    const client = await RawClient.connect(port);
    client.send(`${HEAD}Trailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n`);
    await eventually(() => expect(origin.bodies()).toEqual(['ab']));
    expect(origin.heads()[0]?.has('trailer')).toBe(false);
    origin.say(OK);
    await client.sees('ok');
  });

  it('harm nobody where the answer comes first', async () => {
    const { origin, client, handler } = await startChain();
    client.send(`${HEAD}\r\n2\r\nab\r\n`);
    await eventually(() => expect(origin.bodies()).toEqual(['2\r\nab']));
    origin.say(OK);
    await client.sees('ok');
    client.send('0\r\nX-Sum: 1\r\n\r\n');
    await client.closed();
    await eventually(() => expect(handler.stats.origins).toMatchObject({ idle: 0, busy: 0 }));
  });

  it('that are more than a head may be end the request', async () => {
    const { origin, client } = await startChain();
    client.send(`${HEAD}\r\n2\r\nab\r\n0\r\nX-Sum: ${'1'.repeat(200_000)}\r\n\r\n`);
    await client.closed();
    expect(client.text).not.toContain('200');
    expect(origin.bodies().join('')).not.toContain('0\r\n');
  });
});

describe('trailers over HTTP/2 to an origin of HTTP/1.1', () => {
  it.each<[string, Record<string, string>, string | undefined, string]>([
    ['in chunks', { trailer: 'x-sum' }, 'ab', '2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n'],
    ['without a byte', {}, undefined, '0\r\nx-sum: 1\r\n\r\n'],
    // There is no place for them, and the length is what the origin may insist on.
    ['of a length', { 'content-length': '2', trailer: 'x-sum' }, 'ab', 'ab'],
  ])('arrive behind a body %s', async (_what, fields, body, arrived) => {
    const origin = await quietOrigin();
    const { port } = await startHttp2Gateway({ origin: origin.port });
    const session = await openSession(port);
    const head = { ':path': '/', ':authority': 'app.test', ':method': 'POST', ...fields };
    const stream = session.request(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', host: 'evil' }));
    stream.end(body);
    await eventually(() => expect(origin.bodies()).toEqual([arrived]));
    const announced = fields['content-length'] === undefined ? fields['trailer'] : undefined;
    expect(origin.heads()[0]?.get('trailer')?.[0]).toBe(announced);
    origin.say(OK);
    expect(await answerOf(stream)).toMatchObject({ status: 200 });
  });
});
