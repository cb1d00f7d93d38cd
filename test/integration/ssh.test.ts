/**
 * A real sshd behind a plain TCP port, used by OpenSSH's own programs, git and rsync.
 *
 * Every test ends with no stream left, and no link may be lost meanwhile.
 */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { metricBecomes } from '../support/ops-client.ts';
import { fileSha256, writePatternFile } from '../support/pattern-file.ts';
import { patternBytes, patternSha256 } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { startProcess } from '../support/processes.ts';
import { freePort } from '../support/real/port.ts';
import { tryConnect, whenReady } from '../support/real/ready.ts';
import { startHalfCloseServer } from '../support/real/tcp-origin.ts';
import { startSshd, type Sshd } from '../support/real/sshd.ts';
import { mustRun, type RunOptions, type RunResult } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';
import { toolPath } from '../support/tools.ts';

const HOST = 'ssh.postern.test';
const MIB = 1024 * 1024;

let sshd: Sshd;
let gateway: Gateway;
let connector: Connector;
let port: number;

beforeAll(async () => {
  sshd = await startSshd();
  const ingress = [{ hostname: HOST, service: sshd.service }];
  ({ gateway, connector } = await startPostern({ tcp: [HOST], ingress }));
  await connector.linksUp();
  port = gateway.tcpPort(HOST);
});

beforeEach(() => void guardLinks(connector));

afterEach(async () => {
  await metricBecomes(gateway.ports.metrics, 'postern_gateway_streams_open', 0);
  await metricBecomes(connector.metricsPort, 'postern_connector_streams_open', 0);
});

/** Runs a command there, through the tunnel. */
function ssh(command: string, options: RunOptions = {}): Promise<RunResult> {
  return sshd.ssh(command, { ...options, port });
}

describe('commands', () => {
  it('run with their input and both outputs', async () => {
    const result = await ssh('cat; echo to stderr >&2', { input: 'to stdout\n' });
    expect(result).toMatchObject({ code: 0, stdout: 'to stdout\n', stderr: 'to stderr\n' });
  });

  it.each([0, 1, 42, 254])('that exit with %i are seen to', async (status) => {
    expect((await ssh(`exit ${status}`)).code).toBe(status);
  });

  it.each(['TERM', 'KILL', 'SEGV'])(
    'that SIG%s ends are seen as without a tunnel',
    async (name) => {
      const command = `echo before; kill -${name} $$; echo after`;
      const [direct, tunnelled] = [await sshd.ssh(command), await ssh(command)];
      expect(direct).toMatchObject({ code: 255, stdout: 'before\n' });
      expect(tunnelled).toEqual(direct);
    },
  );

  it('end when their client is killed', async () => {
    const client = startProcess(toolPath('ssh'), [
      ...sshd.clientOptions(port),
      '127.0.0.1',
      'echo "shell $$"; exec cat',
    ]);
    const [, pid] = await client.waitForLine(/^shell (\d+)$/);
    const program = (): string => readFileSync(`/proc/${pid}/comm`, 'utf8');
    expect(program()).toMatch(/^(cat|sh|bash|dash)/);
    client.kill('SIGKILL');
    await eventually(() => expect(program).toThrow('ENOENT'), { deadlineMs: 30_000 });
  });

  it('work in a terminal, line by line', async () => {
    const shell = ['-tt', ...sshd.clientOptions(port), '127.0.0.1', 'PS1= exec sh'];
    const client = startProcess(toolPath('ssh'), shell);
    client.stdin.write('tty\n');
    await client.waitForLine(/^\/dev\/pts\/\d+/);
    client.stdin.write('echo sum=$((40 + 2))\n');
    await client.waitForLine(/^sum=42/);
    client.stdin.write('exit 7\n');
    expect(await client.exited).toEqual({ code: 7, signal: null });
  });

  it('run twenty at a time', async () => {
    const outputs = await Promise.all(
      Array.from({ length: 20 }, (_, i) => ssh(`cat; exit ${i}`, { input: `${i}` })),
    );
    expect(outputs.map(({ code, stdout }) => `${code} ${stdout}`)).toEqual(
      Array.from({ length: 20 }, (_, i) => `${i} ${i}`),
    );
  });
});

describe('a pipe', () => {
  it('through cat and back: ssh host cat < file > copy', async () => {
    const dir = tempDir('pipe');
    const from = writePatternFile(join(dir, 'from'), 64 * MIB);
    const to = join(dir, 'to');
    const result = await ssh('cat', { stdinFile: from, stdoutFile: to, deadlineMs: 60_000 });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(await fileSha256(to)).toBe(patternSha256(64 * MIB));
  });

  it('into a program that answers only at the end of its input', async () => {
    const from = writePatternFile(join(tempDir('pipe'), 'from'), 64 * MIB);
    const { code, stdout } = await ssh('sha256sum', { stdinFile: from, deadlineMs: 60_000 });
    expect([code, stdout.slice(0, 64)]).toEqual([0, patternSha256(64 * MIB)]);
  });

  it('out of a program that reads nothing and never ends, until the reader has enough', async () => {
    const { stdout } = await mustRun('sh', [
      '-c',
      '"$@" | head -c 1000000 | wc -c',
      'sh',
      toolPath('ssh'),
      ...sshd.clientOptions(port),
      '127.0.0.1',
      'yes',
    ]);
    expect(stdout.trim()).toBe('1000000');
  });
});

describe('files', () => {
  it('of 256 MiB go both ways with scp', async () => {
    const dir = tempDir('scp');
    const from = writePatternFile(join(dir, 'from'), 256 * MIB);
    const [there, back] = [join(dir, 'there'), join(dir, 'back')];
    const scp = [...sshd.clientOptions(port), '-q'];
    const how = { deadlineMs: 90_000 };
    await mustRun(toolPath('scp'), [...scp, from, `127.0.0.1:${there}`], how);
    truncateSync(from);
    await mustRun(toolPath('scp'), [...scp, `127.0.0.1:${there}`, back], how);
    truncateSync(there);
    expect(await fileSha256(back)).toBe(patternSha256(256 * MIB));
  }, 180_000);

  it('are put, moved, listed and fetched by an sftp batch', async () => {
    const dir = tempDir('sftp');
    const from = writePatternFile(join(dir, 'from'), 20 * MIB);
    const batch = [
      `mkdir ${dir}/there`,
      `put ${from} ${dir}/there/first`,
      `rename ${dir}/there/first ${dir}/there/second`,
      `chmod 600 ${dir}/there/second`,
      `ls -l ${dir}/there`,
      `get ${dir}/there/second ${dir}/back`,
      `rm ${dir}/there/second`,
      `rmdir ${dir}/there`,
    ];
    const { stdout } = await mustRun(
      toolPath('sftp'),
      [...sshd.clientOptions(port), '-b', '-', '127.0.0.1'],
      { input: `${batch.join('\n')}\n`, deadlineMs: 60_000 },
    );
    expect(stdout).toMatch(/^-rw-------.* 20971520 .*\/second$/m);
    expect(await fileSha256(join(dir, 'back'))).toBe(patternSha256(20 * MIB));
  });

  it('that an sftp batch does not find are an error with the exit status of sftp', async () => {
    const args = [...sshd.clientOptions(port), '-b', '-', '127.0.0.1'];
    await expect(
      mustRun(toolPath('sftp'), args, { input: 'get /nowhere/nothing\n' }),
    ).rejects.toThrow(/ended with 1: .*not found/);
  });
});

describe('git', () => {
  it('clones, pushes and fetches', async () => {
    const dir = tempDir('git');
    const env = gitEnv();
    const git = (...args: readonly string[]): Promise<RunResult> =>
      mustRun(toolPath('git'), args, { env, cwd: dir, deadlineMs: 60_000 });
    await git('init', '-q', '-b', 'main', 'seed');
    writePatternFile(join(dir, 'seed', 'large'), 20 * MIB);
    for (let i = 0; i < 300; i += 1) writeFileSync(join(dir, 'seed', `${i}`), `file ${i}\n`);
    await git('-C', 'seed', 'add', '.');
    await git('-C', 'seed', 'commit', '-q', '-m', 'seed');
    await git('clone', '-q', '--bare', 'seed', 'origin.git');

    const url = `ssh://127.0.0.1${dir}/origin.git`;
    await git('clone', '-q', url, 'first');
    await git('-C', 'first', 'fsck', '--full', '--strict');
    expect(await fileSha256(join(dir, 'first', 'large'))).toBe(patternSha256(20 * MIB));
    await git('clone', '-q', '--depth=1', url, 'second');
    writePatternFile(join(dir, 'first', 'large'), 8 * MIB, 4711);
    await git('-C', 'first', 'commit', '-q', '-a', '-m', 'change');
    await git('-C', 'first', 'push', '-q');
    await git('-C', 'second', 'pull', '-q');
    const heads = await Promise.all(
      ['first', 'second', 'origin.git'].map((name) => git('-C', name, 'rev-parse', 'main')),
    );
    expect(new Set(heads.map(({ stdout }) => stdout)).size).toBe(1);
    expect(await fileSha256(join(dir, 'second', 'large'))).toBe(
      await fileSha256(join(dir, 'first', 'large')),
    );
  }, 120_000);
});

describe('rsync', () => {
  it('copies a tree, then only what changed, and back', async () => {
    const dir = tempDir('rsync');
    const remote = `127.0.0.1:${dir}`;
    mkdirSync(join(dir, 'from', 'deep', 'er'), { recursive: true });
    for (let i = 0; i < 200; i += 1) writeFileSync(join(dir, 'from', `${i}`), `file ${i}\n`);
    const large = writePatternFile(join(dir, 'from', 'deep', 'er', 'large'), 32 * MIB);
    await rsync(`${dir}/from/`, `${remote}/to/`);
    expect(await fileSha256(join(dir, 'to', 'deep', 'er', 'large'))).toBe(patternSha256(32 * MIB));

    writeFileSync(large, Buffer.alloc(1000, 'x'), { flag: 'r+' });
    const stats = await rsync('--ignore-times', `${dir}/from/`, `${remote}/to/`);
    const literal = Number(/Literal data: ([\d,]+)/.exec(stats)?.[1]?.replaceAll(',', ''));
    expect(literal).toBeLessThan(MIB);
    await rsync(`${remote}/to/`, `${dir}/back/`);
    await mustRun('diff', ['-r', join(dir, 'from'), join(dir, 'back')]);
  }, 120_000);
});

describe('port forwarding', () => {
  it.each(['-L', '-R'])('carries connections, half-closed too, with %s', async (direction) => {
    const echo = await startHalfCloseServer();
    const forwarded = await freePort();
    const client = startProcess(toolPath('ssh'), [
      ...sshd.clientOptions(port),
      '-oExitOnForwardFailure=yes',
      '-N',
      direction,
      `127.0.0.1:${forwarded}:127.0.0.1:${echo.port}`,
      '127.0.0.1',
    ]);
    await whenReady(client, () => tryConnect(forwarded));
    const sizes = [0, 1, 100_000, 8 * MIB];
    const answers = await Promise.all(sizes.map((bytes) => sendAndReadAll(forwarded, bytes)));
    expect(answers).toEqual(sizes.map((bytes) => ({ bytes, sha256: patternSha256(bytes) })));
    await client.stop();
  });
});

/** Sends that much of the pattern and FIN, and returns what the other side says once it has read all of it. */
async function sendAndReadAll(to: number, bytes: number): Promise<unknown> {
  const socket = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true });
  cleanup(() => socket.destroy());
  socket.end(patternBytes(bytes));
  return JSON.parse(await text(socket));
}

/** ssh with its options as one line, for programs that run it themselves. */
function sshCommand(): string {
  return [toolPath('ssh'), ...sshd.clientOptions(port)].join(' ');
}

/** Runs rsync over ssh and returns what it says about what it did. */
async function rsync(...args: readonly string[]): Promise<string> {
  const all = ['-a', '--no-whole-file', '--stats', '-e', sshCommand(), ...args];
  return (await mustRun(toolPath('rsync'), all, { deadlineMs: 60_000 })).stdout;
}

/** The environment of git without anybody's own settings. */
function gitEnv(): Record<string, string> {
  return {
    GIT_SSH_COMMAND: sshCommand(),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Test',
    GIT_AUTHOR_EMAIL: 'test@postern.test',
    GIT_COMMITTER_NAME: 'Test',
    GIT_COMMITTER_EMAIL: 'test@postern.test',
  };
}
