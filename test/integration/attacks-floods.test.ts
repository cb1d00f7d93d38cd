/**
 * Users who stall, flood and give up, and origins that answer what no server should, against a running gateway: the connection
 * that does it ends, others are served meanwhile, and the process is the same afterwards. docs/security.md "HTTP".
 */
import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../src/core/limits.ts';
import { HTTP_SERVER_OPTIONS } from '../../src/gateway/http/user/server-options.ts';
import { APP, startAttackLab, type AttackLab } from '../support/attack-lab.ts';
import { cleanup } from '../support/cleanup.ts';
import { startConnector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { FLAG, FRAME, frame, uint32 } from '../support/http2-bytes.js';
import { CODE, fields, FrameClient, headersFrame } from '../support/http2-frames.ts';
import { codeIn, fieldsIn, statusIn } from '../support/raw-client.ts';
import { say } from '../support/say.ts';

const MiB = 1024 * 1024;
const STALLED = 100;
/** Connections that one address may have here. */
const MOST = 400;
/** How long a head, a body without a byte and a whole request may take here, and how large a body may be. */
const HTTP = {
  'header-timeout': '3s',
  'body-timeout': '3s',
  'request-timeout': '5s',
  'max-body-size': '1MiB',
  'max-connections-per-address': MOST,
} as const;
const H = `Host: ${APP}\r\n`;

let lab: AttackLab;
let workers: number[];
/** Connections that never finish their TLS handshake, from the start of the suite on. */
let stalled: Socket[];
let stalledAt: number;
const stalledFor: number[] = [];

beforeAll(async () => {
  lab = await startAttackLab({ config: { http: HTTP } });
  workers = lab.gateway.workers;
  // The first bytes of a ClientHello of 512 bytes, or nothing at all.
  const begun = Buffer.from('16030102000100', 'hex');
  stalledAt = performance.now();
  stalled = Array.from({ length: STALLED }, (_, index) => {
    const socket = connectPlain(lab.gateway.ports.https, '127.0.0.1');
    cleanup(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => stalledFor.push(performance.now() - stalledAt));
    if (index % 2 === 0) socket.write(begun);
    return socket.resume();
  });
});

const ELSE = `GET /else HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;

/** How long somebody else waits for an answer, ms. */
async function served(from?: string): Promise<number> {
  const at = performance.now();
  const answer = await lab.exchange(ELSE, from);
  expect(statusIn(answer)).toBe(200);
  return performance.now() - at;
}

const GET = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', APP],
  [':path', '/h2'],
] as const;
const POST = [[':method', 'POST'], ...GET.slice(1)] as const;

async function openFrames(): Promise<FrameClient> {
  const { socket } = await lab.connect({ servername: APP, protocol: 'h2' });
  return new FrameClient(socket);
}

describe('P33 requests that are given up at once', () => {
  const hang = [...GET.slice(0, 3), [':path', '/hang']] as const;

  beforeAll(() => lab.origin.answer('/hang', () => undefined));

  it('cost the connection and not the gateway, however many connections do it', async () => {
    const burst = Array.from({ length: LIMITS.http2Resets + 50 }, (_, index) => {
      const id = 1 + index * 2;
      const reset = frame(FRAME.reset, 0, id, uint32(CODE.cancel));
      return Buffer.concat([headersFrame(id, hang), reset]);
    });
    const slowest: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      const clients = await Promise.all(Array.from({ length: 4 }, openFrames));
      for (const client of clients) client.send(...burst);
      slowest.push(await served());
      for (const client of clients) {
        expect(await client.goawayCode()).toBe(CODE.calm);
        await client.closed();
      }
    }
    say(`8 connections, 4,400 resets; others waited ${Math.max(...slowest).toFixed(0)} ms at most`);
    await eventually(async () => {
      expect(await lab.gateway.metric('postern_gateway_streams_open')).toBeLessThan(20);
    });
  });

  it('by frames that make the gateway reset them, neither', async () => {
    const client = await openFrames();
    // A window update of nothing is an error of the stream (RFC 9113 §6.9).
    client.send(headersFrame(1, hang), frame(FRAME.windowUpdate, 0, 1, uint32(0)));
    await client.closed();
    await served();
  });
});

describe('P34 floods of frames', () => {
  const many = (count: number, one: Buffer): Buffer => Buffer.alloc(count * one.length, one);

  it.each([
    ['PING', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', frame(FRAME.settings, 0, 0)],
  ])('of %s end the connection', async (_name, one) => {
    const client = await openFrames();
    client.send(many(100_000, one));
    // What it says before may get lost behind so much that nobody reads.
    await client.closed();
    await served();
  });

  it.each([
    ['with fields', fields([['x-a', 'b'.repeat(16_000)]]), 20],
    ['of a byte each', fields([['x', '']]), 20_000],
    ['with nothing in them', Buffer.alloc(0), 20_000],
  ])(
    'of CONTINUATION %s end the connection before there is a request',
    async (_name, block, count) => {
      const reached = await lab.reached(async () => {
        const client = await openFrames();
        client.send(headersFrame(1, GET, FLAG.endStream));
        client.send(many(count, frame(FRAME.continuation, 0, 1, block)));
        await client.closed();
        await served();
      });
      expect(reached.map(({ target }) => target)).toEqual(['/else']);
    },
  );

  it.each([
    ['of a byte each', Buffer.from('x')],
    ['with nothing in them', Buffer.alloc(0)],
  ])('of DATA %s are a body, or end the connection', async (_name, bytes) => {
    const before = lab.gateway.process.peakRssBytes();
    const client = await openFrames();
    client.send(headersFrame(1, POST, FLAG.endHeaders));
    client.send(many(50_000, frame(FRAME.data, 0, 1, bytes)), frame(FRAME.data, FLAG.endStream, 1));
    const isAnswered = (): boolean =>
      client.frames.some(({ type, streamId }) => type === FRAME.headers && streamId === 1);
    await eventually(() => isAnswered() || client.stream.destroyed || client.stream.readableEnded, {
      deadlineMs: 20_000,
    });
    client.stream.destroy();
    await served();
    expect(lab.gateway.process.peakRssBytes() - before).toBeLessThan(100 * MiB);
  });

  it('that are broken end the connection', async () => {
    const broken = [
      frame(FRAME.data, 0, 0, Buffer.alloc(5)),
      frame(FRAME.headers, 0, 2, Buffer.alloc(0)),
      frame(FRAME.settings, 0, 0, Buffer.alloc(5)),
      frame(FRAME.ping, 0, 1, Buffer.alloc(8)),
      frame(FRAME.windowUpdate, 0, 0, uint32(0)),
      frame(FRAME.continuation, FLAG.endHeaders, 1, Buffer.alloc(0)),
      frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.from('ffffffffffffffff', 'hex')),
      frame(FRAME.data, 0, 1, Buffer.alloc(20_000)),
    ];
    for (const one of broken) {
      const client = await openFrames();
      client.send(one);
      expect(await client.goawayCode()).not.toBe(CODE.none);
      client.stream.destroy();
    }
    await served();
  });
});

describe('P35 an origin that answers', () => {
  const OK = 'HTTP/1.1 200 OK\r\n';
  it.each<[string, string, number?]>([
    ['a control character in the reason', 'HTTP/1.1 200 O\u0001K\r\nContent-Length: 0\r\n\r\n'],
    ['a line break in a field', `${OK}X-A: b\rX-C: d\r\nContent-Length: 0\r\n\r\n`],
    ['NUL in a field', `${OK}X-A: b\0\r\nContent-Length: 0\r\n\r\n`],
    ['a field without a colon', `${OK}X-A\r\nContent-Length: 0\r\n\r\n`],
    ['a field with a space in its name', `${OK}X A: b\r\nContent-Length: 0\r\n\r\n`],
    ['two lengths', `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    [
      'a length and chunks',
      `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a length that is none', `${OK}Content-Length: -1\r\n\r\n`],
    ['chunks that are none', `${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 200],
    ['a status of two digits', 'HTTP/1.1 99 No\r\nContent-Length: 0\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a head without end', `${OK}X-A: ${'x'.repeat(200_000)}`],
    ['another protocol', '220 mail.example.com ESMTP\r\n'],
    ['a broken end', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['less than it says', `${OK}Content-Length: 10\r\n\r\nabc`, 200],
    ['HTTP/2', '\0\0\u0012\u0004\0\0\0\0\0'],
  ])('%s costs that request and nothing else', async (name, response, status = 502) => {
    const path = `/${name.replaceAll(' ', '-')}`;
    lab.origin.answer(path, (socket) => socket.end(response, 'latin1'));
    const answer = await lab.exchange(`GET ${path} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    expect(statusIn(answer)).toBe(status);
    if (status === 502) expect(codeIn(answer)).toMatch(/^ORIGIN_/);
    else expect(answer).not.toMatch(/\r\n0\r\n\r\n$/);
    await served();
  });

  it('one question twice gives nobody else the second answer', async () => {
    for (const isLate of [false, true, false, true]) {
      let isCut = false;
      lab.origin.answer('/twice', (socket) => {
        socket.once('close', () => (isCut = true));
        const first = `${OK}Content-Length: 5\r\n\r\nfirst`;
        const second = `${OK}Content-Length: 6\r\n\r\npoison`;
        if (isLate) socket.write(first, () => setImmediate(() => socket.write(second)));
        else socket.write(first + second);
      });
      const client = await lab.connect();
      await client.send(`GET /twice HTTP/1.1\r\n${H}\r\n`).sees('first');
      // Who speaks unasked is not asked again.
      await eventually(() => isCut);
      client.send(`GET /mine HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      expect(await client.closed()).toMatch(/\r\n\r\nok$/);
      expect(client.text).not.toContain('poison');
    }
  });

  it('a thousand 100s and 103s, then what was asked for', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'.repeat(1_000);
    const goOn = 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000);
    lab.origin.answer('/informed', `${goOn}${hints}${OK}Content-Length: 2\r\n\r\nok`);
    const answer = await lab.exchange(`GET /informed HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/HTTP\/1\.1 (?:200 OK|502 )/);
    await served();
  });
});

describe('P36 an answer while the request is still coming', () => {
  const early = 'HTTP/1.1 413 Too Large\r\nContent-Length: 7\r\n\r\ntoo big';

  it('arrives, the connections of both sides end, and what is sent on is no request', async () => {
    lab.origin.answer('/upload', early, 'head');
    const reached = await lab.reached(async () => {
      const client = await lab.connect();
      client.send(
        `POST /upload HTTP/1.1\r\n${H}Content-Length: 100000\r\n\r\n${'x'.repeat(1_000)}`,
      );
      await client.sees('too big');
      expect(fieldsIn(client.text).get('connection')).toEqual(['close']);
      client.send(`${'y'.repeat(99_000)}GET /hidden HTTP/1.1\r\n${H}\r\n`);
      expect((await client.closed()).match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
      await served();
    });
    expect(reached.map(({ target }) => target)).toEqual(['/upload', '/else']);
    expect(reached[1]?.connection).not.toBe(reached[0]?.connection);
  });

  it('to one who waits for 100 Continue ends the connection, too', async () => {
    lab.origin.answer('/expected', early, 'head');
    const head = `POST /expected HTTP/1.1\r\n${H}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`;
    const reached = await lab.reached(async () => {
      const client = await lab.connect();
      await client.send(head).sees('HTTP/1.1 ');
      // Whether that was 100 or 413: the start of a body that looks like a request is none.
      client.send(`GET /hidden HTTP/1.1\r\n${H}\r\n`);
      await client.sees('too big');
      expect((await client.closed()).match(/HTTP\/1\.1 [2-5]\d\d/g)).toHaveLength(1);
    });
    expect(reached.map(({ target }) => target)).toEqual(['/expected']);
  });

  it('over HTTP/2 leaves the other requests of the connection alone', async () => {
    lab.origin.answer('/h2-upload', early, 'head');
    const client = await openFrames();
    const upload = [...POST.slice(0, 3), [':path', '/h2-upload']] as const;
    client.send(
      headersFrame(1, upload, FLAG.endHeaders),
      frame(FRAME.data, 0, 1, Buffer.alloc(1_000)),
    );
    expect((await client.first(FRAME.data, 1)).payload.toString()).toBe('too big');
    client.send(headersFrame(3, GET));
    expect((await client.first(FRAME.data, 3)).payload.toString()).toBe('ok');
  });
});

describe('P36 a body over the limit', () => {
  const large = 2 * MiB;
  const hidden = `GET /hidden HTTP/1.1\r\n${H}\r\n`;

  it.each([
    ['by its length', `Content-Length: ${large}\r\n\r\n${'x'.repeat(large)}`],
    ['by its length, nothing of it sent', `Content-Length: ${large}\r\n\r\n`],
    [
      'in chunks',
      `Transfer-Encoding: chunked\r\n\r\n${`8000\r\n${'x'.repeat(32_768)}\r\n`.repeat(64)}`,
    ],
    ['to be asked for', `Expect: 100-continue\r\nContent-Length: ${large}\r\n\r\n`],
  ])(
    '%s is 413, no origin sees a whole one, and what follows is no request',
    async (_name, rest) => {
      const reached = await lab.reached(async () => {
        const client = await lab.connect();
        await client.send(`POST /large HTTP/1.1\r\n${H}${rest}`).sees('HTTP_');
        expect([statusIn(client.text), codeIn(client.text)]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
        expect(fieldsIn(client.text).get('connection')).toEqual(['close']);
        expect(client.text).not.toContain('100 Continue');
        client.send(hidden);
        expect((await client.closed()).match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
        await served();
      });
      expect(reached.filter(({ isWhole }) => isWhole).map(({ target }) => target)).toEqual([
        '/else',
      ]);
    },
  );
});

describe('P31 requests that never end', () => {
  const post = `POST /slow HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n`;
  /** What is said first, what again and again, and after how long it is too much, ms. */
  const kinds: readonly (readonly [name: string, first: string, more: string, limitMs: number])[] =
    [
      ['a request line without end', 'GET /', 'x', 3_000],
      ['a head without end', `GET / HTTP/1.1\r\n${H}X-A: `, 'b', 3_000],
      ['fields without end', `GET / HTTP/1.1\r\n${H}`, 'X-A: b\r\n', 3_000],
      ['empty lines without end', '\r\n', '\r\n', 3_000],
      ['a head that stops', `GET / HTTP/1.1\r\n${H}`, '', 3_000],
      ['a body that stops', `${post}5\r\nabc`, '', 3_000],
      ['a body without end', post, '1\r\nx\r\n', 5_000],
    ];
  /** How often Node looks for slow heads, and what a busy machine adds. */
  const lateMs = HTTP_SERVER_OPTIONS.connectionsCheckingInterval + 15_000;

  it('end with their connections, and others are served meanwhile', async () => {
    const drips: (() => void)[] = [];
    const drip = setInterval(() => {
      for (const one of drips) one();
    }, 100);
    cleanup(() => clearInterval(drip));
    const begin = async ([name, first, more, limitMs]: (typeof kinds)[number]): Promise<object> => {
      const client = await lab.connect();
      const { socket } = client;
      const at = performance.now();
      client.send(first);
      if (more !== '') drips.push(() => void (socket.writable && socket.write(more)));
      await once(socket, 'close');
      const ms = performance.now() - at;
      const isInTime = ms > limitMs - 500 && ms < limitMs + lateMs;
      // Nobody is told that all is well.
      return { name, lasted: isInTime || ms, isServed: statusIn(client.text) === 200 };
    };
    const ended = kinds.flatMap((kind) => Array.from({ length: 20 }, async () => begin(kind)));
    const waits = [await served(), await served(), await served()];
    say(`${ended.length} slow; others waited ${Math.max(...waits).toFixed(0)} ms at most`);
    const all = await Promise.all(ended);
    const expected = kinds.map(([name]) => ({ name, lasted: true, isServed: false }));
    expect(all).toEqual(expected.flatMap((one) => Array.from({ length: 20 }, () => one)));
  });

  it('over HTTP/2 a first head without end, too', async () => {
    const client = await openFrames();
    client.send(headersFrame(1, GET, FLAG.endStream));
    await eventually(() => client.stream.destroyed || client.stream.readableEnded, {
      deadlineMs: 30_000,
    });
  });
});

describe('P32 TLS handshakes that never end', () => {
  it('are given up after ten seconds, and others are served meanwhile', async () => {
    const waits = [await served(), await served(), await served()];
    await Promise.all(stalled.map(async (socket) => socket.destroyed || once(socket, 'close')));
    expect(stalledFor).toHaveLength(STALLED);
    expect(Math.min(...stalledFor)).toBeGreaterThan(LIMITS.handshakeMs - 1_000);
    expect(Math.max(...stalledFor)).toBeLessThan(LIMITS.handshakeMs + 20_000);
    say(`${STALLED} stalled; others waited ${Math.max(...waits).toFixed(0)} ms at most`);
  });
});

describe('P32 more connections of one address than allowed', () => {
  it('are reset before TLS, while a link of that address and users of others come in', async () => {
    const { gateway, connector, origin } = lab;
    const sockets: Socket[] = [];
    let closed = 0;
    const dial = (count: number): void => {
      for (let n = 0; n < count; n += 1) {
        const socket = connectPlain(gateway.ports.https, '127.0.0.1');
        cleanup(() => socket.destroy());
        socket.on('error', () => undefined);
        socket.on('close', () => (closed += 1));
        sockets.push(socket.resume());
      }
    };
    dial(MOST);
    // There are places for links, on which somebody else is told what is the matter.
    await eventually(async () => codeIn(await lab.exchange(ELSE)) === 'HTTP_CONNECTION_LIMIT');
    const waits = [await served('127.0.0.2')];
    const { tunnel } = connector;
    await startConnector({
      gateway,
      tunnel,
      ingress: [{ hostname: APP, service: origin.service }],
    });
    await eventually(async () => (await gateway.metric('postern_gateway_replicas')) === 2);

    dial(2_000);
    waits.push(await served('127.0.0.2'), await served('127.0.0.2'));
    await eventually(() => closed >= 2_000 - LIMITS.linkReserve, { deadlineMs: 20_000 });
    waits.push(await served('127.0.0.2'));
    say(`${closed} of 2,400 were reset; others waited ${Math.max(...waits).toFixed(0)} ms at most`);
    const refused = await gateway.metric('postern_gateway_connections_refused_total', {
      code: 'HTTP_CONNECTION_LIMIT',
    });
    // Those that say nothing go in time, and on a busy machine others take their places before all have come.
    expect(refused).toBeGreaterThan(1_000);
    const lines = gateway.log.filter(({ listener }) => listener === 'https');
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(2 * LIMITS.refusalsTold);
    // What is there already goes on.
    expect(await gateway.metric('postern_gateway_replicas')).toBe(2);

    for (const socket of sockets) socket.destroy();
    await eventually(async () => statusIn(await lab.exchange(ELSE)) === 200);
  });
});

it('P35 nothing of all this was a reason for another worker, or for much memory', async () => {
  await served();
  expect(lab.gateway.workers).toEqual(workers);
  const peakMiB = Math.round(lab.gateway.process.peakRssBytes() / MiB);
  say(`gateway at most ${peakMiB} MiB`);
  expect(peakMiB).toBeLessThan(450);
});
