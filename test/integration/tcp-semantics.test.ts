/**
 * What a carried TCP connection keeps of TCP: each direction ends by itself, FIN stays FIN and a reset stays a reset,
 * whoever it comes from and whenever. A refused connection is a reset too, never an empty answer.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually, untilStill } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { patternBytes, PatternCheck } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { whenPeerEnds, type PeerEnd } from '../support/real/peer-end.ts';
import { connectPair, startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';

const MiB = 1024 * 1024;

let gateway: Gateway;
let connector: Connector;
let origin: HandingOrigin;

beforeAll(async () => {
  origin = await startHandingOrigin();
  ({ gateway, connector } = await startPostern({
    tcp: ['raw.postern.test', 'refused.postern.test', 'unrouted.example.com'],
    ingress: [
      { hostname: 'raw.postern.test', service: origin.service },
      // Port 1 is reserved and nobody listens on it.
      { hostname: 'refused.postern.test', service: 'tcp://127.0.0.1:1' },
    ],
  }));
  guardLinks(connector);
});

const pair = async (): Promise<{ client: Socket; server: Socket }> =>
  connectPair(gateway.tcpPort('raw.postern.test'), origin);

describe('half-close', () => {
  it('lets an origin answer at length after the client has ended', async () => {
    const { client, server } = await pair();
    client.end(patternBytes(4 * MiB));
    expect(await readPattern(server)).toEqual({ bytes: 4 * MiB, end: 'fin' });
    const answer = readPattern(client);
    server.end(patternBytes(8 * MiB));
    expect(await answer).toEqual({ bytes: 8 * MiB, end: 'fin' });
  });

  it('lets a client go on sending after the origin has ended', async () => {
    const { client, server } = await pair();
    server.end(patternBytes(4 * MiB));
    expect(await readPattern(client)).toEqual({ bytes: 4 * MiB, end: 'fin' });
    const rest = readPattern(server);
    client.end(patternBytes(8 * MiB));
    expect(await rest).toEqual({ bytes: 8 * MiB, end: 'fin' });
  });

  it('keeps an ended direction ended while the other carries one byte at a time', async () => {
    const { client, server } = await pair();
    client.end();
    expect(await readPattern(server)).toEqual({ bytes: 0, end: 'fin' });
    for (let i = 0; i < 20; i += 1) {
      server.write(String(i % 10));
      const [chunk]: Buffer[] = await once(client, 'data');
      expect(chunk?.toString()).toBe(String(i % 10));
    }
    const ended = whenEnded(client);
    server.end();
    expect(await ended).toBe('fin');
  });

  it.each(['the client first', 'the origin first', 'both at once'])(
    'ends a connection that carried nothing, %s',
    async (first) => {
      const { client, server } = await pair();
      const ends = [whenEnded(client.resume()), whenEnded(server.resume())];
      if (first !== 'the origin first') client.end();
      if (first !== 'the client first') server.end();
      if (first === 'the client first') await once(server, 'end');
      if (first === 'the origin first') await once(client, 'end');
      client.end();
      server.end();
      expect(await Promise.all(ends)).toEqual(['fin', 'fin']);
      await eventually(() => client.closed && server.closed);
    },
  );

  it('leaves no stream behind', async () => {
    await noStreamLeft();
  });
});

describe.each(['client', 'origin'] as const)('a reset by the %s', (who) => {
  const ends = async (): Promise<{ from: Socket; to: Socket }> => {
    const { client, server } = await pair();
    return who === 'client' ? { from: client, to: server } : { from: server, to: client };
  };

  it('arrives as a reset on a connection that carried nothing', async () => {
    const { from, to } = await ends();
    const ended = whenEnded(to.resume());
    from.resetAndDestroy();
    expect(await ended).toBe('reset');
  });

  it('arrives as a reset after bytes both ways', async () => {
    const { from, to } = await ends();
    from.write('there');
    await once(to, 'data');
    to.write('and back');
    await once(from, 'data');
    const ended = whenEnded(to.resume());
    from.resetAndDestroy();
    expect(await ended).toBe('reset');
  });

  it('arrives as a reset right behind bytes, every time', async () => {
    for (let i = 0; i < 50; i += 1) {
      const { from, to } = await ends();
      const ended = whenEnded(to.resume());
      await new Promise((resolve) => from.write('last words', resolve));
      from.resetAndDestroy();
      expect({ i, end: await ended }).toEqual({ i, end: 'reset' });
    }
  });

  it('arrives as a reset right behind megabytes', async () => {
    const { from, to } = await ends();
    const ended = whenEnded(to.resume());
    await new Promise((resolve) => from.write(patternBytes(4 * MiB), resolve));
    from.resetAndDestroy();
    expect(await ended).toBe('reset');
  });

  it('arrives as a reset when the other end has ended before', async () => {
    const { from, to } = await ends();
    const ended = new Promise<PeerEnd>((resolve) => {
      to.on('error', () => resolve('reset'));
      to.on('end', () => resolve('fin'));
    });
    to.resume().end();
    await once(from.resume(), 'end');
    from.resetAndDestroy();
    expect(await ended).toBe('reset');
  });

  it('arrives as a reset when it has ended its own direction before', async () => {
    const { from, to } = await ends();
    from.end();
    await once(to.resume(), 'end');
    from.resetAndDestroy();
    // Like without a tunnel, who reads no more learns it by writing.
    await eventually(() => {
      to.write('?');
      return to.destroyed;
    });
    expect(['ECONNRESET', 'EPIPE']).toContain(Reflect.get(Object(to.errored), 'code'));
    await noStreamLeft();
  });

  it('arrives while the other end reads nothing and everything between is full', async () => {
    const { from, to } = await ends();
    await fill(from);
    from.resetAndDestroy();
    // What the kernel holds for this end is read first, like without a tunnel.
    const ended = whenEnded(to.resume());
    expect(await ended).toBe('reset');
  });

  it('frees the stream although the other end reads nothing', async () => {
    const { from, to } = await ends();
    await fill(from);
    from.resetAndDestroy();
    await noStreamLeft();
    expect(await whenEnded(to.resume())).toBe('reset');
  });
});

describe('a connection that cannot be carried', () => {
  it.each(['refused.postern.test', 'unrouted.example.com'])('to %s is reset', async (hostname) => {
    const client = connect(gateway.tcpPort(hostname), '127.0.0.1');
    client.on('error', () => undefined);
    cleanup(() => client.destroy());
    const ended = whenEnded(client.resume());
    expect(await ended).toBe('reset');
    expect(client.bytesRead).toBe(0);
  });

  it('is reset too when the client has sent its request and ended', async () => {
    const client = connect({
      port: gateway.tcpPort('refused.postern.test'),
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    cleanup(() => client.destroy());
    const broken = new Promise<unknown>((resolve) => {
      client.on('error', resolve);
      client.on('end', () => resolve('an orderly end'));
    });
    client.resume().end('GET / HTTP/1.0\r\n\r\n');
    expect(await broken).toMatchObject({ code: 'ECONNRESET' });
  });
});

async function noStreamLeft(): Promise<void> {
  await eventually(async () => {
    expect(await connector.metric('postern_connector_streams_open')).toBe(0);
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(0);
  });
}

/** Reads to the end and checks every byte. */
async function readPattern(socket: Socket): Promise<{ bytes: number; end: PeerEnd }> {
  const check = new PatternCheck();
  socket.on('data', (chunk: Buffer) => check.push(chunk));
  const end = await whenEnded(socket);
  return { bytes: check.bytes, end };
}

function whenEnded(socket: Socket): Promise<PeerEnd> {
  return new Promise((resolve) => {
    whenPeerEnds(socket, resolve);
  });
}

/** Writes until nothing moves any more: every window and buffer on the way is full. */
async function fill(socket: Socket): Promise<void> {
  const chunk = patternBytes(MiB);
  await untilStill(
    () => {
      while (socket.writableLength < 8 * MiB) socket.write(chunk);
      return socket.bytesWritten - socket.writableLength;
    },
    { everyMs: 300, deadlineMs: 20_000, what: 'every buffer to be full' },
  );
}
