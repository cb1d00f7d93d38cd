/**
 * What people notice when one gateway worker takes over from another: nothing. Real workers, a real connector and real
 * clients in one process, so that each step is the test's; the supervisor is tested elsewhere.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';

import { LIMITS } from '../../src/core/limits.ts';
import { StreamDuplex } from '../../src/transport/stream-duplex.ts';
import { AT_ONCE_MS } from '../support/at-once.ts';
import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { HandOverLab, type HandOverLabOptions, type Worker } from '../support/hand-over-lab.ts';
import { patternBytes, patternSha256 } from '../support/pattern.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { whenPeerEnds } from '../support/real/peer-end.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';

const WEB = 'web.postern.test';
const RAW = 'raw.postern.test';
const GUARDED = 'guarded.postern.test';
const LATER = 'later.postern.test';
const KiB = 1024;
const HAND_OVERS = 5;
const UPLOAD = patternBytes(512 * KiB);

let web: HttpOrigin;
let echo: TcpOrigin;

beforeAll(async () => {
  [web, echo] = await Promise.all([startHttpOrigin(), startEcho()]);
});

async function startLab(options: Partial<HandOverLabOptions> = {}): Promise<HandOverLab> {
  const ingress = {
    [WEB]: web.service,
    [LATER]: web.service,
    [RAW]: echo.service,
    [GUARDED]: echo.service,
  };
  return HandOverLab.start({ ingress, tcp: RAW, ...options });
}

/** A plain TCP connection whose echo is checked. */
function openPlain(lab: HandOverLab): { echo: EchoClient; ended: Promise<string> } {
  const socket = openTcp(lab.tcpPort);
  const ended = new Promise<string>((resolve) => whenPeerEnds(socket, resolve));
  return { echo: new EchoClient(socket, 0), ended };
}

async function openWebSocket(
  lab: HandOverLab,
): Promise<{ socket: WebSocket; closed: Promise<number> }> {
  const { host, port, ...tls } = lab.connectOptions(WEB);
  const socket = new WebSocket(`wss://${host}:${port}/ws`, { ...tls, headers: { host: WEB } });
  cleanup(() => socket.terminate());
  const closed = once(socket, 'close').then(([code]: unknown[]) => Number(code));
  await once(socket, 'open');
  return { socket, closed };
}

/** How many links each of these workers has. */
const linksOf = (...workers: Worker[]): number[] =>
  workers.map(({ gateway }) => gateway.status().links);

describe('a hand-over', () => {
  it('fails no request, and loses no byte of any stream', async () => {
    const lab = await startLab();
    await lab.connect();
    const traffic = { isOver: false };
    const counts = { requests: 0, uploads: 0, rounds: 0, longestMs: 0 };

    const agent = lab.agent(8);
    const ask = async (): Promise<void> => {
      while (!traffic.isOver) {
        const at = performance.now();
        const { status, body } = await lab.ask(WEB, '/bytes/2048', agent);
        expect([status, body.length]).toEqual([200, 2048]);
        counts.requests += 1;
        counts.longestMs = Math.max(counts.longestMs, performance.now() - at);
      }
    };
    const uploads = lab.agent(2);
    const upload = async (): Promise<void> => {
      while (!traffic.isOver) {
        const { status, body } = await lab.ask(WEB, '/sha256', uploads, UPLOAD);
        expect(status).toBe(200);
        expect(JSON.parse(body.toString())).toMatchObject({ sha256: patternSha256(UPLOAD.length) });
        counts.uploads += 1;
      }
    };
    const client = await lab.client();
    const stream = async (index: number): Promise<void> => {
      const carried = new EchoClient(new StreamDuplex(await client.open(RAW)), index * 1_000_000);
      while (!traffic.isOver) {
        await carried.round(128 * KiB);
        counts.rounds += 1;
      }
      await carried.end();
    };

    const everything = Promise.all([
      ...Array.from({ length: 8 }, ask),
      ...Array.from({ length: 2 }, upload),
      ...[1, 2, 3].map(stream),
    ]);
    everything.catch(() => undefined);
    const drainsMs: number[] = [];
    for (let n = 0; n < HAND_OVERS; n += 1) {
      const before = { ...counts };
      const plain = openPlain(lab);
      await plain.echo.round(64 * KiB);
      const { old, drained } = await lab.handOver();
      const at = performance.now();
      // Streams of clients move while they run; the plain connection holds the old worker.
      await eventually(() => old.gateway.status().clientStreams === 0);
      await eventually(() => lab.current.gateway.status().clientStreams === 3);
      await eventually(() => old.gateway.status().httpRequests === 0);
      await plain.echo.round(64 * KiB);
      expect(old.gateway.status()).toMatchObject({ tcpConnections: 1, isDraining: true });
      await plain.echo.end();
      expect(await drained).toBe(0);
      drainsMs.push(Math.round(performance.now() - at));
      expect(old.gateway.status().links).toBe(0);
      await eventually(
        () =>
          counts.requests > before.requests + 50 &&
          counts.uploads > before.uploads + 2 &&
          counts.rounds > before.rounds + 20,
      );
    }
    traffic.isOver = true;
    await everything;
    await eventually(() => lab.replica?.linkCount === 4);
    const { requests, uploads: uploaded, rounds, longestMs } = counts;
    say(
      `${requests} requests, ${uploaded} uploads and ${rounds} echoes of 128 KiB through ${HAND_OVERS} hand-overs; ` +
        `slowest request ${Math.round(longestMs)} ms; drains ${drainsMs.join(', ')} ms`,
    );
  }, 120_000);

  it('leaves WebSockets and plain TCP where they are until the grace period is over', async () => {
    const lab = await startLab();
    const replica = await lab.connect();
    await eventually(() => replica.linkCount === 4);
    const webSocket = await openWebSocket(lab);
    const plain = openPlain(lab);
    await plain.echo.round(1);
    const startedAt = performance.now();
    const { old, drained } = await lab.handOver(2_000);
    const { gateway } = lab.current;
    await eventually(() => gateway.status().links === 4);
    // Two carry a stream at most; nobody is left who could want another.
    await eventually(() => old.gateway.status().links <= 2);
    expect(replica.linkCount).toBeLessThanOrEqual(6);
    expect(old.gateway.status()).toMatchObject({
      waitsFor: { webSockets: 1, tcpConnections: 1, httpRequests: 0, clients: 0 },
      live: { webSockets: { count: 1 }, tcpConnections: { count: 1 } },
    });
    webSocket.socket.send('still here');
    expect(String(await once(webSocket.socket, 'message'))).toContain('still here');
    await plain.echo.round(1_000);
    expect(await drained).toBe(2);
    expect(performance.now() - startedAt).toBeGreaterThan(1_990);
    expect([await webSocket.closed, await plain.ended]).toEqual([1012, 'reset']);
    await eventually(() => replica.linkCount === 4);
  });

  it('keeps links for a connection that may bring another request, and lets it go when it is idle', async () => {
    const lab = await startLab();
    const replica = await lab.connect();
    await eventually(() => replica.linkCount === 4);
    const [agent, other, idle] = [lab.agent(1), lab.agent(1), lab.agent(1)];
    for (const one of [agent, other, idle]) {
      expect((await lab.ask(WEB, '/bytes/1', one)).status).toBe(200);
    }
    const { old, drained } = await lab.handOver();
    const startedAt = performance.now();
    await eventually(() => lab.current.gateway.status().links === 4);
    expect(linksOf(old)).toEqual([4]);
    // Two at once: one of them needs another stream.
    const late = await Promise.all([agent, other].map((one) => lab.ask(WEB, '/slow?ms=100', one)));
    for (const { status, headers } of late)
      expect([status, headers.connection]).toEqual([200, 'close']);
    // Its next one goes to the successor.
    const next = await lab.ask(WEB, '/bytes/2', agent);
    expect([next.status, next.headers.connection]).toEqual([200, 'keep-alive']);
    expect(await drained).toBe(0);
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(4_000);
    expect(tookMs).toBeLessThan(30_000);
    expect((await lab.ask(WEB, '/bytes/2', idle)).status).toBe(200);
  });

  it('serves old connections also when the connector is replaced meanwhile', async () => {
    const lab = await startLab();
    const first = await lab.connect();
    await eventually(() => first.linkCount === 4);
    const agent = lab.agent(1);
    expect((await lab.ask(WEB, '/bytes/1', agent)).status).toBe(200);
    const { drained } = await lab.handOver();
    // It cannot reach the old worker any more, which has only the links of the one that goes.
    const second = await lab.connect();
    await eventually(() => second.linkCount === 4);
    const gone = first.drain(60_000);
    // By the time that its successor has answered this it would be gone: it has no streams.
    expect((await lab.ask(WEB, '/slow?ms=500', lab.agent(1))).status).toBe(200);
    const startedAt = performance.now();
    const { status, headers } = await lab.ask(WEB, '/bytes/1', agent);
    expect([status, headers.connection]).toEqual([200, 'close']);
    expect(performance.now() - startedAt).toBeLessThan(LIMITS.arrivalMs);
    expect([await drained, await gone]).toEqual([0, 0]);
  });

  it('can be taken back while the old worker still drains', async () => {
    const lab = await startLab();
    await lab.connect();
    const agent = lab.agent(1);
    const plain = openPlain(lab);
    await plain.echo.round(1_000);
    const client = await lab.client();
    const carried = new EchoClient(new StreamDuplex(await client.open(RAW)), 0);
    await carried.round(1_000);
    const { old, drained } = await lab.handOver();
    const { gateway: failed } = lab.current;
    await eventually(() => failed.status().clientStreams === 1);

    expect(await old.gateway.resume()).toBe(true);
    expect(await drained).toBeUndefined();
    expect(old.gateway.isReady).toBe(true);
    const failedDrained = failed.drain(60_000, { isHandOver: true });
    await eventually(() => old.gateway.status().clientStreams === 1);
    await eventually(() => old.gateway.status().links === 5);
    expect(await failedDrained).toBe(0);
    expect(await failed.resume()).toBe(false);
    await carried.round(1_000);
    await plain.echo.round(1_000);
    const answer = await lab.ask(WEB, '/bytes/2', agent);
    expect([answer.status, answer.headers.connection]).toEqual([200, 'keep-alive']);
    const other = openPlain(lab);
    await other.echo.round(1_000);
    expect(old.gateway.status()).toMatchObject({ tcpConnections: 2, isDraining: false });
    await Promise.all([plain.echo.end(), other.echo.end(), carried.end()]);
  });
  it('goes on when it cannot be taken back', async () => {
    const lab = await startLab();
    await lab.connect();
    const plain = openPlain(lab);
    await plain.echo.round(1_000);
    const { old, drained } = await lab.handOver();
    lab.refuseSockets(true);
    await expect(old.gateway.resume()).rejects.toMatchObject({ code: 'CONFIG_PORT_IN_USE' });
    expect(old.gateway.status()).toMatchObject({ isDraining: true, tcpConnections: 1 });
    const agent = lab.agent(1);
    const answer = await lab.ask(WEB, '/bytes/2', agent);
    expect([answer.status, answer.headers.connection]).toEqual([200, 'keep-alive']);
    await plain.echo.round(1_000);
    await plain.echo.end();
    expect(await drained).toBe(0);
    lab.refuseSockets(false);
    expect(await old.gateway.resume()).toBe(false);
  });

  it('serves a connection whose handshake was under way', async () => {
    const lab = await startLab();
    await lab.connect();
    const { host, port, ...tls } = lab.connectOptions(WEB);
    const slow = connect(port, host);
    cleanup(() => slow.destroy());
    await once(slow, 'connect');
    await eventually(() => lab.accepted > 0);
    const { drained } = await lab.handOver();
    await eventually(() => lab.current.gateway.status().links === 4);
    const secured = connectTls({ socket: slow, ...tls });
    secured.write(`GET /bytes/5 HTTP/1.1\r\nHost: ${WEB}\r\n\r\n`);
    const chunks: Buffer[] = [];
    for await (const chunk of secured) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString('latin1')).toMatch(
      /^HTTP\/1\.1 200 [^]*connection: close/i,
    );
    expect(await drained).toBe(0);
  });
});

describe('a fresh worker', () => {
  it('has what comes before its connector wait for it', async () => {
    const lab = await startLab();
    const agent = lab.agent(2);
    const answers = Promise.all([
      lab.ask(WEB, '/bytes/10', agent),
      lab.ask(WEB, '/sha256', agent, UPLOAD),
    ]);
    const webSocket = openWebSocket(lab);
    const plain = openPlain(lab);
    const echoed = plain.echo.round(1_000);
    const client = await lab.client();
    const carried = new EchoClient(new StreamDuplex(await client.open(RAW)), 0);
    const carriedBack = carried.round(1_000);
    const { gateway } = lab.current;
    await eventually(() => {
      const { httpRequests, tcpConnections, clientStreams } = gateway.status();
      return httpRequests === 3 && tcpConnections === 1 && clientStreams === 1;
    });
    await lab.connect();
    expect((await answers).map(({ status }) => status)).toEqual([200, 200]);
    (await webSocket).socket.close();
    await Promise.all([echoed, carriedBack]);
    await Promise.all([plain.echo.end(), carried.end()]);
  });

  it(`waits for ${LIMITS.arrivalMs / 1000} s, and then says what it always says`, async () => {
    const startedAt = performance.now();
    const lab = await startLab();
    const agent = lab.agent(1);
    expect((await lab.ask(WEB, '/', agent)).status).toBe(503);
    expect(performance.now() - startedAt).toBeGreaterThan(LIMITS.arrivalMs - 50);
    const at = performance.now();
    expect((await lab.ask(WEB, '/', agent)).status).toBe(503);
    expect(performance.now() - at).toBeLessThan(AT_ONCE_MS);
  });
});

describe('what is done through the new worker reaches the old one within a second', () => {
  const POLICIES = [{ action: 'service-auth', include: [{ 'service-token': 'ci' }] }];

  async function drainingLab(): Promise<{ lab: HandOverLab; old: Worker }> {
    const applications = [{ name: 'guarded', hostname: GUARDED, policies: POLICIES }];
    const lab = await startLab({ config: { applications } });
    await lab.connect();
    return { lab, old: lab.current };
  }

  /** Runs the change, and returns how long it took until the condition held, ms. */
  async function within(change: () => Promise<unknown>, holds: () => boolean): Promise<number> {
    await change();
    const at = performance.now();
    await eventually(holds, { everyMs: 5 });
    return performance.now() - at;
  }

  it('a token that is rotated, with the connectors that have the new one left alone', async () => {
    const { lab, old } = await drainingLab();
    const plain = openPlain(lab);
    await plain.echo.round(1);
    await lab.handOver();
    await eventually(() => lab.current.gateway.status().links === 4);
    let end = '';
    void plain.ended.then((how) => (end = how));
    const tookMs = await within(
      async () => lab.current.store.tunnels.rotate('web'),
      () => end === 'reset' && linksOf(old, lab.current).join() === '0,0',
    );
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
  });

  it('a tunnel that is deleted', async () => {
    const { lab, old } = await drainingLab();
    const plain = openPlain(lab);
    const webSocket = await openWebSocket(lab);
    await plain.echo.round(1);
    await lab.handOver();
    const tookMs = await within(
      async () => lab.current.store.tunnels.delete('web'),
      () => linksOf(old).join() === '0',
    );
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
    expect([await plain.ended, await webSocket.closed]).toEqual(['reset', 1012]);
  });

  it('routes that come and go, for connections that are still there', async () => {
    const { lab } = await drainingLab();
    await lab.current.store.routes.remove(LATER);
    await eventually(async () => (await lab.ask(LATER, '/', lab.agent(1))).status === 404);
    // Each is good for one more request to the old worker.
    const agents = Array.from({ length: 40 }, () => lab.agent(1));
    const first = agents.map(async (agent, n) => lab.ask(n % 2 === 0 ? WEB : LATER, '/', agent));
    await Promise.all(first);
    await lab.handOver();
    const askOld = async (hostname: string, n: number): Promise<number> => {
      const agent = agents[n];
      if (agent === undefined) throw new Error('Cannot ask again: no connection is left');
      const { status, headers } = await lab.ask(hostname, '/bytes/1', agent);
      expect(headers.connection).toBe('close');
      return status;
    };
    const { store } = lab.current;
    await store.routes.remove(WEB);
    await store.routes.add('web', LATER);
    const at = performance.now();
    let [gone, found] = [0, 1];
    await eventually(async () => (await askOld(WEB, (gone += 2) - 2)) === 404, { everyMs: 50 });
    await eventually(async () => (await askOld(LATER, (found += 2) - 2)) === 200, { everyMs: 50 });
    expect(performance.now() - at).toBeLessThan(AT_ONCE_MS);
  });

  it('a service token that is revoked', async () => {
    const { lab, old } = await drainingLab();
    const { token, secret } = await lab.current.store.serviceTokens.create('ci');
    // The gateway hears of it from the store, too.
    const client = await eventually(async () =>
      lab.client(`${token.id}.${secret}`).catch(() => false as const),
    );
    if (client === false) throw new Error('no client');
    const stream = await client.open(GUARDED);
    const duplex = new StreamDuplex(stream);
    duplex.on('error', () => undefined);
    await new EchoClient(duplex, 0).round(1_000);
    const tookMs = await within(
      async () => (await lab.next()).store.serviceTokens.remove('ci'),
      () => stream.state === 'closed',
    );
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
    expect(stream.error?.code).toBe('ACCESS_REVOKED');
    expect(old.gateway.status().clientStreams).toBe(0);
  });
});
