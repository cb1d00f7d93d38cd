/** A token that was rotated, a tunnel that was deleted: their links and streams end within a second. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { AT_ONCE_MS } from '../support/at-once.ts';
import { cleanup } from '../support/cleanup.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';

/** A connection whose echo has come back, and that keeps what ends it. */
async function openEcho(port: number): Promise<{ socket: Socket; ended: Promise<number> }> {
  const socket = connect(port, '127.0.0.1');
  cleanup(() => socket.destroy());
  socket.on('error', () => undefined);
  const ended = new Promise<number>((resolve) => {
    socket.once('close', () => resolve(performance.now()));
  });
  socket.write('hello');
  await once(socket, 'data');
  return { socket, ended };
}

describe.each([
  ['rotate', 'its token was rotated'],
  ['delete', 'it was deleted'],
])('postern tunnel %s', (verb, reason) => {
  let gateway: Gateway;
  let echo: TcpOrigin;
  let victim: Connector;
  let other: Connector;

  beforeAll(async () => {
    gateway = await startGateway({ tcp: ['victim.postern.test', 'other.postern.test'] });
    echo = await startEcho();
    const start = async (hostname: string) =>
      startConnector({ gateway, ingress: [{ hostname, service: echo.service }] });
    victim = await start('victim.postern.test');
    other = await start('other.postern.test');
    await Promise.all([victim.linksUp(), other.linksUp()]);
  });

  it('ends links and streams of that tunnel within a second, and nothing else', async () => {
    guardLinks(other);
    const doomed = await openEcho(gateway.tcpPort('victim.postern.test'));
    const safe = await openEcho(gateway.tcpPort('other.postern.test'));
    const answer = await gateway.cli('tunnel', verb, victim.tunnel.name);
    const answered = performance.now();
    expect(answer.code).toBe(0);
    expect((await doomed.ended) - answered).toBeLessThan(AT_ONCE_MS);
    await eventually(async () => (await gateway.metric('postern_gateway_links')) === 4, {
      deadlineMs: AT_ONCE_MS + answered - performance.now(),
      what: 'the links to be gone',
    });
    await eventually(() => victim.log.some(({ msg }) => msg === 'link lost'));
    const lost = victim.log.find(({ msg }) => msg === 'link lost');
    expect(JSON.stringify(lost)).toContain(reason);
    safe.socket.write('still here');
    const [data]: Buffer[] = await once(safe.socket, 'data');
    expect(String(data)).toBe('still here');
  });

  it('the old token is refused, told apart, and asked about slowly', async () => {
    await eventually(() => victim.log.some(({ msg }) => msg === 'the gateway refuses the token'));
    const refused = victim.log.find(({ msg }) => msg === 'the gateway refuses the token');
    expect(refused).toMatchObject({ errCode: 'REGISTER_REFUSED' });
    expect(Number(refused?.['waitMs'])).toBeGreaterThanOrEqual(5_000);
    expect(victim.process.exit).toBeUndefined();
    expect(victim.process.output.text()).not.toContain(victim.tunnel.token);
    expect(await gateway.metric('postern_gateway_links')).toBe(4);
  });
});

describe('a token that was rotated while no gateway ran', () => {
  it('is refused by the next one, and the new token is taken', async () => {
    const gateway = await startGateway();
    const ingress = [{ hostname: 'hello.postern.test', service: 'hello_world' }];
    const old = await startConnector({ gateway, ingress });
    await gateway.stop();
    const { name } = old.tunnel;
    const issued = Object(await gateway.json('tunnel', 'rotate', name));
    await gateway.start();
    await eventually(() => old.log.some(({ msg }) => msg === 'the gateway refuses the token'));
    expect((await gateway.fetch('hello.postern.test')).status).toBe(503);
    await startConnector({ gateway, ingress, tunnel: { ...old.tunnel, token: issued.token } });
    expect((await gateway.fetch('hello.postern.test')).status).toBe(200);
  });
});
