/**
 * HTTP/2 through the whole tunnel as other people's programs speak it: curl, nghttp, h2load and Node's client, against
 * nginx and an origin that can be slow.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { patternBytes } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startNginx, type Nginx } from '../support/real/nginx.ts';
import { mustRun } from '../support/run.ts';
import { say } from '../support/say.ts';
import { requireTools, toolPath } from '../support/tools.ts';

requireTools('curl', 'nghttp', 'h2load');

const NGINX = 'nginx.postern.test';
const SLOW = 'slow.postern.test';
const BIG = 100 * 1024 * 1024;

let gateway: Gateway;
let nginx: Nginx;
let origin: HttpOrigin;

beforeAll(async () => {
  nginx = await startNginx({ server: ['client_max_body_size 0;'] });
  origin = await startHttpOrigin();
  ({ gateway } = await startPostern({
    ingress: [
      { hostname: NGINX, service: nginx.service },
      { hostname: SLOW, service: origin.service },
    ],
  }));
  writeFileSync(join(nginx.root, 'small'), 'small file\n');
  writeFileSync(join(nginx.root, 'big'), patternBytes(BIG));
});

/** What Node's client needs to speak HTTP/2 to a hostname. */
async function openSession(hostname: string): Promise<ClientHttp2Session> {
  const options = gateway.connectOptions(hostname);
  const session = connect(`https://${hostname}`, {
    createConnection: () => connectTls({ ...options, ALPNProtocols: ['h2'] }),
  });
  session.on('error', () => undefined);
  cleanup(() => session.destroy());
  await once(session, 'connect');
  return session;
}

/** The SHA-256 of what a stream brings. */
async function digestOf(stream: ClientHttp2Stream): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(Buffer.from(chunk));
  return hash.digest('hex');
}

describe('curl', () => {
  const curl = async (...args: string[]): Promise<string> => {
    const at = `${NGINX}:${gateway.ports.https}`;
    const known = ['--cacert', gateway.caFile, '--connect-to', `${at}:127.0.0.1`];
    const url = `https://${at}/small`;
    return (await mustRun(toolPath('curl'), ['-sS', ...known, ...args, url])).stdout;
  };
  const written = '%{http_version} %{http_code} %{size_download}\n';

  it('agrees on HTTP/2 by itself, and on what it is told to', async () => {
    expect(await curl('-w', written)).toBe('small file\n2 200 11\n');
    expect(await curl('--http1.1', '-w', written)).toBe('small file\n1.1 200 11\n');
    expect(await curl('--http1.0', '-w', written)).toBe('small file\n1.1 200 11\n');
    expect(await curl('--head', '-w', written)).toMatch(/^HTTP\/2 200 [^]*\n2 200 0\n$/);
    expect(await curl('--range', '0-4', '-w', written)).toBe('small2 206 5\n');
    const versions = gateway.log.flatMap(({ msg, httpVersion }) =>
      msg === 'request' ? [String(httpVersion)] : [],
    );
    expect(versions).toEqual(expect.arrayContaining(['2.0', '1.1', '1.0']));
  });

  it('is refused an Expect that nobody knows over both', async () => {
    for (const version of ['--http2', '--http1.1']) {
      // oxlint-disable-next-line no-await-in-loop
      const code = await curl(
        version,
        '-H',
        'Expect: tea',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
      );
      expect(code).toBe('417');
    }
  });
});

it('nghttp finds nothing to complain of', async () => {
  const url = `https://127.0.0.1:${gateway.ports.https}/small`;
  const args = ['-v', '-y', '-m', '3', '-H', `:authority: ${NGINX}`, url];
  const { stdout } = await mustRun(toolPath('nghttp'), args);
  expect(stdout.match(/:status: 200/g)).toHaveLength(3);
  expect(stdout).not.toMatch(/RST_STREAM|error_code=(?!NO_ERROR)/);
});

it('h2load has every request answered', async () => {
  const args = ['-n', '4000', '-c', '4', '-m', '50', '-t', '1'];
  const to = [`--connect-to=127.0.0.1:${gateway.ports.https}`, `https://${NGINX}/small`];
  const { stdout } = await mustRun(toolPath('h2load'), [...args, ...to], { deadlineMs: 60_000 });
  expect(stdout).toContain('4000 succeeded, 0 failed, 0 errored');
  say(/^finished in .*$/m.exec(stdout)?.[0] ?? '');
});

it('100 MiB come down on each of two streams beside small requests, byte by byte', async () => {
  const expected = createHash('sha256').update(patternBytes(BIG)).digest('hex');
  const session = await openSession(NGINX);
  const digests = Promise.all(
    [1, 2].map(async () => digestOf(session.request({ ':path': '/big' }, { endStream: true }))),
  );
  const downloads = { isDone: false };
  void digests.finally(() => (downloads.isDone = true));
  let small = 0;
  while (!downloads.isDone) {
    const stream = session.request({ ':path': '/small' });
    // oxlint-disable-next-line no-await-in-loop
    await digestOf(stream);
    small += 1;
  }
  expect(await digests).toEqual([expected, expected]);
  expect(small).toBeGreaterThan(2);
});

it('100 MiB go up beside a download, byte by byte', async () => {
  const bytes = patternBytes(BIG);
  const expected = createHash('sha256').update(bytes).digest('hex');
  const session = await openSession(NGINX);
  const down = digestOf(session.request({ ':path': '/big' }, { endStream: true }));
  const up = session.request({ ':path': '/upload/up', ':method': 'PUT' });
  const answered = once(up, 'response');
  for (let at = 0; at < BIG; at += 1_000_000) {
    // oxlint-disable-next-line no-await-in-loop
    if (!up.write(bytes.subarray(at, at + 1_000_000))) await once(up, 'drain');
  }
  up.end();
  const [head] = (await answered) as [{ ':status': number }];
  expect(head[':status']).toBe(201);
  const kept = createHash('sha256')
    .update(readFileSync(join(nginx.uploads, 'up')))
    .digest('hex');
  expect([kept, await down]).toEqual([expected, expected]);
});

it('a user who leaves has every origin request of theirs broken off', async () => {
  const before = await origin.stats();
  const session = await openSession(SLOW);
  const streams = Array.from({ length: 20 }, () => session.request({ ':path': '/slow?ms=60000' }));
  for (const stream of streams) stream.on('error', () => undefined);
  await eventually(async () => (await origin.stats()).requests - before.requests === 20);
  streams[0]?.close(8);
  await eventually(async () => (await origin.stats()).aborted - before.aborted === 1);
  session.destroy();
  await eventually(async () => (await origin.stats()).aborted - before.aborted === 20);
});

it('TLS sessions are resumed for HTTP/2 too', async () => {
  const options = { ...gateway.connectOptions(NGINX), ALPNProtocols: ['h2'] };
  const dial = (session?: Buffer): TLSSocket => {
    const socket = connectTls({ ...options, ...(session && { session }) });
    cleanup(() => socket.destroy());
    return socket;
  };
  const first = dial();
  const [ticket] = (await once(first, 'session')) as [Buffer];
  const second = dial(ticket);
  await once(second, 'secureConnect');
  expect(second.isSessionReused()).toBe(true);
  expect(second.alpnProtocol).toBe('h2');
});
