/**
 * WebSockets against a running gateway, in raw bytes: who may open them, what hides behind the request for one, and frames that no
 * browser sends. docs/security.md "HTTP".
 */
import { createHash } from 'node:crypto';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocketServer } from 'ws';

import { LIMITS } from '../../src/core/limits.ts';
import { APP, startAttackLab, type AttackLab } from '../support/attack-lab.ts';
import { addUser, CookieBrowser } from '../support/cookie-browser.ts';
import { eventually } from '../support/eventually.ts';
import { FLAG, FRAME, frame } from '../support/http2-bytes.js';
import { FrameClient, headersFrame } from '../support/http2-frames.ts';
import { codeIn, fieldsIn, statusIn, type RawClient } from '../support/raw-client.ts';
import { startHttpListener } from '../support/real/http-listener.ts';
import type { RecordedRequest } from '../support/real/recording-origin.ts';
import { clientFrame, closeStatus, OPCODE } from '../support/websocket-bytes.ts';

const WIKI = 'wiki.postern.test';
/** An origin that knows WebSockets. */
const CHAT = 'chat.postern.test';
const MiB = 1024 * 1024;

let lab: AttackLab;
/** Ann's, at the wiki. */
let cookie: string;
let token: string;

beforeAll(async () => {
  const chat = await startHttpListener((_request, response) => response.writeHead(426).end());
  const server = new WebSocketServer({ server: chat.server, maxPayload: MiB });
  server.on('connection', (socket) => socket.on('error', () => undefined));
  lab = await startAttackLab({
    hostnames: [WIKI],
    ingress: [{ hostname: CHAT, service: chat.service }],
    config: {
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        {
          name: 'wiki',
          hostname: WIKI,
          policies: [{ action: 'allow', include: [{ group: 'staff' }] }],
          'websocket-origins': ['https://pages.postern.test'],
        },
      ],
    },
  });
  await addUser(lab.gateway, 'ann', { email: 'ann@postern.test', groups: ['staff'] });
  const browser = new CookieBrowser(lab.gateway);
  const url = `https://${WIKI}:${lab.gateway.ports.https}/`;
  await browser.signIn(await browser.visit(url), 'ann');
  cookie = browser.cookies(WIKI);
  token = /postern_app_[^=]+=([^;]+)/.exec(cookie)?.[1] ?? '';
  lab.origin.answer('/socket', (socket) => socket.end(SWITCHING));
});

const SWITCHING = [
  'HTTP/1.1 101 Switching Protocols',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  '\r\n',
].join('\r\n');

function upgrade(host: string, target: string, ...fields: readonly string[]): string {
  const usual = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
  const lines = [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...usual, key, ...fields];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Sends a request, and returns its answer and what reached the origin. */
async function ask(bytes: string): Promise<{ answer: string; reached: RecordedRequest[] }> {
  let answer = '';
  const reached = await lab.reached(async () => {
    answer = await lab.exchange(bytes);
  });
  return { answer, reached };
}

const HIDDEN = `GET /hidden HTTP/1.1\r\nHost: ${APP}\r\n\r\n`;

describe('a request behind an upgrade', () => {
  it('P13 is held until the origin agrees, and is no request then', async () => {
    let agree = (): void => undefined;
    lab.origin.answer('/later', (socket) => {
      agree = () => void socket.write(SWITCHING);
    });
    const reached = await lab.reached(async () => {
      const client = await lab.connect();
      client.send(upgrade(APP, '/later') + HIDDEN);
      await eventually(() => lab.origin.requests.at(-1)?.target === '/later');
      const connection = lab.origin.requests.at(-1)?.connection ?? -1;
      const before = lab.origin.connections[connection];
      // Somebody else is served meanwhile: what was going to pass has passed.
      await lab.exchange(`GET /meanwhile HTTP/1.1\r\nHost: ${APP}\r\nConnection: close\r\n\r\n`);
      expect(lab.origin.connections[connection]).toBe(before);
      expect(before).not.toContain('hidden');
      agree();
      await client.sees('101 Switching');
      await eventually(() => lab.origin.connections[connection]?.endsWith(HIDDEN) === true);
      client.socket.destroy();
    });
    // The origin of this suite takes everything for requests; it saw the bytes on the connection that was upgraded.
    expect(reached.map(({ target }) => target)).toEqual(['/later', '/meanwhile', '/hidden']);
    expect(reached[2]?.connection).toBe(reached[0]?.connection);
  });

  it.each([
    ['200', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 200],
    ['403', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', 403],
    ['426', 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n', 426],
    ['101 to something else', SWITCHING.replace('Upgrade: websocket', 'Upgrade: h2c'), 502],
    ['nonsense', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 502],
  ])('P14 is worth nothing where the origin answers %s', async (name, response, status) => {
    const path = `/refused-${name.replaceAll(' ', '-')}`;
    lab.origin.answer(path, response);
    const { answer, reached } = await ask(upgrade(APP, path) + HIDDEN);
    expect(statusIn(answer)).toBe(status);
    expect(fieldsIn(answer).get('connection')).toEqual(['close']);
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(reached.map(({ target }) => target)).toEqual([path]);
  });

  it('P14 that nobody asked to upgrade is 502, and not a tunnel', async () => {
    lab.origin.answer('/unasked', `${SWITCHING}behind`);
    const request = `GET /unasked HTTP/1.1\r\nHost: ${APP}\r\n\r\n`;
    const client = await lab.connect();
    await client.send(request).sees('ORIGIN_BAD_RESPONSE');
    expect(statusIn(client.text)).toBe(502);
    expect(client.text).not.toContain('behind');
    // What follows is a request of its own, which the origin gets on another connection.
    await client.send(`GET /next HTTP/1.1\r\nHost: ${APP}\r\n\r\n`).sees(/\r\n\r\nok$/);
    const [unasked, next] = lab.origin.requests.slice(-2);
    expect([unasked?.target, next?.target]).toEqual(['/unasked', '/next']);
    expect(next?.connection).not.toBe(unasked?.connection);
  });
});

describe('a WebSocket', () => {
  it.each([
    ['P27 of a page of somebody else', 'Origin: https://evil.test'],
    ['P27 of a page of another application', `Origin: https://${APP}`],
    ['P27 of a page of the auth host', 'Origin: https://auth.postern.test'],
    ['P27 of a page of the same host, unencrypted', `Origin: http://${WIKI}`],
    ['P27 of a page of another port', `Origin: https://${WIKI}:8443`],
    ['P27 of a page that begins with the name', `Origin: https://${WIKI}.evil.test`],
    ['P27 of a file', 'Origin: null'],
    ['P28 of no page', 'X-Nothing: here'],
  ])('%s with a cookie: 403, and the origin hears nothing of it', async (_name, field) => {
    const { answer, reached } = await ask(upgrade(WIKI, '/socket', `Cookie: ${cookie}`, field));
    expect([statusIn(answer), codeIn(answer), reached]).toEqual([403, 'ACCESS_DENIED', []]);
  });

  it('P27 of two pages with a cookie: 400, and the origin hears nothing of it', async () => {
    const fields = [`Cookie: ${cookie}`, `Origin: https://${WIKI}`, 'Origin: https://evil.test'];
    const { answer, reached } = await ask(upgrade(WIKI, '/socket', ...fields));
    expect([statusIn(answer), codeIn(answer), reached]).toEqual([400, 'HTTP_BAD_REQUEST', []]);
  });

  it.each([
    ['P27 of a page of its own', (): string[] => [`Cookie: ${cookie}`, `Origin: https://${WIKI}`]],
    [
      'P27 of a page that the application names',
      (): string[] => [`Cookie: ${cookie}`, 'Origin: https://pages.postern.test'],
    ],
    ['P28 of a program with a token', (): string[] => [`Postern-Access-Token: ${token}`]],
    ['P28 of a program with a bearer', (): string[] => [`Authorization: Bearer ${token}`]],
  ])('%s is let through', async (_name, fields) => {
    const { answer, reached } = await ask(upgrade(WIKI, '/socket', ...fields()));
    expect(statusIn(answer)).toBe(101);
    expect(reached[0]?.fields.get('postern-access-user')).toEqual(['ann']);
  });

  it('P27 where everybody may is let through from anywhere', async () => {
    const { answer } = await ask(upgrade(APP, '/socket', 'Origin: https://evil.test'));
    expect(statusIn(answer)).toBe(101);
  });

  it('P28 without any credential is 401', async () => {
    const { answer, reached } = await ask(upgrade(WIKI, '/socket', `Origin: https://${WIKI}`));
    expect([statusIn(answer), reached]).toEqual([401, []]);
  });
});

describe('a WebSocket over HTTP/2', () => {
  type Field = readonly [string, string];
  const connect = (path: string, ...fields: readonly Field[]): Field[] => [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'https'],
    [':authority', WIKI],
    [':path', path],
    ['sec-websocket-version', '13'],
    ...fields,
  ];
  const origin = (text: string): Field => ['origin', text];

  /** What the gateway answers: the bytes of its first head or page, or the code of a reset. */
  async function answerTo(fields: readonly Field[], ...behind: Buffer[]): Promise<FrameClient> {
    const { socket } = await lab.connect({ servername: WIKI, protocol: 'h2' });
    const client = new FrameClient(socket);
    // Only who was told that it may asks for one (RFC 8441 §3).
    const settings = await client.first(FRAME.settings);
    expect(settings.payload.toString('hex')).toContain('000800000001');
    client.send(headersFrame(1, fields, FLAG.endHeaders), ...behind);
    await eventually(() => client.frames.some(({ streamId }) => streamId === 1));
    return client;
  }

  it.each<[string, () => readonly Field[]]>([
    ['P27 of a page of somebody else', () => [['cookie', cookie], origin('https://evil.test')]],
    ['P27 of a page that hides where it is from', () => [['cookie', cookie], origin('null')]],
    ['P28 of no page', () => [['cookie', cookie]]],
  ])('%s is 403, and the origin hears nothing of it', async (_name, fields) => {
    const reached = await lab.reached(async () => {
      const client = await answerTo(connect('/socket', ...fields()));
      expect((await client.first(FRAME.data, 1)).payload.toString()).toContain('ACCESS_DENIED');
      client.stream.destroy();
    });
    expect(reached).toEqual([]);
  });

  it('P27 of a page of its own is let through', async () => {
    lab.origin.answer('/agreed', (socket, { fields }) => {
      const key = `${fields.get('sec-websocket-key')?.[0]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
      const accept = createHash('sha1').update(key).digest('base64');
      socket.write(SWITCHING.replace(/(Accept: ).*/, `$1${accept}`));
    });
    const own = connect('/agreed', ['cookie', cookie], origin(`https://${WIKI}`));
    const reached = await lab.reached(async () => {
      const client = await answerTo(own);
      const frames = client.frames.filter(({ streamId }) => streamId === 1);
      expect(frames.map(({ type }) => type)).toEqual([FRAME.headers]);
      client.stream.destroy();
    });
    expect(reached.map(({ target }) => target)).toEqual(['/agreed']);
    expect(reached[0]?.fields.get('postern-access-user')).toEqual(['ann']);
    expect(reached[0]?.head).toMatch(/^GET \/agreed HTTP\/1\.1\r\n/);
  });

  it('P13 holds what comes behind it until the origin agrees', async () => {
    lab.origin.answer('/never', () => undefined);
    const own = connect('/never', ['cookie', cookie], origin(`https://${WIKI}`));
    const reached = await lab.reached(async () => {
      const { socket } = await lab.connect({ servername: WIKI, protocol: 'h2' });
      const client = new FrameClient(socket);
      await client.first(FRAME.settings);
      client.send(
        headersFrame(1, own, FLAG.endHeaders),
        frame(FRAME.data, 0, 1, Buffer.from(HIDDEN)),
      );
      await eventually(() => lab.origin.requests.at(-1)?.target === '/never');
      await lab.exchange(`GET /meanwhile HTTP/1.1\r\nHost: ${APP}\r\nConnection: close\r\n\r\n`);
      client.stream.destroy();
    });
    expect(reached.map(({ target }) => target)).toEqual(['/never', '/meanwhile']);
  });

  it.each<[string, (fields: Field[]) => Field[]]>([
    [
      'P15 of another protocol',
      (fields) => fields.map(([name, value]) => [name, name === ':protocol' ? 'h2c' : value]),
    ],
    [
      'P16 with another method',
      (fields) => fields.map(([name, value]) => [name, name === ':method' ? 'POST' : value]),
    ],
    ['P17 without the rest of a request', (fields) => fields.filter(([name]) => name !== ':path')],
    ['P20 with Connection', (fields) => [...fields, ['connection', 'upgrade']]],
  ])('%s is refused', async (_name, change) => {
    const own = connect('/socket', ['cookie', cookie], origin(`https://${WIKI}`));
    const reached = await lab.reached(async () => {
      const client = await answerTo(change(own));
      await eventually(() =>
        client.frames.some(
          ({ type, streamId, payload }) =>
            streamId === 1 && (type === FRAME.reset || payload.toString().includes('HTTP_')),
        ),
      );
      client.stream.destroy();
    });
    expect(reached).toEqual([]);
  });
});

describe('frames that no browser sends', () => {
  const text = (value: string): Buffer => Buffer.from(value, 'latin1');
  const bad: readonly [name: string, frames: Buffer, status: number][] = [
    ['RSV1 without an extension', clientFrame(OPCODE.binary, text('a'), { rsv: 4 }), 1002],
    ['RSV2', clientFrame(OPCODE.binary, text('a'), { rsv: 2 }), 1002],
    ['RSV3', clientFrame(OPCODE.binary, text('a'), { rsv: 1 }), 1002],
    ['an opcode that is reserved', clientFrame(3, text('a')), 1002],
    ['a control opcode that is reserved', clientFrame(11, text('')), 1002],
    ['a ping in fragments', clientFrame(OPCODE.ping, text('a'), { fin: false }), 1002],
    ['a ping of 126 bytes', clientFrame(OPCODE.ping, Buffer.alloc(126)), 1002],
    ['a continuation of nothing', clientFrame(OPCODE.continuation, text('a')), 1002],
    [
      'a message inside of another',
      Buffer.concat([
        clientFrame(OPCODE.binary, text('a'), { fin: false }),
        clientFrame(OPCODE.binary, text('b')),
      ]),
      1002,
    ],
    ['a frame without a mask', clientFrame(OPCODE.binary, text('a'), { isMasked: false }), 1002],
    ['a Close of one byte', clientFrame(OPCODE.close, text('a')), 1002],
    ['a Close with a status that is none', clientFrame(OPCODE.close, text('\x03\xed')), 1002],
    ['a Close with half a character', clientFrame(OPCODE.close, text('\x03\xe8\xff')), 1007],
  ];

  /** Opens a WebSocket, sends frames, and returns the status with which it is closed. */
  async function closedWith(
    host: string,
    path: string,
    frames: Buffer,
  ): Promise<number | undefined> {
    const client = await open(host, path);
    client.send(frames);
    await client.closed();
    return closeStatus(client.bytes);
  }

  async function open(host: string, path: string): Promise<RawClient> {
    const client = await lab.connect();
    const protocol = path === '/' ? [] : ['Sec-WebSocket-Protocol: postern.v1'];
    const deflate = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits';
    client.send(upgrade(host, path, ...protocol, deflate));
    await client.sees('\r\n\r\n');
    expect(statusIn(client.text)).toBe(101);
    return client;
  }

  it.each(bad)('P30 %s closes a link', async (_name, frames, status) => {
    expect(await closedWith('127.0.0.1', '/.postern/link', frames)).toBe(status);
  });

  it('P30 no link agrees on compression, so that nothing small becomes large', async () => {
    const client = await open('127.0.0.1', '/.postern/link');
    expect([...fieldsIn(client.text).keys()]).not.toContain('sec-websocket-extensions');
  });

  it.each(bad)(
    'P30 %s reaches the origin, which closes, and the gateway lives',
    async (_name, frames, status) => {
      expect(await closedWith(CHAT, '/', frames)).toBe(status);
    },
  );

  it('P30 text that is none closes both: a link takes no text at all', async () => {
    const frames = clientFrame(OPCODE.text, text('\xff\xfe'));
    expect(await closedWith(CHAT, '/', frames)).toBe(1007);
    expect([1003, 1007]).toContain(await closedWith('127.0.0.1', '/.postern/link', frames));
  });

  it.each([LIMITS.frameBytes + 1, 100 * MiB, 2 ** 40, Number.MAX_SAFE_INTEGER])(
    'P29 a message that says it has %d bytes closes a link before any of it is held',
    async (length) => {
      const frames = clientFrame(OPCODE.binary, Buffer.alloc(0), { length });
      expect(await closedWith('127.0.0.1', '/.postern/link', frames)).toBe(1009);
    },
  );

  it('P29 one in fragments, each of them small, does, too', async () => {
    const part = Buffer.alloc(16 * 1024);
    const first = clientFrame(OPCODE.binary, part, { fin: false });
    const next = clientFrame(OPCODE.continuation, part, { fin: false });
    const count = Math.ceil(LIMITS.frameBytes / part.length);
    const frames = Buffer.concat([first, ...Array.from({ length: count }, () => next)]);
    expect(await closedWith('127.0.0.1', '/.postern/link', frames)).toBe(1009);
  });

  it('P29 100 MiB through the gateway are the origin’s to refuse, and leave nothing behind', async () => {
    const before = lab.gateway.process.peakRssBytes();
    const frames = clientFrame(OPCODE.binary, Buffer.alloc(0), { length: 100 * MiB });
    expect(await closedWith(CHAT, '/', frames)).toBe(1009);
    expect(lab.gateway.process.peakRssBytes() - before).toBeLessThan(90 * MiB);
  });
});
