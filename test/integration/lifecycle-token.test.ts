/**
 * A tunnel's token is revoked while it is in use: rotated, or the tunnel deleted. K2 of docs/security.md.
 *
 * Links and streams, attached or detached, end within a second at both ends; the old token is refused and asked with
 * seldom; the new one works.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { AT_ONCE_MS } from '../support/at-once.ts';
import { auditEvents } from '../support/audit-log.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type Tunnel } from '../support/gateway.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import {
  startDownload,
  startLiveStream,
  startWebSocket,
  type LiveStream,
} from '../support/live-traffic.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';

/** The least time between two tries with a refused token, ms. */
const SLOW_MS = 5_000;

/** WebSocket close code that asks programs to connect again. */
const SERVICE_RESTART = 1012;

let gateway: Gateway;
let web: HttpOrigin;
let raw: HandingOrigin;

beforeAll(async () => {
  web = await startHttpOrigin();
  raw = await startHandingOrigin();
  gateway = await startGateway({
    tcp: ['rotate-raw.postern.test', 'delete-raw.postern.test', 'away-raw.postern.test'],
  });
});

const ingress = (word: string) => [
  { hostname: `${word}.postern.test`, service: web.service },
  { hostname: `${word}-raw.postern.test`, service: raw.service },
];

describe.each([
  { word: 'rotate', event: 'tunnel.rotate', status: 503 },
  { word: 'delete', event: 'tunnel.delete', status: 404 },
])('tunnel $word, under live traffic', ({ word, event, status }) => {
  const hostname = `${word}.postern.test`;
  let connector: Connector;
  let answer: unknown;

  beforeAll(async () => {
    connector = await startConnectorOf(word);
  });

  it('K2 ends every link and stream of the tunnel within a second, at both ends', async () => {
    const streams = await liveStreams(`${word}-raw.postern.test`, 3);
    const download = await startDownload(gateway, hostname, '/drip?n=6000&ms=10');
    const webSocket = await startWebSocket(gateway, hostname);
    await moves(streams);
    expect(await gateway.metric('postern_gateway_links', { tunnel: word })).toBe(4);

    answer = await gateway.json('tunnel', word, word);
    // The event is written after the deed.
    const revoked = (await auditEvents(gateway)).find(({ type }) => type === event);
    const revokedAt = Number(revoked?.at);

    const ends = await Promise.all(streams.flatMap((one) => [one.clientEnd, one.serverEnd]));
    expect(ends.map(({ how }) => how)).toEqual(ends.map(() => 'reset'));
    const cut = await download.end;
    expect(cut.how).toBe('broken');
    const closed = await webSocket.end;
    expect(closed.how).toBe(SERVICE_RESTART);
    for (const { at } of [...ends, cut, closed]) expect(at - revokedAt).toBeLessThan(AT_ONCE_MS);
    await eventually(async () => {
      const series = { tunnel: word };
      expect(await gateway.metric('postern_gateway_links', series)).toBe(0);
      expect(await gateway.metric('postern_gateway_streams_open', series)).toBe(0);
    });
    expect((await gateway.fetch(hostname)).status).toBe(status);
  });

  it('K2 refuses the old token with a clear line in both logs, and the connector asks slowly', async () => {
    const refused = await eventually(
      () => {
        const lines = connector.log.filter(({ msg }) => msg === 'the gateway refuses the token');
        expect(lines.length).toBeGreaterThanOrEqual(4);
        return lines;
      },
      { deadlineMs: 30_000 },
    );
    for (const { level, errCode, waitMs } of refused) {
      expect({ level, errCode }).toEqual({ level: 'warn', errCode: 'REGISTER_REFUSED' });
      expect(Number(waitMs)).toBeGreaterThanOrEqual(SLOW_MS);
    }
    expect(connector.process.exit).toBeUndefined();
    expect(await connector.metric('postern_connector_ready')).toBe(0);
    const line = gateway.log.find(({ msg }) => msg === 'registration refused');
    expect(line).toMatchObject({ level: 'warn', errCode: 'REGISTER_REFUSED' });
    expect(line?.['address']).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  if (word !== 'rotate') return;

  it('K2 lets a connector in that has the new token', async () => {
    const tunnel = answer as Tunnel;
    expect(tunnel.token).not.toBe(connector.tunnel.token);
    const renewed = await startConnector({ gateway, tunnel, ingress: ingress(word) });
    expect((await gateway.fetch(hostname, '/status/204')).status).toBe(204);
    const [stream] = await liveStreams(`${word}-raw.postern.test`, 1);
    if (stream !== undefined) await moves([stream]);
    expect(await gateway.metric('postern_gateway_replicas', { tunnel: word })).toBe(1);
    expect(renewed.log.map(({ msg }) => msg)).not.toContain('the gateway refuses the token');
  });
});

it('K2 ends streams that are detached just then: at the user at once, at the origin when the connector is back', async () => {
  const path = await startLinkProxy({ target: { port: gateway.ports.https } });
  const tunnel = await gateway.createTunnel('away', ['away-raw.postern.test']);
  const connector = await startConnector({
    gateway,
    tunnel,
    ingress: ingress('away'),
    via: [path],
  });
  const streams = await liveStreams('away-raw.postern.test', 2);
  await moves(streams);
  await path.refuse();
  path.cutAll();
  await eventually(async () => (await gateway.metric('postern_gateway_detached_streams')) === 2);

  await gateway.json('tunnel', 'rotate', 'away');
  const revoked = Date.now();
  const users = await Promise.all(streams.map(({ clientEnd }) => clientEnd));
  for (const { how, at } of users) {
    expect(how).toBe('reset');
    expect(at - revoked).toBeLessThan(AT_ONCE_MS);
  }

  await path.restore();
  await eventually(() => connector.log.some(({ msg }) => msg === 'the gateway refuses the token'), {
    deadlineMs: 30_000,
  });
  const told = Date.now();
  const origins = await Promise.all(streams.map(({ serverEnd }) => serverEnd));
  for (const { how, at } of origins) {
    expect(how).toBe('reset');
    expect(at - told).toBeLessThan(AT_ONCE_MS);
  }
});

async function startConnectorOf(word: string): Promise<Connector> {
  const hostnames = ingress(word).map(({ hostname }) => hostname);
  const tunnel = await gateway.createTunnel(word, hostnames);
  const connector = await startConnector({ gateway, tunnel, ingress: ingress(word) });
  await connector.linksUp();
  return connector;
}

async function liveStreams(hostname: string, count: number): Promise<LiveStream[]> {
  const streams: LiveStream[] = [];
  for (let i = 0; i < count; i += 1) {
    streams.push(await startLiveStream(gateway.tcpPort(hostname), raw));
  }
  return streams;
}

/** Resolves when bytes arrive on every one. */
async function moves(streams: readonly LiveStream[]): Promise<void> {
  const before = streams.map(({ moved }) => moved());
  await eventually(() => streams.every(({ moved }, index) => moved() > (before[index] ?? 0)));
}
