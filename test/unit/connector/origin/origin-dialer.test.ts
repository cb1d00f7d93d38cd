import { getEventListeners, once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import type { Clock } from '../../../../src/core/clock.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import type {
  OriginConnection,
  OriginDialer,
} from '../../../../src/connector/origin/origin-dialer.ts';
import type { Lookup } from '../../../../src/connector/origin/origin-resolver.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { aRule, type RuleOptions } from '../a-rule.ts';
import { selfSigned, TestAuthority } from '../../../support/test-authority.ts';
import { closedPort, listen, startDeafServer, startSilentServer } from './deaf-server.ts';
import { aDialer, answering, forever, request, startEcho, startTls, talk } from './dialer-lab.ts';

async function dial(
  service: string,
  options: RuleOptions & { dialer?: OriginDialer; signal?: AbortSignal } = {},
): Promise<OriginConnection> {
  const { dialer = aDialer(), signal = forever, ...rule } = options;
  const connection = await dialer.dial(aRule(service, rule), request, { signal });
  cleanup(() => connection.socket.destroy());
  return connection;
}

const GET = 'GET / HTTP/1.1\r\nhost: app.example.com\r\nconnection: close\r\n\r\n';

describe('a TCP service', () => {
  it('of several ports is dialled at the one that is asked for', async () => {
    const { port } = await startEcho();
    const service = `tcp://127.0.0.1:${port - 2}-${port + 1}`;
    const { socket, info } = await aDialer().dial(
      aRule(service),
      { ...request, portOffset: 2 },
      { signal: forever },
    );
    cleanup(() => socket.destroy());
    expect(info).toEqual({ origin: `127.0.0.1:${port}` });
    expect(await talk(socket, 'there')).toBe('there bye');
  });

  it('with tcp+tls:// is carried in TLS, by the rules for it and without a protocol of its own', async () => {
    const authority = await TestAuthority.create();
    const offered: unknown[] = [];
    const server = createTlsServer(
      {
        ...(await authority.issue({ dns: ['db.internal'] })),
        allowHalfOpen: true,
        ALPNCallback: ({ protocols }) => void offered.push(...protocols),
      },
      (socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (chunk: Buffer) => socket.write(chunk));
        socket.on('end', () => socket.end(' bye'));
      },
    );
    server.on('tlsClientError', () => undefined);
    const service = `tcp+tls://127.0.0.1:${await listen(server)}`;
    const trusted = { caFile: authority.writeFile(), originServerName: 'db.internal' };
    const { socket, info } = await dial(service, trusted);
    expect(info).not.toHaveProperty('alpn');
    expect(await talk(socket, 'there')).toBe('there bye');
    expect(offered).toEqual([]);
    await expect(dial(service)).rejects.toMatchObject({ code: 'ORIGIN_TLS' });
  });
});

describe('OriginDialer reaches', () => {
  it.each(['tcp', 'ssh', 'rdp', 'smb', 'postgres', 'amqp'])('%s: as plain TCP', async (scheme) => {
    const { port } = await startEcho();
    const { socket, info } = await dial(`${scheme}://127.0.0.1:${port}`);
    expect(info).toEqual({ origin: `127.0.0.1:${port}` });
    await expect(talk(socket, 'hello')).resolves.toBe('hello bye');
  });

  it.each(['http', 'ws'])('%s: as plain TCP', async (scheme) => {
    const server = createHttpServer((_request, response) => response.end('from the origin'));
    const port = await listen(server);
    const { socket, info } = await dial(`${scheme}://localhost:${port}`);
    expect(info).toEqual({ origin: `localhost:${port}` });
    socket.write(GET);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'end');
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*from the origin/);
  });

  it('https: through TLS, with caPool and the name of the host', async () => {
    const authority = await TestAuthority.create();
    const identity = await authority.issue({ dns: ['localhost'] });
    const server = createHttpsServer({ ...identity }, (_request, response) =>
      response.end('secret'),
    );
    const port = await listen(server);
    const { socket, info } = await dial(`https://localhost:${port}`, {
      caFile: authority.writeFile(),
    });
    expect(info).toEqual({ origin: `localhost:${port}`, alpn: 'http/1.1' });
    socket.write(GET);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'end');
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*secret/);
  });

  it('https: with originServerName instead of the host', async () => {
    const authority = await TestAuthority.create();
    const identity = await authority.issue({ dns: ['inside.example'] });
    const names: unknown[] = [];
    const server = createTlsServer({ ...identity }, (socket) => names.push(socket.servername));
    const port = await listen(server);
    await dial(`https://127.0.0.1:${port}`, {
      caFile: authority.writeFile(),
      originServerName: 'inside.example',
    });
    await eventually(() => names.length === 1);
    expect(names).toEqual(['inside.example']);
  });

  it('unix: as a plain socket', async () => {
    const path = join(tempDir('origin'), 'app.sock');
    await startEcho({ path });
    const { socket, info } = await dial(`unix:${path}`);
    expect(info).toEqual({ origin: `unix:${path}` });
    await expect(talk(socket, 'hello')).resolves.toBe('hello bye');
  });

  it('unix+tls: through TLS, with the name that the user asked for', async () => {
    const authority = await TestAuthority.create();
    const path = join(tempDir('origin'), 'app.sock');
    const identity = await authority.issue({ dns: [request.hostname] });
    await listen(
      createTlsServer({ ...identity }, (socket) => socket.end('over TLS')),
      { path },
    );
    const { socket } = await dial(`unix+tls:${path}`, { caFile: authority.writeFile() });
    await expect(talk(socket, '')).resolves.toBe('over TLS');
  });

  it.each([
    ['hello_world', 'HTTP/1.1 200 OK'],
    ['http_status:451', 'HTTP/1.1 451 Unavailable For Legal Reasons'],
  ])('%s: in the process', async (service, status) => {
    const { socket, info } = await dial(service);
    expect(info).toEqual({ origin: service });
    await expect(talk(socket, GET)).resolves.toMatch(new RegExp(`^${status}\r\n`));
  });
});

describe('OriginDialer refuses', () => {
  it('K7: a name that becomes a restricted address, without a packet sent', async () => {
    const echo = await startEcho({ host: '0.0.0.0' });
    const dialer = aDialer({ lookup: answering('0.0.0.0') });
    await expect(dial(`http://app.internal:${echo.port}`, { dialer })).rejects.toMatchObject({
      code: 'ORIGIN_FORBIDDEN',
    });
    expect(echo.accepted).toBe(0);
    await dial(`http://0.0.0.0:${echo.port}`);
    await eventually(() => echo.accepted === 1);
  });

  it.each(['2852039166', '0xa9fea9fe', '[::ffff:169.254.169.254]', '[64:ff9b::a9fe:a9fe]'])(
    'K7: the metadata address written as %s',
    async (host) => {
      await expect(dial(`http://${host}:80`)).rejects.toMatchObject({ code: 'ORIGIN_FORBIDDEN' });
    },
  );

  it('K7: DNS rebinding: resolves once and dials what it checked', async () => {
    const echo = await startEcho();
    const answers = [[{ address: '127.0.0.1' }], [{ address: '169.254.169.254' }]];
    let asked = 0;
    const dialer = aDialer({ lookup: () => Promise.resolve(answers[asked++] ?? []) });
    const service = `tcp://rebinding.test:${echo.port}`;
    const { socket } = await dial(service, { dialer });
    await expect(talk(socket, 'hello')).resolves.toBe('hello bye');
    expect(asked).toBe(1);
    await expect(dial(service, { dialer })).rejects.toMatchObject({ code: 'ORIGIN_FORBIDDEN' });
    expect(asked).toBe(2);
    expect(echo.accepted).toBe(1);
  });

  it('K7: the restricted part of an answer, and logs it', async () => {
    const { port } = await startEcho();
    const lookup = answering('169.254.169.254', '127.0.0.1');
    const lines: string[] = [];
    const destination = { write: (line: string) => lines.push(line) };
    const log = createLog({ component: 'connector', format: 'json', destination });
    const rule = aRule(`tcp://mixed.test:${port}`);
    const { socket } = await aDialer({ lookup }).dial(rule, request, { signal: forever, log });
    cleanup(() => socket.destroy());
    expect(lines).toEqual([
      expect.stringContaining('169.254.169.254 is the cloud metadata address'),
    ]);
  });

  it('K8: to follow a redirect: its bytes are passed on and nothing else is dialled', async () => {
    const location = 'http://169.254.169.254/latest/meta-data/';
    const server = createHttpServer((_request, response) =>
      response.writeHead(302, { location }).end(),
    );
    const port = await listen(server);
    const asked: string[] = [];
    const lookup: Lookup = (hostname) => {
      asked.push(hostname);
      return Promise.resolve([{ address: '127.0.0.1' }]);
    };
    const { socket } = await dial(`http://app.internal:${port}`, { dialer: aDialer({ lookup }) });
    await expect(talk(socket, GET)).resolves.toContain(`302 Found\r\nlocation: ${location}`);
    expect(asked).toEqual(['app.internal']);
  });

  it('K9: an origin with a self-signed certificate, one with another name, and a caPool that is gone', async () => {
    const authority = await TestAuthority.create();
    const trusted = { caFile: authority.writeFile() };
    const own = await startTls(await selfSigned({ dns: ['localhost'] }));
    const other = await startTls(await authority.issue({ dns: ['other.internal'] }));
    for (const port of [own, other]) {
      await expect(dial(`https://localhost:${port}`, trusted)).rejects.toMatchObject({
        code: 'ORIGIN_TLS',
      });
    }
    await expect(
      dial(`https://localhost:${other}`, { caFile: '/nowhere/ca.pem' }),
    ).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: expect.stringContaining('"/nowhere/ca.pem"'),
    });
    const { info } = await dial(`https://localhost:${own}`, { tlsVerification: 'none' });
    expect(info.origin).toBe(`localhost:${own}`);
  });

  it('an origin where nothing listens, with ORIGIN_REFUSED', async () => {
    const port = await closedPort();
    await expect(dial(`http://localhost:${port}`)).rejects.toMatchObject({
      code: 'ORIGIN_REFUSED',
      message: `Cannot connect to "localhost:${port}": nothing listens there`,
    });
  });

  it('a name that does not exist, with ORIGIN_DNS', async () => {
    await expect(dial('tcp://nothing.invalid:80')).rejects.toMatchObject({ code: 'ORIGIN_DNS' });
  });
});

describe('OriginDialer waits no longer than', () => {
  it('connectTimeout for an address that does not answer', async () => {
    const port = await startDeafServer();
    await expect(dial(`tcp://127.0.0.1:${port}`, { connectTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'ORIGIN_TIMEOUT',
      message: `Cannot connect to "127.0.0.1:${port}": after 100ms still without an answer`,
    });
  });

  it('connectTimeout for a Unix socket whose queue stays full', async () => {
    const path = join(tempDir('origin'), 'deaf.sock');
    await startDeafServer({ path });
    await expect(dial(`unix:${path}`, { connectTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'ORIGIN_TIMEOUT',
      message: `Cannot connect to "unix:${path}": after 100ms still without a place in its queue`,
    });
  });

  it('connectTimeout for a resolver that does not answer', async () => {
    const dialer = aDialer({ lookup: () => new Promise(() => undefined) });
    await expect(
      dial('tcp://slow.test:80', { dialer, connectTimeoutMs: 50 }),
    ).rejects.toMatchObject({
      code: 'ORIGIN_TIMEOUT',
      message: 'Cannot connect to "slow.test:80": after 50ms still resolving its name',
    });
  });

  it('connectTimeout for a place among the dials of its rule', async () => {
    const gateLimits = { dials: 1, dialsPerLane: 1, waitingPerLane: 1 };
    const dialer = aDialer({ lookup: () => new Promise(() => undefined), gateLimits });
    const abort = new AbortController();
    const first = dial('tcp://slow.test:80', { dialer, signal: abort.signal });
    await expect(
      dial('tcp://slow.test:80', { dialer, connectTimeoutMs: 50 }),
    ).rejects.toMatchObject({
      code: 'ORIGIN_TIMEOUT',
      message: 'Cannot connect to "slow.test:80": after 50ms still waiting for other dials',
    });
    abort.abort();
    await expect(first).rejects.toMatchObject({ code: 'STREAM_CANCELLED' });
    expect(dialer.dialsUnderWay).toBe(0);
  });

  it('tlsTimeout for a TLS port that never answers', async () => {
    const { port, sockets } = await startSilentServer();
    await expect(dial(`https://127.0.0.1:${port}`, { tlsTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'ORIGIN_TIMEOUT',
      message: `Cannot speak TLS with "127.0.0.1:${port}": no answer within 100ms`,
    });
    await eventually(() => sockets[0]?.destroyed === true);
  });

  it.each([
    ['0, which stands for none,', 0],
    ['an hour', 3_600_000],
  ])('the limit of the process when the rule says %s', async (_what, ms) => {
    const authority = await TestAuthority.create();
    const identity = await authority.issue({ dns: ['localhost'] });
    const port = await listen(createTlsServer({ ...identity }));
    const delays: number[] = [];
    const clock: Clock = {
      ...systemClock,
      after: (delayMs, callback) => {
        delays.push(delayMs);
        return systemClock.after(delayMs, callback);
      },
    };
    const lookup = answering('127.0.0.1');
    const dialer = aDialer({ clock, lookup });
    const options = { caFile: authority.writeFile(), connectTimeoutMs: ms, tlsTimeoutMs: ms };
    await dial(`https://localhost:${port}`, { dialer, ...options });
    expect(delays).toEqual([LIMITS.originDialMs, LIMITS.originDialMs]);
  });
});

describe('OriginDialer lets go of', () => {
  it('a dial that is aborted while connecting', async () => {
    const port = await startDeafServer();
    const abort = new AbortController();
    const dialer = aDialer();
    const dialling = dial(`tcp://127.0.0.1:${port}`, { dialer, signal: abort.signal });
    await eventually(() => dialer.dialsUnderWay === 1);
    const why = new Error('the user left');
    abort.abort(why);
    await expect(dialling).rejects.toMatchObject({ code: 'STREAM_CANCELLED', cause: why });
    expect(dialer.dialsUnderWay).toBe(0);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  it('a dial that is aborted during TLS', async () => {
    const { port, sockets } = await startSilentServer();
    const abort = new AbortController();
    const dialling = dial(`https://127.0.0.1:${port}`, { signal: abort.signal });
    await eventually(() => (sockets[0]?.bytesRead ?? 0) > 0);
    abort.abort();
    await expect(dialling).rejects.toMatchObject({ code: 'STREAM_CANCELLED' });
    await eventually(() => sockets[0]?.destroyed === true);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  it('a dial that is aborted before it starts', async () => {
    const echo = await startEcho();
    await expect(
      dial(`tcp://127.0.0.1:${echo.port}`, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'STREAM_CANCELLED' });
    expect(echo.accepted).toBe(0);
  });

  it('everything after 200 dials at once: no handle, no listener', async () => {
    const before = openSockets();
    const server = createServer((socket) => {
      socket.on('error', () => undefined).resume();
      socket.end('done');
    });
    const port = await listen(server);
    const refused = await closedPort();
    const abort = new AbortController();
    const dialer = aDialer();
    const both = Array.from({ length: 100 }, (_, i) => [
      dial(`tcp://localhost:${port}`, { dialer, signal: abort.signal }),
      dial(`tcp://127.0.0.1:${refused}`, { dialer, signal: abort.signal, tcpKeepAliveMs: i }),
    ]).flat();
    const results = await Promise.allSettled(both);
    const connections = results.flatMap((result) =>
      result.status === 'fulfilled' ? [result.value] : [],
    );
    expect(connections).toHaveLength(100);
    const texts = await Promise.all(connections.map(({ socket }) => talk(socket, '')));
    expect(new Set(texts)).toEqual(new Set(['done']));
    expect(dialer.dialsUnderWay).toBe(0);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    await eventually(() => openSockets() === before, { what: 'all sockets to be closed' });
  });

  it('dials of a dead origin before those of a living one', async () => {
    const deaf = await startDeafServer();
    const { port } = await startEcho();
    const dialer = aDialer();
    const abort = new AbortController();
    const dead = Array.from({ length: 2 * LIMITS.originDialsPerRule }, () =>
      dial(`tcp://127.0.0.1:${deaf}`, { dialer, signal: abort.signal }),
    );
    await eventually(() => dialer.dialsUnderWay === LIMITS.originDialsPerRule);
    const { socket } = await dial(`tcp://127.0.0.1:${port}`, { dialer });
    await expect(talk(socket, 'alive')).resolves.toBe('alive bye');
    abort.abort();
    const results = await Promise.allSettled(dead);
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(2);
    expect(dialer.dialsUnderWay).toBe(0);
  });
});

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^TCP(Socket|Connect)/.test(name))
    .length;
}
