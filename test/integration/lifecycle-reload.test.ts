/**
 * A connector whose ingress file changes while it is in use: live streams go on, nobody who asks meanwhile is failed, and
 * what one request leaves behind in metrics and logs of all who carried it.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import type { LogRecord } from '../support/json-log.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { startLiveStream } from '../support/live-traffic.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { askEcho, askHttp, SteadyRequests } from '../support/steady-requests.ts';
import { connectPair, startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';

const WEB = 'web.postern.test';
const RAW = 'raw.postern.test';
const ECHO = 'echo.postern.test';
const TUNNEL = 'watched';

const PATIENT = { deadlineMs: 30_000 };

let gateway: Gateway;
let connector: Connector;
/** What the rules lead to before and after a change. */
let web: HttpOrigin[];
let raw: HandingOrigin[];
let echo: TcpOrigin[];

beforeAll(async () => {
  web = await Promise.all([startHttpOrigin(), startHttpOrigin()]);
  raw = await Promise.all([startHandingOrigin(), startHandingOrigin()]);
  echo = await Promise.all([startEcho(), startEcho()]);
  gateway = await startGateway({ tcp: [RAW, ECHO], config: { log: { level: 'debug' } } });
  const tunnel = await gateway.createTunnel(TUNNEL, [WEB, RAW, ECHO]);
  // On a path that takes its time much is under way when the rules change.
  const path = await startLinkProxy({ target: { port: gateway.ports.https }, delayMs: 15 });
  const config = { loglevel: 'debug' };
  connector = await startConnector({ gateway, tunnel, ingress: rules(0), via: [path], config });
  await connector.linksUp();
});

const rules = (which: number) => [
  { hostname: WEB, service: String(web[which]?.service) },
  { hostname: RAW, service: String(raw[which]?.service) },
  { hostname: ECHO, service: String(echo[which]?.service) },
];

const port = (): number => gateway.tcpPort(RAW);
const handing = (which: number): HandingOrigin => raw[which] as HandingOrigin;

/** Resolves when new requests reach that origin. */
async function servedBy(which: number): Promise<void> {
  const before = await web[which]?.stats();
  await eventually(
    async () => ((await web[which]?.stats())?.requests ?? 0) > (before?.requests ?? 0) + 20,
    PATIENT,
  );
}

/** Resolves when new TCP connections are taken by that origin: the file was read, and the gateway told. */
async function leadsTo(which: number): Promise<void> {
  await eventually(async () => (await reached()) === which, PATIENT);
}

/** Which origin takes a TCP connection that is made now. */
async function reached(): Promise<number> {
  const before = raw.map((origin) => origin.accepted());
  const client = connect(port(), '127.0.0.1');
  try {
    await once(client, 'connect');
    let which = -1;
    await eventually(() => {
      which = raw.findIndex((origin, index) => origin.accepted() > (before[index] ?? 0));
      return which !== -1;
    });
    (await handing(which).next()).destroy();
    return which;
  } finally {
    client.destroy();
  }
}

describe('changed ingress rules', () => {
  it('lead new requests elsewhere, and none fails while they change', async () => {
    guardLinks(connector);
    const users = [
      new SteadyRequests({ users: 8, ask: askHttp(gateway, WEB, '/slow?ms=2') }),
      // Each of these is a stream of its own.
      new SteadyRequests({ users: 8, ask: askEcho(gateway.tcpPort(ECHO)) }),
    ];
    await servedBy(0);
    for (const which of [1, 0, 1]) {
      connector.configure(rules(which));
      await servedBy(which);
    }
    const asked = await Promise.all(users.map((one) => one.stop()));
    expect(asked.flat().filter(({ failure }) => failure !== undefined)).toEqual([]);
    // What the old rules had kept open is let go.
    await eventually(async () => expect((await web[0]?.stats())?.open).toBe(0));
  });

  it('leave a live stream where it is, although its rule is changed and then gone', async () => {
    guardLinks(connector);
    connector.configure(rules(0));
    await leadsTo(0);
    const stream = await startLiveStream(port(), handing(0));
    connector.configure(rules(1));
    await leadsTo(1);
    connector.configure([{ hostname: WEB, service: 'http_status:204' }]);
    await eventually(async () => (await gateway.fetch(WEB)).status === 204, PATIENT);
    const moved = stream.moved();
    await eventually(() => stream.moved() > moved + 100);
    expect(stream.client.destroyed || stream.server.destroyed).toBe(false);
    stream.client.end();
    stream.server.end();
    const ends = await Promise.all([stream.clientEnd, stream.serverEnd]);
    expect(ends.map(({ how }) => how)).toEqual(['fin', 'fin']);
  });
});

describe('one request', () => {
  it('has the same id in the log of the gateway, at the origin, and in the log of the connector', async () => {
    connector.configure(rules(0));
    await leadsTo(0);
    const { body } = await gateway.fetch(WEB, '/echo');
    const echoed: { rawHeaders: string[] } = JSON.parse(body.toString());
    const requestId = echoed.rawHeaders[echoed.rawHeaders.indexOf('X-Request-Id') + 1];
    expect(requestId).toMatch(/^[0-9a-f]{16}$/);
    const ofRequest = (log: LogRecord[]): LogRecord[] =>
      log.filter((record) => record['requestId'] === requestId);
    await eventually(() => {
      expect(ofRequest(gateway.log)).toMatchObject([
        { level: 'info', msg: 'request', path: '/echo', status: 200, tunnelName: TUNNEL },
      ]);
      // The first request by a new rule: it opened the connection, on which others may follow.
      expect(ofRequest(connector.log)).toMatchObject([
        { level: 'debug', msg: 'stream opened', hostname: WEB },
      ]);
    });
  });

  it('over TCP, too, is found in both logs', async () => {
    const { client, server } = await startLiveStream(port(), handing(0));
    client.end();
    server.end();
    await eventually(() => {
      const ended = gateway.log.findLast(({ msg }) => msg === 'TCP stream ended');
      const requestId = ended?.['requestId'];
      const lines = connector.log.filter((record) => record['requestId'] === requestId);
      expect(lines.map(({ msg }) => msg)).toEqual(['stream opened', 'stream ended']);
      expect(lines[0]).toMatchObject({ hostname: RAW, origin: `127.0.0.1:${handing(0).port}` });
    });
  });
});

describe('the metrics', () => {
  it('count streams and bytes of the tunnel, the same on both sides', async () => {
    const bytes = { sent: 300_000, answered: 700_000 };
    await eventually(async () => {
      // No stream of an earlier test is left.
      const streams = { tunnel: TUNNEL, kind: 'tcp' };
      const ended = await gateway.metric('postern_gateway_streams_total', streams);
      const opened = gateway.log.filter(({ msg }) => msg === 'TCP stream opened');
      expect(ended).toBe(opened.length);
    });
    const before = await measured();
    const { client, server } = await connectPair(port(), handing(0));
    await eventually(async () => expect((await measured()).open).toBe(before.open + 1), PATIENT);
    client.end(Buffer.alloc(bytes.sent));
    server.end(Buffer.alloc(bytes.answered));
    client.resume();
    server.resume();
    await Promise.all([once(client, 'close'), once(server, 'close')]);
    await eventually(async () => {
      expect(await measured()).toEqual({
        open: before.open,
        ended: before.ended + 1,
        toOrigin: before.toOrigin + bytes.sent,
        fromOrigin: before.fromOrigin + bytes.answered,
        atConnector: before.atConnector + bytes.sent + bytes.answered,
      });
    }, PATIENT);
    expect(await gateway.metric('postern_gateway_streams_total', { tunnel: 'other' })).toBe(0);
  });
});

interface Measured {
  readonly open: number;
  readonly ended: number;
  readonly toOrigin: number;
  readonly fromOrigin: number;
  readonly atConnector: number;
}

async function measured(): Promise<Measured> {
  const tunnel = TUNNEL;
  const bytes = 'postern_gateway_stream_bytes_total';
  const ended = { tunnel, kind: 'tcp', outcome: 'ok' };
  return {
    open: await gateway.metric('postern_gateway_streams_open', { tunnel }),
    ended: await gateway.metric('postern_gateway_streams_total', ended),
    toOrigin: await gateway.metric(bytes, { tunnel, direction: 'to-origin' }),
    fromOrigin: await gateway.metric(bytes, { tunnel, direction: 'from-origin' }),
    atConnector: await connector.metric('postern_connector_stream_bytes_total'),
  };
}
