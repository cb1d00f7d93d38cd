/** Who may stand in a listener, with real connections from several addresses. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createSecureServer as createHttp2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { describe, expect, it } from '@jest/globals';

import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { clientOf } from '../../../../src/gateway/front/client-address.ts';
import { FrontDoor } from '../../../../src/gateway/front/front-door.ts';
import { createProxiedServer } from '../../../../src/gateway/front/proxied-server.ts';
import { TrustedProxies } from '../../../../src/gateway/front/trusted-proxies.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { whenReset } from '../../../support/real/peer-end.ts';
import { portOf } from '../../../support/real/port.ts';
import { TestAuthority } from '../../../support/test-authority.ts';

const NONE = { opening: 0, counted: 0, addresses: 0 };

interface Lab {
  readonly door: FrontDoor;
  readonly clock: FakeClock;
  readonly limits: { maxConnectionsPerAddress: number };
  /** Codes and listeners of those who were refused. */
  readonly refused: string[];
  /** What came in, with its address. */
  readonly inside: Socket[];
  /** Connects, and resolves when it is in. */
  readonly enter: (from?: string) => Promise<Socket>;
  /** Connects, and resolves when it was reset. */
  readonly bounce: (from?: string) => Promise<void>;
  readonly dial: (from?: string) => Socket;
}

interface LabOptions {
  readonly most: number;
  readonly takesLinks?: boolean;
  readonly trusted?: string[];
  readonly mostOpening?: number;
  readonly server?: Server;
}

async function start(options: LabOptions): Promise<Lab> {
  const { most, takesLinks = false, trusted = [], mostOpening } = options;
  const clock = new FakeClock();
  const limits = { maxConnectionsPerAddress: most };
  const refused: string[] = [];
  const inside: Socket[] = [];
  const door = new FrontDoor({
    clock,
    limits: () => limits,
    proxies: new TrustedProxies(trusted.map(parseIpRange)),
    onRefused: ({ listener, error }) => void refused.push(`${listener} ${String(error)}`),
    ...(mostOpening !== undefined && { mostOpening }),
  });
  const server = options.server ?? createServer();
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    inside.push(socket);
  });
  door.guard(server, 'https', takesLinks);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(() => server.close());
  cleanup(() => {
    for (const socket of inside) socket.destroy();
  });
  const dial = (from = '127.0.0.1'): Socket => {
    const socket = connect({ port: portOf(server), host: '127.0.0.1', localAddress: from });
    socket.on('error', () => undefined);
    cleanup(() => socket.destroy());
    return socket;
  };
  return {
    door,
    clock,
    limits,
    refused,
    inside,
    dial,
    enter: async (from) => {
      const count = inside.length;
      const socket = dial(from);
      await eventually(() => inside.length > count);
      return socket;
    },
    bounce: async (from) => whenReset(dial(from)),
  };
}

describe('P32 connections of one address', () => {
  it('are so many, and those of another are its own', async () => {
    const { door, refused, inside, enter, bounce } = await start({ most: 2 });
    const first = await enter();
    await enter();
    await bounce();
    expect(inside).toHaveLength(2);
    expect(refused).toEqual([
      expect.stringMatching(/^https .*127\.0\.0\.1 has 2, which is http\./),
    ]);
    await enter('127.0.0.2');
    expect(door.size).toEqual({ opening: 3, counted: 3, addresses: 2 });
    first.destroy();
    await eventually(() => door.size.counted === 2);
    await enter();
    for (const socket of inside) socket.destroy();
    await eventually(() => door.size.opening === 0);
    expect(door.size).toEqual(NONE);
  });

  it('are any number where there is no limit, and of a trusted proxy', async () => {
    const { door, limits, enter, bounce } = await start({ most: 1, trusted: ['127.0.0.9'] });
    await enter();
    for (let n = 0; n < 3; n += 1) await enter('127.0.0.9');
    await bounce();
    limits.maxConnectionsPerAddress = 0;
    await enter();
    limits.maxConnectionsPerAddress = 3;
    // Those that came without a limit were not counted.
    await enter();
    await enter();
    await bounce();
    expect(door.size).toMatchObject({ counted: 3, addresses: 1 });
  });

  it('that became a link or a WebSocket are no longer counted', async () => {
    const { door, inside, enter } = await start({ most: 1 });
    for (let n = 0; n < 3; n += 1) {
      await enter();
      door.release(inside.at(-1) as Socket);
    }
    expect(door.size).toEqual(NONE);
    for (const socket of inside) socket.destroy();
    await enter();
    expect(door.size).toMatchObject({ counted: 1 });
  });

  it('are those of whom a PROXY header names', async () => {
    const server = createServer((socket) => void socket.write('in'));
    const { door, refused } = await start({ most: 1, server });
    const front = createProxiedServer(server, {
      proxies: new TrustedProxies([parseIpRange('127.0.0.1')]),
      listener: 'https',
      sockets: {},
      onAccepted: (socket) => door.accepted(socket, 'https'),
      onRefused: () => undefined,
    });
    await once(front.listen(0, '127.0.0.1'), 'listening');
    cleanup(() => front.close());
    const dial = (header: string): Socket => {
      const socket = connect(portOf(front), '127.0.0.1');
      cleanup(() => socket.destroy());
      socket.write(header);
      return socket;
    };
    const [a, b] = [1, 2].map((n) => `PROXY TCP4 192.0.2.${n} 192.0.2.9 4711 443\r\n`);
    dial('PROXY ');
    await eventually(() => door.size.opening === 1);
    await once(dial(a as string), 'data');
    await whenReset(dial(a as string));
    await once(dial(b as string), 'data');
    expect(refused).toEqual([expect.stringContaining('192.0.2.1 has 1')]);
    expect(door.size).toEqual({ opening: 3, counted: 2, addresses: 2 });
  });
});

describe('an address at its limit, where links may come', () => {
  it('has a few places more, and they are for links', async () => {
    const { door, refused, inside, enter, bounce } = await start({ most: 1, takesLinks: true });
    await enter();
    for (let n = 0; n < LIMITS.linkReserve; n += 1) await enter();
    await bounce();
    expect(refused).toHaveLength(1);
    const [ordinary, trial, link] = inside as [Socket, Socket, Socket];
    expect(door.heard(ordinary)).toBeUndefined();
    expect(door.heard(trial)).toMatchObject({ code: 'HTTP_CONNECTION_LIMIT' });
    // A link goes, as far as this is concerned, and another may come.
    door.release(link);
    await enter();
    await bounce();
    expect(door.size.counted).toBe(1 + LIMITS.linkReserve);
  });

  it('keeps them only for a moment', async () => {
    const { door, clock, refused, inside, enter } = await start({ most: 1, takesLinks: true });
    await enter();
    const trial = await enter();
    const link = await enter();
    door.release(inside[2] as Socket);
    expect(clock.pending).toBe(1);
    trial.resume();
    clock.run(LIMITS.linkTrialMs);
    await eventually(() => trial.closed);
    expect(refused).toEqual([expect.stringContaining('it is no link')]);
    expect(link.destroyed).toBe(false);
    await eventually(() => door.size.counted === 1);
    expect(door.size).toEqual({ opening: 1, counted: 1, addresses: 1 });
  });

  it('takes an ordinary connection when there is a place by then', async () => {
    const { door, clock, inside, enter } = await start({ most: 1, takesLinks: true });
    const first = await enter();
    await enter();
    const second = inside[1] as Socket;
    expect(door.heard(second)).toBeDefined();
    first.destroy();
    await eventually(() => door.size.counted === 1);
    expect(door.heard(second)).toBeUndefined();
    expect(clock.pending).toBe(0);
    second.destroy();
    await eventually(() => door.size.counted === 0);
    expect(door.size).toEqual(NONE);
  });
});

describe('P32 connections that have not asked for anything', () => {
  it('are so many, and the oldest makes room', async () => {
    const { door, refused, inside, enter } = await start({ most: 0, mostOpening: 2 });
    const oldest = await enter();
    await enter('127.0.0.2');
    oldest.resume();
    await enter('127.0.0.3');
    await eventually(() => oldest.closed);
    expect(refused).toEqual([expect.stringContaining('2 others came after it')]);
    // Who has asked is not looked at again.
    expect(door.heard(inside[1] as Socket)).toBeUndefined();
    await enter('127.0.0.4');
    expect(refused).toHaveLength(1);
    expect(door.size.opening).toBe(2);
  });

  it.each<[string, (pair: { cert: string; key: string }) => Server]>([
    ['http/1.1', (pair) => createHttpsServer(pair)],
    ['h2', (pair) => createHttp2Server(pair)],
  ])('may be in the middle of a TLS handshake, or behind it: %s', async (protocol, serve) => {
    const authority = await TestAuthority.create();
    const server = serve(await authority.issue({ dns: ['app.test'] }));
    const { door, refused, dial } = await start({ most: 0, mostOpening: 2, server });
    const shaking = dial();
    // A handshake record of 512 bytes, and only its first seven.
    shaking.write(Buffer.from('16030102000100', 'hex'));
    await eventually(() => door.size.opening === 1);
    const secured = (): Socket => {
      const port = portOf(server);
      const socket = connectTls({
        port,
        ca: authority.pem,
        servername: 'app.test',
        ALPNProtocols: [protocol],
      });
      socket.on('error', () => undefined);
      cleanup(() => socket.destroy());
      return socket;
    };
    const behind = secured();
    await once(behind, 'secureConnect');
    const third = secured();
    await once(third, 'secureConnect');
    shaking.resume();
    await eventually(() => shaking.closed);
    const fourth = secured();
    await once(fourth, 'secureConnect');
    behind.resume();
    await eventually(() => behind.closed);
    expect(refused).toHaveLength(2);
    third.destroy();
    fourth.destroy();
    await eventually(() => door.size.opening === 0);
  });

  it('have asked with their first request, where that is answered with the end', async () => {
    const server = createHttpServer((_, response) => response.end('ok'));
    const { door, enter } = await start({ most: 5, server });
    const socket = await enter();
    expect(door.size.opening).toBe(1);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    expect(door.size).toEqual({ opening: 0, counted: 1, addresses: 1 });
    expect(clientOf(socket).address).toBe('127.0.0.1');
  });
});
