/**
 * Programs that people use, each against a real origin through gateway and connector, judged by checksums: curl and h2load over both
 * versions of HTTP, Chromium, git with a large push, and the chunks of a container registry.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { newVisitor, startBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startConnector } from '../support/connector.ts';
import { fileSha256, writePatternFile } from '../support/pattern-file.ts';
import { patternSha256 } from '../support/pattern.ts';
import { startGitOrigin, type GitOrigin } from '../support/real/git-origin.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startRegistryOrigin, type RegistryOrigin } from '../support/real/registry-origin.ts';
import { mustRun, run, type RunResult } from '../support/run.ts';
import { say } from '../support/say.ts';
import { tempDir } from '../support/temp-dir.ts';
import { requireTools, toolPath } from '../support/tools.ts';

requireTools('curl', 'h2load', 'nghttp', 'git', 'chromium');

const WEB = 'web.postern.test';
const GIT = 'git.postern.test';
const REGISTRY = 'registry.postern.test';
const MiB = 1024 * 1024;
const PUSHED = 200 * MiB;
/** Of them, on a branch of its own. */
const CLONED = 40 * MiB;

const dir = tempDir('clients');
let gateway: Gateway;
let web: HttpOrigin;
let git: GitOrigin;
let registry: RegistryOrigin;

beforeAll(async () => {
  [gateway, web, git, registry] = await Promise.all([
    startGateway(),
    startHttpOrigin(),
    startGitOrigin(),
    startRegistryOrigin(),
  ]);
  await startConnector({
    gateway,
    tunnel: await gateway.createTunnel('clients', ['*.postern.test']),
    ingress: [
      { hostname: WEB, service: web.service },
      { hostname: GIT, service: git.service },
      { hostname: REGISTRY, service: registry.service },
    ],
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe.each(['--http1.1', '--http2'])('curl %s', (version) => {
  const size = 20 * MiB;
  const curl = (...args: string[]): Promise<RunResult> =>
    mustRun(toolPath('curl'), [...gateway.curlOptions(WEB), version, '--fail', ...args]);
  const url = (path: string): string => `https://${WEB}${path}`;

  it('gets and sends every byte, with a length and without', async () => {
    const file = writePatternFile(join(dir, 'body'), size);
    const [down, open, put, chunked] = await Promise.all([
      curl(url(`/bytes/${size}`)),
      curl(url(`/bytes/${size}?chunked=1`)),
      curl('--request', 'POST', '-T', file, url('/sha256')),
      curl('--request', 'POST', '-H', 'Transfer-Encoding: chunked', '-T', file, url('/sha256')),
    ]);
    const expected = patternSha256(size);
    expect([sha256(down.stdoutBytes), sha256(open.stdoutBytes)]).toEqual([expected, expected]);
    for (const { stdout } of [put, chunked]) {
      expect(JSON.parse(stdout)).toEqual({ bytes: size, sha256: expected });
    }
  });

  it('says what it agreed on, follows what it is told, and fails where it should', async () => {
    const { stdout } = await curl('-w', '%{http_version} %{http_code}', url('/status/204'));
    expect(stdout).toBe(version === '--http2' ? '2 204' : '1.1 204');
    const parts = await curl('--range', '0-9', '--parallel', url('/echo'), url('/echo'));
    expect(parts.stdout.match(/"method":"GET"/g)).toHaveLength(2);
    const failed = await run(toolPath('curl'), [
      ...gateway.curlOptions(WEB),
      version,
      '--fail',
      url('/status/503'),
    ]);
    expect(failed.code).toBe(22);
  });
});

it.each([
  ['h2', 'h2'],
  ['http/1.1', 'http/1.1'],
])('h2load over %s has every request answered', async (_name, protocol) => {
  const to = `--connect-to=127.0.0.1:${gateway.ports.https}`;
  const how = ['-n', '2000', '-c', '4', '-m', '20', '-t', '1', `--npn-list=${protocol}`, to];
  const { stdout } = await mustRun(toolPath('h2load'), [...how, `https://${WEB}/bytes/1000`]);
  expect(stdout).toContain('2000 succeeded, 0 failed, 0 errored, 0 timeout');
  say(/^finished in .*$/m.exec(stdout)?.[0] ?? '');
});

it('nghttp sends a body and finds nothing to complain of', async () => {
  const file = writePatternFile(join(dir, 'data'), MiB);
  const args = ['-v', '-y', '-d', file, '-H', `:authority: ${WEB}`];
  const url = `https://127.0.0.1:${gateway.ports.https}/sha256`;
  const { stdout } = await mustRun(toolPath('nghttp'), [...args, url]);
  expect(stdout).toMatch(/:status: 200/);
  expect(stdout).toContain(patternSha256(MiB));
  expect(stdout).not.toMatch(/RST_STREAM|error_code=(?!NO_ERROR)/);
});

describe('Chromium', () => {
  it('fetches, sends and streams over HTTP/2, and speaks to a WebSocket', async () => {
    const page = await (await newVisitor(await startBrowser())).newPage();
    const at = `${WEB}:${gateway.ports.https}`;
    await page.goto(`https://${at}/echo`);
    const seen = await page.evaluate(
      async ({ size, host }) => {
        const digest = async (bytes: ArrayBuffer): Promise<string> => {
          const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
          return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
        };
        const load = async (path: string): Promise<ArrayBuffer> =>
          (await fetch(path)).arrayBuffer();
        const all = await Promise.all(
          Array.from({ length: 20 }, async () => digest(await load(`/bytes/${size}`))),
        );
        const bytes = await load(`/bytes/${size}?chunked=1`);
        const posted = await (await fetch('/sha256', { method: 'POST', body: bytes })).json();
        const events = await new Promise<string[]>((resolve, reject) => {
          const source = new EventSource('/sse?n=5&ms=1');
          const got: string[] = [];
          source.addEventListener('message', ({ data }) => {
            got.push(String(data).split(' ', 1).join());
            if (got.length === 5) {
              source.close();
              resolve(got);
            }
          });
          source.addEventListener('error', reject);
        });
        const socket = new WebSocket(`wss://${host}/ws`);
        socket.binaryType = 'arraybuffer';
        const next = (): Promise<unknown> =>
          new Promise((resolve, reject) => {
            socket.addEventListener('message', ({ data }) => resolve(data), { once: true });
            socket.addEventListener('error', reject, { once: true });
          });
        await new Promise((resolve, reject) => {
          socket.addEventListener('open', resolve);
          socket.addEventListener('error', reject);
        });
        const binary = next();
        socket.send(bytes);
        const echoed = await digest((await binary) as ArrayBuffer);
        const text = next();
        socket.send('grüße 😀');
        const said = await text;
        const closed = new Promise<number>((resolve) => {
          socket.addEventListener('close', ({ code }) => resolve(code));
        });
        socket.send('close 4001');
        const protocols = performance
          .getEntriesByType('resource')
          .map((entry) => String(Reflect.get(entry, 'nextHopProtocol')));
        return { all, posted, events, echoed, said, code: await closed, protocols };
      },
      { size: MiB, host: at },
    );
    const expected = patternSha256(MiB);
    expect(seen).toEqual({
      all: Array.from({ length: 20 }, () => expected),
      posted: { bytes: MiB, sha256: expected },
      events: ['0', '1', '2', '3', '4'],
      echoed: expected,
      said: 'grüße 😀',
      code: 4001,
      protocols: seen.protocols.map(() => 'h2'),
    });
    expect(seen.protocols.length).toBeGreaterThan(20);
    // On the connection of the page, where the browser knows that it may (RFC 8441).
    await eventually(() => {
      const socket = gateway.log.find(({ path }) => path === '/ws');
      expect(socket).toMatchObject({ httpVersion: '2.0', status: 101 });
    });
  });
});

describe('git over HTTPS', () => {
  const config = [
    'user.name=Tester',
    'user.email=tester@postern.test',
    'init.defaultBranch=main',
    // The bytes cannot be compressed: it would only take time, and the large file is sent as it is.
    'core.compression=0',
    'core.bigFileThreshold=1m',
    'gc.auto=0',
  ].flatMap((setting) => ['-c', setting]);
  const at = (cwd: string, ...args: string[]): Promise<RunResult> => {
    const env = {
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_TERMINAL_PROMPT: '0',
      GIT_SSL_CAINFO: gateway.caFile,
    };
    return mustRun(toolPath('git'), [...config, ...args], { cwd, env, deadlineMs: 90_000 });
  };
  it('pushes 200 MiB, and clones a branch of them', async () => {
    const bare = await git.create('large.git');
    const work = tempDir('git-work');
    const { port } = gateway.connectOptions(GIT);
    const url = `https://${GIT}:${port}/large.git`;
    const resolve = ['-c', `http.curloptResolve=${GIT}:${port}:127.0.0.1`];
    await at(work, 'init', '--quiet');
    for (const [name, bytes, offset] of [
      ['part', CLONED, 0],
      ['rest', PUSHED - CLONED, CLONED],
    ] as const) {
      writePatternFile(join(work, name), bytes, offset);
      await at(work, 'add', '.');
      await at(work, 'commit', '--quiet', '-m', name);
    }
    const started = performance.now();
    await at(
      work,
      ...resolve,
      'push',
      '--quiet',
      url,
      'HEAD:refs/heads/main',
      'HEAD~1:refs/heads/part',
    );
    const pushedMs = performance.now() - started;
    // More than its buffer: the pack went in chunks.
    expect(git.pushes).toContain('chunked');
    // A commit's name is the digest of all that it holds, which git has checked.
    const [here, there] = [
      await at(work, 'rev-parse', 'HEAD'),
      await at(bare, 'rev-parse', 'main'),
    ];
    expect(there.stdout).toBe(here.stdout);

    const copy = join(tempDir('git-copy'), 'copy');
    const cloned = performance.now();
    const one = ['--single-branch', '--branch', 'part'];
    await at(dir, ...resolve, 'clone', '--quiet', ...one, url, copy);
    const clonedMs = performance.now() - cloned;
    expect(await fileSha256(join(copy, 'part'))).toBe(patternSha256(CLONED));
    say(`pushed in ${(pushedMs / 1000).toFixed(1)} s, cloned in ${(clonedMs / 1000).toFixed(1)} s`);
  }, 120_000);
});

describe('a container registry', () => {
  const size = 48 * MiB;
  const curl = async (
    ...args: string[]
  ): Promise<{ status: number; at: string; range: string }> => {
    const write = '%{http_code} %header{location} %header{range}';
    const all = [...gateway.curlOptions(REGISTRY), '-o', '/dev/null', '-w', write, ...args];
    const { stdout } = await run(toolPath('curl'), all);
    const [status, location = '', range = ''] = stdout.split(' ');
    return { status: Number(status), at: location, range };
  };
  const begin = `https://${REGISTRY}/v2/app/blobs/uploads/`;
  /** Sends a piece of the blob. */
  const patch = (url: string, from: number, to: number, ...how: string[]) => {
    const file = writePatternFile(join(dir, `part-${from}`), to - from, from);
    const fields = [
      '-H',
      `Content-Range: ${from}-${to - 1}`,
      '-H',
      'Content-Type: application/octet-stream',
    ];
    return curl(...how, '--request', 'PATCH', ...fields, '--data-binary', `@${file}`, url);
  };

  it.each(['--http1.1', '--http2'])(
    'takes a blob in chunks, one of which breaks off, by curl %s',
    async (version) => {
      const opened = await curl(version, '--request', 'POST', '-d', '', begin);
      expect(opened).toMatchObject({ status: 202, range: '0--1' });
      const { at: url } = opened;
      expect(url.startsWith(begin)).toBe(true);
      const first = await patch(url, 0, 16 * MiB, version);
      expect(first).toEqual({ status: 202, at: url, range: `0-${16 * MiB - 1}` });
      // Cut while it is on its way: too slow to be done by then.
      const cut = await patch(
        url,
        16 * MiB,
        size,
        version,
        '--limit-rate',
        '4M',
        '--max-time',
        '1',
      );
      expect(cut.status).toBeLessThan(200);
      // What came of it stays, once the origin has noticed: nothing more is added.
      let has = 0;
      await eventually(async () => {
        const { range } = await curl(version, url);
        const before = has;
        has = Number(range.split('-')[1]) + 1;
        expect([has > 16 * MiB, has - before]).toEqual([true, 0]);
      });
      expect(has).toBeLessThan(size);
      expect(await patch(url, 0, MiB, version)).toMatchObject({ status: 416 });
      expect(await patch(url, has, size, version)).toMatchObject({
        status: 202,
        range: `0-${size - 1}`,
      });
      const digest = `sha256:${patternSha256(size)}`;
      expect(
        (await curl(version, '--request', 'PUT', '-d', '', `${url}?digest=${digest}`)).status,
      ).toBe(201);
      expect(registry.blobs.get(digest)).toBe(size);
    },
  );
});
