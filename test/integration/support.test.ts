/** The real servers that suites put behind a tunnel, reached directly: what fails here is not Postern's fault. */
import { once } from 'node:events';
import { createReadStream, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { connect as connectAmqp } from 'amqplib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';

import { eventually } from '../support/eventually.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { patternBytes, patternSha256 } from '../support/pattern.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startNginx } from '../support/real/nginx.ts';
import { startPostgres } from '../support/real/postgres.ts';
import { startRabbitMq } from '../support/real/rabbitmq.ts';
import { startSshd, type Sshd } from '../support/real/sshd.ts';
import { mustRun, run } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';
import { toolPath } from '../support/tools.ts';
import { TestAuthority } from '../support/test-authority.ts';

/** Every process that has `text` in its command line. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false; // It ended meanwhile.
    }
  });
}

describe('sshd', () => {
  let sshd: Sshd;

  beforeAll(async () => {
    sshd = await startSshd();
  });

  it('logs in, runs a command and keeps its exit status', async () => {
    expect(await sshd.ssh('cat; exit 42', { input: 'hello' })).toMatchObject({
      code: 42,
      stdout: 'hello',
    });
    expect((await sshd.ssh('id -un')).stdout.trim()).toBe(sshd.user);
  });

  it('is reached with the same options through another port', async () => {
    const proxy = await startLinkProxy({ target: sshd });
    expect((await sshd.ssh('echo there', { port: proxy.port })).stdout).toBe('there\n');
    expect(proxy.accepted()).toBe(1);
  });

  it('serves scp and sftp', async () => {
    const dir = tempDir('scp');
    const [from, to, back] = [join(dir, 'from'), join(dir, 'to'), join(dir, 'back')];
    writeFileSync(from, patternBytes(5_000_000));
    await mustRun(toolPath('scp'), [...sshd.clientOptions(), from, `127.0.0.1:${to}`]);
    const batch = `get ${to} ${back}\n`;
    await mustRun(toolPath('sftp'), [...sshd.clientOptions(), '-b', '-', '127.0.0.1'], {
      input: batch,
    });
    expect(readFileSync(back).equals(patternBytes(5_000_000))).toBe(true);
  });

  it('refuses a client without the key, and a client that knows another host key', async () => {
    const options = sshd.clientOptions();
    const known = join(tempDir('ssh'), 'known');
    await mustRun(toolPath('ssh-keygen'), ['-q', '-t', 'ed25519', '-N', '', '-f', known]);
    const withKey = options.map((option) => (option === sshd.keyFile ? known : option));
    expect((await run(toolPath('ssh'), [...withKey, '127.0.0.1', 'true'])).stderr).toContain(
      'Permission denied',
    );
    const hosts = options.map((option) =>
      option.startsWith('UserKnownHostsFile=') ? 'UserKnownHostsFile=/dev/null' : option,
    );
    expect((await run(toolPath('ssh'), [...hosts, '127.0.0.1', 'true'])).stderr).toContain(
      'verification failed',
    );
  });
});

describe('RabbitMQ', () => {
  it('publishes with confirms, delivers all, and leaves nothing running', async () => {
    const rabbit = await startRabbitMq();
    const connection = await connectAmqp(rabbit.url());
    const channel = await connection.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const got: number[] = [];
    await channel.consume(queue, (message) => got.push(Number(message?.content)), { noAck: true });
    for (let i = 0; i < 1000; i += 1) channel.sendToQueue(queue, Buffer.from(String(i)));
    await channel.waitForConfirms();
    await eventually(() => got.length === 1000);
    expect(got).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    await connection.close();
    const listeners = await run(toolPath('ss'), ['-ltnpH', '-o', 'state', 'listening']);
    const mine = listeners.stdout.split('\n').filter((line) => /beam|epmd/.test(line));
    expect(mine.filter((line) => !/\s(127\.0\.0\.1|\[::1\]):\d+\s/.test(line))).toEqual([]);
    const dir = /(\/\S*postern-rabbit-\w+)\/mnesia/.exec(rabbit.log())?.[1] ?? '';
    expect(dir).not.toBe('');
    expect(processesWith(dir)).toHaveLength(1);
    await rabbit.stop();
    expect(processesWith(dir)).toEqual([]);
  }, 120_000);
});

describe('PostgreSQL', () => {
  it('copies in and out over TCP, and answers on its Unix socket', async () => {
    const postgres = await startPostgres();
    const dir = tempDir('copy');
    const rows = Array.from({ length: 50_000 }, (_, i) => `${i}\t${'x'.repeat(i % 100)}`);
    writeFileSync(join(dir, 'in'), `${rows.join('\n')}\n`);
    await postgres.sql('create table t (n int, x text)');
    const psql = (sql: string, files: object): Promise<unknown> =>
      mustRun(toolPath('psql'), [...postgres.psqlOptions(), '-c', sql], files);
    await psql('copy t from stdin', { stdinFile: join(dir, 'in') });
    await psql('copy (select * from t order by n) to stdout', { stdoutFile: join(dir, 'out') });
    expect(readFileSync(join(dir, 'out')).equals(readFileSync(join(dir, 'in')))).toBe(true);
    expect((await postgres.sql('select count(*) from t')).stdout).toBe('50000\n');
    expect(existsSync(postgres.socketPath)).toBe(true);
    const local = [
      '-X',
      '-A',
      '-t',
      '-h',
      postgres.socketDir,
      '-p',
      String(postgres.port),
      '-U',
      'postgres',
    ];
    expect((await mustRun(toolPath('psql'), [...local, '-c', 'select 1'])).stdout).toBe('1\n');
    await expect(postgres.sql('select nothing')).rejects.toThrow(/column "nothing" does not exist/);
    await postgres.stop();
    expect(processesWith(postgres.socketDir)).toEqual([]);
  });
});

describe('nginx', () => {
  it('serves files and takes a chunked upload', async () => {
    const nginx = await startNginx();
    writeFileSync(join(nginx.root, 'big'), patternBytes(20_000_000));
    const got = await fetch(`${nginx.service}/big`);
    expect(Buffer.from(await got.arrayBuffer()).equals(patternBytes(20_000_000))).toBe(true);
    const put = request(`${nginx.service}/upload/copy`, { method: 'PUT' });
    const answered = once(put, 'response');
    await pipeline(createReadStream(join(nginx.root, 'big')), put);
    const [response] = await answered;
    expect(put.getHeader('transfer-encoding') ?? 'chunked').toBe('chunked');
    expect(response.statusCode).toBe(201);
    expect(readFileSync(join(nginx.uploads, 'copy')).equals(patternBytes(20_000_000))).toBe(true);
  });
});

describe('HTTP origin', () => {
  let origin: HttpOrigin;

  beforeAll(async () => {
    origin = await startHttpOrigin();
  });

  const get = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(`${origin.service}${path}`, init);

  it('says what arrived, as it arrived', async () => {
    const response = await get('/echo/a%20b?c=d', {
      method: 'PATCH',
      body: 'body',
      headers: { 'X-Odd': 'Value' },
    });
    const echo = JSON.parse(await response.text());
    expect(echo).toMatchObject({ method: 'PATCH', url: '/echo/a%20b?c=d', httpVersion: '1.1' });
    expect(echo.rawHeaders).toContain('Value');
    expect(echo.body).toMatchObject({ bytes: 4, text: 'body' });
  });

  it('serves the test pattern with a length, chunked, and ended by closing', async () => {
    const expected = patternBytes(300_000);
    const counted = await get('/bytes/300000');
    expect(counted.headers.get('content-length')).toBe('300000');
    expect(Buffer.from(await counted.arrayBuffer()).equals(expected)).toBe(true);
    const chunked = await get('/bytes/300000?chunked=1');
    expect(chunked.headers.get('transfer-encoding')).toBe('chunked');
    expect(Buffer.from(await chunked.arrayBuffer()).equals(expected)).toBe(true);
    const raw = await mustRun(toolPath('curl'), ['-si', `${origin.service}/bytes/300000?close=1`]);
    const head = raw.stdoutBytes.subarray(0, raw.stdoutBytes.indexOf('\r\n\r\n')).toString();
    expect(head).toMatch(/connection: close/i);
    expect(head).not.toMatch(/content-length|transfer-encoding/i);
    expect(raw.stdoutBytes.subarray(head.length + 4).equals(expected)).toBe(true);
  });

  it('hashes a body of any size', async () => {
    const response = await get('/sha256', { method: 'POST', body: patternBytes(5_000_000) });
    expect(await response.json()).toEqual({ bytes: 5_000_000, sha256: patternSha256(5_000_000) });
  });

  it('sends events one by one', async () => {
    const response = await get('/sse?n=3&ms=50');
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const pieces: string[] = [];
    for await (const chunk of response.body ?? []) pieces.push(Buffer.from(chunk).toString());
    expect(pieces).toHaveLength(3);
    expect(pieces.join('')).toMatch(/^id: 0\ndata: 0 \d+\n\nid: 1\n.*id: 2\n/s);
  });

  it('answers with any status, header and trailer', async () => {
    expect((await get('/status/418')).status).toBe(418);
    const { headers } = await get('/headers?Set-Cookie=a%3D1&Set-Cookie=b%3D2&X-One=1');
    expect([headers.getSetCookie(), headers.get('x-one')]).toEqual([['a=1', 'b=2'], '1']);
    const { stdout } = await mustRun(toolPath('curl'), [
      '-si',
      '--raw',
      `${origin.service}/trailers`,
    ]);
    expect(stdout).toContain('X-Checksum: abc123');
    expect(await (await get('/slow?ms=1')).text()).toBe('slow\n');
    expect(await (await get('/drip?n=4&ms=1')).text()).toBe('....');
    expect((await get('/nothing/here')).status).toBe(404);
  });

  it('breaks off as asked', async () => {
    const curl = async (path: string): Promise<number | null> =>
      (await run(toolPath('curl'), ['-s', '-o', '/dev/null', `${origin.service}${path}`])).code;
    // curl: 52 empty reply, 18 partial file, 56 receive error, 1 no HTTP.
    expect(await curl('/close/before')).toBe(52);
    expect(await curl('/close/mid')).toBe(18);
    expect(await curl('/close/reset')).toBe(56);
    expect(await curl('/garbage')).toBe(1);
    const early = request(`${origin.service}/early`, { method: 'POST' });
    early.on('error', () => undefined);
    early.flushHeaders();
    const [response] = await once(early, 'response');
    expect(response.statusCode).toBe(413);
    early.destroy();
  });

  it('echoes WebSocket messages and closes with the code asked for', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${origin.port}/ws?protocol=b`, ['a', 'b']);
    await once(socket, 'open');
    expect(socket.protocol).toBe('b');
    for (const bytes of [0, 1, 70_000, 8 * 1024 * 1024]) {
      socket.send(patternBytes(bytes));
      const [message] = await once(socket, 'message');
      expect(patternBytes(bytes).equals(message)).toBe(true);
    }
    socket.send('close 4321');
    const [code] = await once(socket, 'close');
    expect(code).toBe(4321);
    await eventually(async () => (await origin.stats()).closeCodes.length === 1);
  });

  it('counts connections, requests and those broken off', async () => {
    const fresh = await startHttpOrigin();
    expect(await fresh.stats()).toMatchObject({ accepted: 0, requests: 0 });
    await (await fetch(`${fresh.service}/status/200`)).arrayBuffer();
    const broken = request(`${fresh.service}/slow?ms=60000`).end();
    broken.on('error', () => undefined);
    await eventually(async () => (await fresh.stats()).requests === 2);
    broken.destroy();
    await eventually(async () =>
      expect(await fresh.stats()).toMatchObject({ requests: 2, aborted: 1 }),
    );
  });

  it('serves a Unix socket', async () => {
    const local = await startHttpOrigin({ unix: true });
    const args = ['-s', '--unix-socket', String(local.socketPath), 'http://origin/bytes/5'];
    expect((await mustRun(toolPath('curl'), args)).stdoutBytes.equals(patternBytes(5))).toBe(true);
    expect(local.service).toBe(`unix:${String(local.socketPath)}`);
  });

  it('speaks TLS on a port and on a Unix socket', async () => {
    const authority = await TestAuthority.create();
    const tls = await authority.issue({ dns: ['origin.test'], ip: ['127.0.0.1'] });
    const ca = join(tempDir('ca'), 'ca.pem');
    writeFileSync(ca, authority.pem);
    const onPort = await startHttpOrigin({ tls });
    const plain = ['-s', '--cacert', ca, `${onPort.service}/bytes/5`];
    expect((await mustRun(toolPath('curl'), plain)).stdoutBytes.equals(patternBytes(5))).toBe(true);
    const onSocket = await startHttpOrigin({ tls, unix: true });
    const socket = ['-s', '--cacert', ca, '--unix-socket', String(onSocket.socketPath)];
    const { stdout } = await mustRun(toolPath('curl'), [
      ...socket,
      'https://origin.test/slow?ms=1',
    ]);
    expect([stdout, onSocket.service]).toEqual([
      'slow\n',
      `unix+tls:${String(onSocket.socketPath)}`,
    ]);
    const wrong = await run(toolPath('curl'), [...socket, 'https://other.test/slow?ms=1']);
    expect(wrong.code).toBe(60);
  });

  it('its memory is its own', () => {
    expect(origin.process.pid).not.toBe(process.pid);
    expect(origin.process.rssBytes()).toBeLessThan(300 * 1024 * 1024);
  });
});
