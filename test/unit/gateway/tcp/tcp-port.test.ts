/** What a TCP port does by itself. What it carries is shown in test/integration/tcp-semantics and tcp-tls. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { parseHostnamePattern } from '../../../../src/config/hostname-pattern.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { TcpAccess } from '../../../../src/gateway/access/tcp-access.ts';
import { RouteTable } from '../../../../src/gateway/routing/route-table.ts';
import { StreamRouter } from '../../../../src/gateway/routing/stream-router.ts';
import { TrustedProxies } from '../../../../src/gateway/front/trusted-proxies.ts';
import { TcpPort, type TcpPortOptions } from '../../../../src/gateway/tcp/tcp-port.ts';
import { sharedTickets } from '../../../../src/gateway/tls/shared-tickets.ts';
import { TunnelRegistry } from '../../../../src/gateway/links/tunnel-registry.ts';
import { GatewayMetrics } from '../../../../src/telemetry/gateway-metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { BoundSockets } from '../../../../src/transport/listen-on.ts';
import { accessCore } from '../../../support/access-core.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { whenReset } from '../../../support/real/peer-end.ts';
import { TestAuthority } from '../../../support/test-authority.ts';
import { dialTls } from '../../../support/tls-client.ts';

const HOSTNAME = 'port.postern.test';

const LISTENER: TcpPortOptions['listener'] = {
  listen: { host: '127.0.0.1', port: 0 },
  hostnames: [parseHostnamePattern(HOSTNAME)],
  choice: 'only',
  allow: [],
  deny: [],
  maxConnections: 0,
  maxConnectionsPerAddress: 0,
  idleTimeoutMs: 0,
  proxyProtocol: 'off',
};

/** A port behind which there is no tunnel: who connects is reset. Returns it with its number. */
async function openPort(
  tls?: TcpPortOptions['tls'],
  arrivals: TcpPortOptions['arrivals'] = { wait: () => undefined },
  listener: Partial<TcpPortOptions['listener']> = {},
  more: Partial<TcpPortOptions> = {},
): Promise<{ port: TcpPort; number: number }> {
  const registry = new TunnelRegistry({
    clock: systemClock,
    metrics: new GatewayMetrics({ version: '0' }),
    resumeTimeoutMs: 1_000,
    events: { onJoin: () => undefined, onLeave: () => undefined, onDead: () => undefined },
  });
  const { gate } = await accessCore();
  const access = new TcpAccess({ gate, onDenied: () => undefined, note: () => undefined });
  const port = new TcpPort({
    listener: { ...LISTENER, ...listener },
    name: 'tcp[0]',
    sockets: new BoundSockets(),
    tls,
    tickets: sharedTickets(undefined),
    proxies: new TrustedProxies(),
    router: new StreamRouter({ routes: new RouteTable(), registry }),
    arrivals,
    access,
    signer: { sign: () => undefined },
    onRefused: () => undefined,
    log: createLog({ component: 'gateway', destination: { write: () => undefined } }),
    ...more,
  });
  cleanup(() => port.close());
  const { port: number } = await port.open();
  return { port, number };
}

describe('renew()', () => {
  it('has new handshakes see the new certificate', async () => {
    const authority = await TestAuthority.create();
    const [old, renewed] = [
      await authority.issue({ dns: [HOSTNAME, 'old.postern.test'] }),
      await authority.issue({ dns: [HOSTNAME, 'renewed.postern.test'] }),
    ];
    const { port, number } = await openPort(old);
    const namesServed = async (): Promise<string | undefined> => {
      const { socket } = dialTls(number, { ca: authority.pem, servername: HOSTNAME });
      await once(socket, 'secureConnect');
      return socket.getPeerCertificate().subjectaltname;
    };
    expect(await namesServed()).toContain('DNS:old.postern.test');
    port.renew(renewed);
    expect(await namesServed()).toContain('DNS:renewed.postern.test');
  });

  it('means nothing where bytes are passed as they are', async () => {
    const { port, number } = await openPort();
    port.renew(await (await TestAuthority.create()).issue({ dns: [HOSTNAME] }));
    const client = connect(number, '127.0.0.1');
    cleanup(() => client.destroy());
    await whenReset(client);
  });
});

describe('a connection whose connector has not come yet', () => {
  it('waits, and is tried again when it may be there', async () => {
    const asked: (() => void)[] = [];
    let released = 0;
    const { port, number } = await openPort(undefined, {
      wait: (error, hostname, again) => {
        expect([error, hostname]).toMatchObject([{ code: 'ROUTE_NOT_FOUND' }, HOSTNAME]);
        if (asked.push(again) > 2) return undefined;
        return { release: () => void (released += 1) };
      },
    });
    const client = connect(number, '127.0.0.1');
    cleanup(() => client.destroy());
    await eventually(() => asked.length === 1);
    expect(port.connectionCount).toBe(1);
    asked[0]?.();
    expect(asked).toHaveLength(2);
    const reset = whenReset(client);
    asked[1]?.();
    await reset;
    await eventually(() => released === 2);
    expect(asked).toHaveLength(3);
  });

  it('waits no longer when its client leaves', async () => {
    let isReleased = false;
    let isWaiting = false;
    const { number } = await openPort(undefined, {
      wait: () => {
        isWaiting = true;
        return { release: () => void (isReleased = true) };
      },
    });
    const client = connect(number, '127.0.0.1');
    await eventually(() => isWaiting);
    client.resetAndDestroy();
    await eventually(() => isReleased);
  });
});

describe('connections of which it is not known yet where they go', () => {
  it('are so many, the oldest makes room, and so do those that leave or say it', async () => {
    const log: string[] = [];
    const { port, number } = await openPort(
      undefined,
      undefined,
      { choice: 'named' },
      {
        mostOpening: 2,
        onRefused: ({ listener, error }) => void log.push(`${listener} ${String(error)}`),
      },
    );
    const dial = (): Socket => {
      const client = connect(number, '127.0.0.1');
      client.on('error', () => undefined);
      cleanup(() => client.destroy());
      return client;
    };
    const [first, second] = [dial(), dial()];
    await eventually(() => port.connectionCount === 2);
    const oldest = whenReset(first);
    const third = dial();
    await oldest;
    expect(log.join('')).toMatch(/tcp\[0\] .*2 others came after it/);
    third.destroy();
    await eventually(() => port.connectionCount === 1);
    dial();
    await eventually(() => port.connectionCount === 2);
    // It says it, and has nothing to be carried to.
    const reset = whenReset(second);
    second.write('not TLS');
    await reset;
    expect(log.join('')).toMatch(/Cannot read the ClientHello/);
    const reached = log.length;
    dial();
    await eventually(() => port.connectionCount === 2);
    expect(log).toHaveLength(reached);
  });

  it('may be in the middle of a TLS handshake', async () => {
    const authority = await TestAuthority.create();
    const { port, number } = await openPort(
      await authority.issue({ dns: [HOSTNAME] }),
      undefined,
      {},
      { mostOpening: 1 },
    );
    const dial = (): Socket => {
      const client = connect(number, '127.0.0.1');
      client.on('error', () => undefined);
      cleanup(() => client.destroy());
      return client;
    };
    const first = dial();
    first.resume().write(Buffer.from('16030102000100', 'hex'));
    await eventually(() => port.connectionCount === 1);
    const second = dial();
    await eventually(() => first.closed);
    await eventually(() => port.connectionCount === 1);
    second.resetAndDestroy();
    await eventually(() => port.connectionCount === 0);
  });
});
