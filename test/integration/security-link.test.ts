/**
 * Strangers at the door of a real gateway, in raw bytes: each is told off with its code and cut, holds little and not for
 * long, and nobody else notices. And a connector with a token that breaks the rules: it loses the link and nothing more.
 *
 * The cases M1 to M14 of docs/security.md are tested on a link in memory; here is what only a real listener can show.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../src/core/limits.ts';
import { encodeFin, encodePing, encodeReset } from '../../src/protocol/frame.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type Tunnel } from '../support/gateway.ts';
import {
  connectTls,
  dialLink,
  exchangeBytes,
  HELLO,
  REGISTER,
  type LinkBytes,
} from '../support/link-bytes.ts';
import { startEcho } from '../support/real/tcp-origin.ts';
import { askEcho, SteadyRequests } from '../support/steady-requests.ts';

const MiB = 1024 * 1024;
/** What all of this may make of a gateway that starts with 120 to 150 MiB. */
const RSS_LIMIT_BYTES = 400 * MiB;
const HOSTNAME = 'echo.postern.test';

let gateway: Gateway;
let connector: Connector;
let echo: string;

beforeAll(async () => {
  echo = (await startEcho()).service;
  gateway = await startGateway({ tcp: [HOSTNAME] });
  connector = await startConnector({ gateway, ingress: [{ hostname: HOSTNAME, service: echo }] });
  await connector.linksUp();
  guardLinks(connector);
});

describe('an upgrade that is none of a link', () => {
  const head = (lines: Readonly<Record<string, string | undefined>> = {}): string => {
    const all = {
      Host: '127.0.0.1',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol': 'postern.v1',
      ...lines,
    };
    const fields = Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}: ${value}\r\n`],
    );
    return `GET /.postern/link HTTP/1.1\r\n${fields.join('')}\r\n`;
  };

  it.each([
    ['without the subprotocol', { 'Sec-WebSocket-Protocol': undefined }, 400],
    ['with another subprotocol', { 'Sec-WebSocket-Protocol': 'postern.v0, mqtt' }, 400],
    ['with another version of WebSocket', { 'Sec-WebSocket-Version': '8' }, 426],
    ['without a key', { 'Sec-WebSocket-Key': undefined }, 400],
    ['with a key that is none', { 'Sec-WebSocket-Key': 'short' }, 400],
    ['of a browser', { Origin: 'https://evil.test' }, 403],
    ['with a body', { 'Content-Length': '5' }, 400],
  ])('%s is refused before anything is kept of it', async (_name, lines, status) => {
    const answer = await exchangeBytes(gateway, head(lines));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).not.toContain('postern/');
  });
});

describe('a stranger who says what no connector says', () => {
  const control = (text: string): Buffer =>
    Buffer.concat([Buffer.from('0100000000', 'hex'), Buffer.from(text)]);
  const json = (message: object): Buffer => control(JSON.stringify(message));

  it.each<[string, readonly Parameters<LinkBytes['send']>[0][], number, string]>([
    ['text', [{ text: 'hello' }], 1003, ''],
    ['4 bytes, less than a header', [{ hex: '01000000' }], 4400, 'PROTO_BAD_FRAME'],
    ['frame type 0x00', [{ hex: '0000000000' }], 4400, 'PROTO_UNKNOWN_FRAME'],
    ['frame type 0x7f', [{ hex: '7f00000000' }], 4400, 'PROTO_UNKNOWN_FRAME'],
    ['CONTROL on stream 1', [{ hex: '01000000017b7d' }], 4400, 'PROTO_BAD_STREAM_ID'],
    ['CONTROL that is not JSON', [control('{"type":')], 4400, 'PROTO_BAD_CONTROL'],
    ['CONTROL that is a list', [control('[]')], 4400, 'PROTO_BAD_CONTROL'],
    ['register before hello', [json(REGISTER)], 4400, 'PROTO_UNEXPECTED'],
    ['hello twice', [json(HELLO), json(HELLO)], 4400, 'PROTO_UNEXPECTED'],
    // OPEN of stream 1, and a body that is nobody's.
    ['OPEN', [{ hex: '02000000017b7d' }], 4400, 'PROTO_UNEXPECTED'],
    ['OPEN behind hello', [json(HELLO), { hex: '02000000017b7d' }], 4400, 'PROTO_UNEXPECTED'],
    // DATA of stream 1 at offset 0: one byte.
    ['DATA', [{ hex: '0400000001000000000000000000' }], 4400, 'PROTO_UNEXPECTED'],
    ['FIN', [encodeFin(1, 0)], 4400, 'PROTO_UNEXPECTED'],
    ['RESET', [encodeReset(1, 'STREAM_RESET', '')], 4400, 'PROTO_UNEXPECTED'],
    ['a message over the limit', [Buffer.alloc(LIMITS.frameBytes + 1, 4)], 1009, ''],
    [
      'more PING than a link may carry',
      Array.from({ length: LIMITS.controlFramesPerSecond + 50 }, () =>
        encodePing('PING', Buffer.alloc(8)),
      ),
      4400,
      'PROTO_FLOOD',
    ],
    ['K12: versions before the first', [json({ ...HELLO, versions: [0] })], 4400, 'PROTO_VERSION'],
    ['K12: no version', [json({ ...HELLO, versions: [] })], 4400, 'PROTO_VERSION'],
    [
      'K12: versions that are none',
      [json({ ...HELLO, versions: ['1', null] })],
      4400,
      'PROTO_VERSION',
    ],
  ])('%s: closed with its code', async (_name, messages, code, error) => {
    const link = await dialLink(gateway);
    for (const message of messages) link.send(message);
    const closed = await link.closed;
    expect(closed.code).toBe(code);
    expect(closed.reason).toContain(error);
  });

  it.each<[string, object]>([
    ['a token that is a number', { token: 7 }],
    ['a token that is a list', { token: ['pst_'] }],
    ['no token', { token: undefined }],
    ['another role', { role: 'gateway' }],
    ['a link that is negative', { link: -1 }],
    ['rules that are none', { rules: 'all' }],
    ['rules of rules', { rules: [[[]]] }],
    ['more rules than a connector may have', { rules: Array.from({ length: 501 }, rule) }],
    ['a replica from nowhere', { replica: null }],
    ['a start that no calendar has', { replica: { ...REGISTER.replica, startedAt: 1e300 } }],
  ])('a register with %s: closed with PROTO_BAD_CONTROL', async (_name, changes) => {
    const link = await dialLink(gateway);
    link.control(HELLO);
    link.control({ ...REGISTER, ...changes });
    const { code, reason } = await link.closed;
    expect({ code, reason: reason.split(':')[0] }).toEqual({
      code: 4400,
      reason: 'PROTO_BAD_CONTROL',
    });
  });

  it.each([
    '',
    'pst_',
    'pst_!!!!',
    `pst_${'A'.repeat(64)}`,
    `pst_${'A'.repeat(4_000)}`,
    "' OR 1=1 --",
    'pst_\u0000',
    '__proto__',
  ])('the token %j is refused, and told no more than that', async (token) => {
    const link = await dialLink(gateway);
    link.control(HELLO);
    link.control({ ...REGISTER, token });
    const { code } = await link.closed;
    expect(code).toBe(token.length > 1_000 ? 4400 : 4401);
    if (code === 4400) return;
    const refused = link.controls.find(({ type }) => type === 'refused');
    expect(refused).toEqual({
      type: 'refused',
      code: 'REGISTER_REFUSED',
      message: 'Cannot register: the token is for no tunnel here, or was rotated',
      permanent: true,
    });
  });

  it('is counted by what it did wrong, and nobody else noticed', async () => {
    const count = (code: string): Promise<number> =>
      gateway.metric('postern_gateway_proto_errors_total', { code });
    expect(await count('PROTO_UNEXPECTED')).toBeGreaterThanOrEqual(7);
    expect(await count('PROTO_BAD_CONTROL')).toBeGreaterThanOrEqual(10);
    expect(await count('PROTO_FLOOD')).toBe(1);
    expect(await gateway.metric('postern_gateway_links')).toBe(4);
    expect(await works()).toBe(true);
  });
});

describe('a connector with a token that breaks the rules', () => {
  let tunnel: Tunnel;

  beforeAll(async () => {
    tunnel = await gateway.createTunnel('rogue', ['rogue.postern.test']);
  });

  async function register(changes: object = {}): Promise<LinkBytes> {
    const link = await dialLink(gateway);
    link.control(HELLO);
    link.control({ ...REGISTER, token: tunnel.token, ...changes });
    await eventually(() => link.controls.some(({ type }) => type === 'registered'));
    return link;
  }

  it.each<[string, Parameters<LinkBytes['send']>[0], string]>([
    [
      'DATA for a stream that is not open',
      { hex: '040000000200000000000000002a' },
      'PROTO_UNKNOWN_STREAM',
    ],
    ['OPEN with an id of the gateway', { hex: '02000000027b7d' }, 'PROTO_BAD_CONTROL'],
    ['a second register', { hex: '' }, 'PROTO_UNEXPECTED'],
  ])('%s: it loses the link', async (_name, message, error) => {
    const link = await register();
    if ('hex' in message && message.hex === '') link.control(REGISTER);
    else link.send(message);
    const { code, reason } = await link.closed;
    expect(code).toBe(4400);
    expect(reason).toContain(error);
  });

  it.each([
    ['a hostname', { ...rule(), hostname: '*.*.test' }],
    ['a path', { ...rule(), path: '(((' }],
    ['a path that would take for ever', { ...rule(), path: '(a{1000}){1000}' }],
  ])('rules with %s that cannot be used: it loses the link', async (_name, bad) => {
    const link = await register();
    link.control({ type: 'rules', rules: [bad] });
    const { code, reason } = await link.closed;
    expect(code).toBe(4400);
    expect(reason).toContain('PROTO_BAD_CONTROL');
  });

  it('a stream that it opens is refused, and the link lives', async () => {
    const link = await register();
    const request = { kind: 'tcp', hostname: HOSTNAME, rule: 'r', requestId: 'q' };
    const position = { received: 0, consumed: 0, window: 0 };
    const open = { key: 'k'.repeat(22), epoch: 0, resume: false, position, request };
    // OPEN of stream 1.
    link.send(Buffer.concat([Buffer.from('0200000001', 'hex'), Buffer.from(JSON.stringify(open))]));
    expect(await link.frame('RESET')).toMatchObject({ id: 1, code: 'STREAM_REFUSED' });
    link.send(encodePing('PING', Buffer.from('12345678')));
    await eventually(() =>
      link.frames.some((frame) => frame.type === 'PONG' && String(frame.opaque) === '12345678'),
    );
    expect(link.socket.readyState).toBe(link.socket.OPEN);
  });

  it('links beyond what a replica may have are refused for now', async () => {
    const links: LinkBytes[] = [];
    for (let i = 0; i < LIMITS.linksPerReplica; i += 1) links.push(await register({ link: i }));
    const one = await dialLink(gateway);
    one.control(HELLO);
    one.control({ ...REGISTER, token: tunnel.token, link: LIMITS.linksPerReplica });
    expect((await one.closed).code).toBe(4429);
    const refused = one.controls.find(({ type }) => type === 'refused');
    expect(refused).toMatchObject({ code: 'REGISTER_LIMIT', permanent: false });
    for (const link of links) link.socket.terminate();
    await eventually(
      async () => (await gateway.metric('postern_gateway_links', { tunnel: 'rogue' })) === 0,
    );
  });

  it('does not touch the others', async () => {
    expect(await works()).toBe(true);
  });
});

describe('strangers in numbers', () => {
  it('300 that say nothing: 256 wait for ten seconds, the rest is sent away, and then a connector gets in', async () => {
    // One that does not even begin with TLS waits no longer.
    const stalled = connect(gateway.ports.https, '127.0.0.1');
    const isGone = once(stalled, 'close');
    // A session that is known saves both sides the most of a handshake: all have dialled before the first has to go.
    const first = connectTls(gateway);
    const session = await new Promise<Buffer>((resolve) => first.once('session', resolve));
    const since = performance.now();
    const silent = await Promise.allSettled(
      Array.from({ length: 300 }, () => dialLink(gateway, { session })),
    );
    const haveAllDialled = performance.now() - since < LIMITS.handshakeMs - 1_000;
    const links = silent.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const refused = silent.flatMap((one) =>
      one.status === 'rejected' ? [String(one.reason)] : [],
    );
    if (haveAllDialled) expect(links).toHaveLength(LIMITS.unregisteredLinks);
    else expect(links.length).toBeGreaterThanOrEqual(LIMITS.unregisteredLinks);
    for (const why of refused) expect(why).toBe('Error: Unexpected server response: 503');
    // Whoever is in stays in, and is served.
    expect(await works()).toBe(true);
    // Half of them at least say who they are, and no more.
    for (const link of links.slice(0, 128)) link.control(HELLO);

    const tunnel = await gateway.createTunnel('late', ['late.postern.test']);
    // At half-time, which a second PING says: the later it comes, the sooner it is that it asks again.
    const pings = (): number => links[0]?.frames.filter(({ type }) => type === 'PING').length ?? 0;
    await eventually(() => pings() >= 2, { deadlineMs: LIMITS.handshakeMs });
    const late = await startConnector({
      gateway,
      tunnel,
      ingress: [{ hostname: 'late.postern.test', service: 'http_status:204' }],
      waitUntilReady: false,
    });
    await eventually(() =>
      late.log.some(({ errCode }) => errCode === 'LINK_REFUSED' || errCode === 'LINK_HANDSHAKE'),
    );

    for (const { code, reason } of await Promise.all(links.map(({ closed }) => closed))) {
      expect({ code, reason }).toEqual({ code: 4408, reason: 'REGISTER_TIMEOUT' });
    }
    for (const { lastedMs } of links) {
      expect(lastedMs).toBeGreaterThan(LIMITS.handshakeMs - 1_000);
      expect(lastedMs).toBeLessThan(LIMITS.handshakeMs + 20_000);
    }
    await isGone;
    await late.ready();
    expect((await gateway.fetch('late.postern.test')).status).toBe(204);
    expect(gateway.process.peakRssBytes()).toBeLessThan(RSS_LIMIT_BYTES);
  });

  it('10,000 wrong tokens: each refused, memory bounded, users served meanwhile', async () => {
    const users = new SteadyRequests({ users: 2, ask: askEcho(gateway.tcpPort(HOSTNAME)) });
    const first = connectTls(gateway);
    const session = await new Promise<Buffer>((resolve) => first.once('session', resolve));
    const codes = new Map<number, number>();
    let left = 10_000;
    const knock = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const link = await dialLink(gateway, { session });
        link.control(HELLO);
        link.control({ ...REGISTER, token: `pst_${left.toString().padStart(64, 'A')}` });
        const { code } = await link.closed;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 32 }, knock));
    expect([...codes]).toEqual([[4401, 10_000]]);
    const asked = await users.stop();
    expect(asked.filter(({ failure }) => failure !== undefined)).toEqual([]);
    expect(asked.length).toBeGreaterThan(100);
    expect(gateway.process.exit).toBeUndefined();
    expect(gateway.process.peakRssBytes()).toBeLessThan(RSS_LIMIT_BYTES);
    const refused = { outcome: 'REGISTER_REFUSED' };
    expect(await gateway.metric('postern_gateway_registrations_total', refused)).toBeGreaterThan(
      9_999,
    );
    await eventually(async () => (await gateway.metric('postern_gateway_links')) === 4);
  }, 400_000);
});

function rule(): object {
  return { id: 'r', hostname: 'rogue.postern.test', kind: 'http' };
}

/** Whether the connector that was there first still carries what users send. */
async function works(): Promise<boolean> {
  return (await askEcho(gateway.tcpPort(HOSTNAME))(0)) === undefined;
}
