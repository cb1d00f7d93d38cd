import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, jest } from '@jest/globals';

import { eventually } from '../../support/eventually.ts';
import { launch, startProcess, type TestProcess } from '../../support/processes.ts';
import { mustRun, posternEnv, run } from '../../support/run.ts';
import { tempDir } from '../../support/temp-dir.ts';

// Each starts a program or several, which takes seconds on a machine that does much else.
jest.setTimeout(20_000);

/** Starts a Node program given as text. */
function startNode(program: string, graceMs?: number): TestProcess {
  return startProcess(process.execPath, ['-e', program], {
    name: 'node',
    ...(graceMs === undefined ? {} : { graceMs }),
  });
}

describe('startProcess()', () => {
  it('captures both streams line by line, in the order they came', async () => {
    const child = startNode(`
      process.stdout.write('one\\ntw');
      setTimeout(() => { process.stdout.write('o\\n'); process.stderr.write('no newline'); }, 20);
    `);
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.stdout).toBe('one\ntwo\n');
    expect(child.stderr).toBe('no newline\n');
    expect(child.output.text().split('\n').toSorted()).toEqual(['', 'no newline', 'one', 'two']);
  });

  it('waitForLine() finds lines printed before and after the call', async () => {
    const child = startNode(`
      console.log('ready on 4711');
      process.stdin.once('data', () => console.error('got it'));
    `);
    expect((await child.waitForLine(/^ready on (\d+)$/))[1]).toBe('4711');
    expect((await child.waitForLine(/^ready on (\d+)$/))[1]).toBe('4711');
    const later = child.waitForLine(/got it/);
    child.stdin.write('x\n');
    expect((await later)[0]).toBe('got it');
    await child.stop();
  });

  it('waitForLine() fails with the output when the process ends or the deadline passes', async () => {
    const ended = startNode(`console.log('bad config'); process.exitCode = 2`);
    await expect(ended.waitForLine(/ready/)).rejects.toThrow(/it ended with 2:\nbad config/);
    const silent = startNode('setInterval(() => undefined, 1000)');
    await expect(silent.waitForLine(/ready/, 50)).rejects.toThrow('not printed in 50 ms');
  });

  it('reports the exit status or the signal, once, to everybody who asks', async () => {
    const child = startNode('setInterval(() => undefined, 1000)');
    expect(child.exit).toBeUndefined();
    child.kill('SIGKILL');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(child.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('stop() asks first and kills what does not go', async () => {
    const polite = startNode(`
      process.on('SIGTERM', () => process.exit(7));
      console.log('up'); setInterval(() => undefined, 1000);
    `);
    await polite.waitForLine(/up/);
    expect(await polite.stop()).toEqual({ code: 7, signal: null });
    const deaf = startNode(
      `process.on('SIGTERM', () => undefined); console.log('up'); setInterval(() => undefined, 1000)`,
      100,
    );
    await deaf.waitForLine(/up/);
    expect(await deaf.stop()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('tells a program that cannot be started from one that fails', async () => {
    const child = startProcess('/nowhere/program', []);
    expect((await child.exited).code).toBe(127);
  });

  it('lays its variables over the environment and removes those that are undefined', async () => {
    process.env['SUPPORT_TEST_A'] = 'a';
    const child = startProcess(
      process.execPath,
      ['-p', 'process.env.SUPPORT_TEST_A + process.env.B'],
      {
        env: { SUPPORT_TEST_A: undefined, B: 'b' },
      },
    );
    delete process.env['SUPPORT_TEST_A'];
    await child.exited;
    expect(child.stdout).toBe('undefinedb\n');
  });

  it('measures resident memory now and at its peak', async () => {
    const child = startNode(`
      let big = Buffer.alloc(64 << 20, 1);
      console.log('big');
      process.stdin.once('data', () => { big = undefined; globalThis.gc?.(); console.log('small'); });
    `);
    await child.waitForLine(/big/);
    expect(child.rssBytes()).toBeGreaterThan(64 * 1024 * 1024);
    expect(child.peakRssBytes()).toBeGreaterThanOrEqual(child.rssBytes());
    await child.stop();
    expect(() => child.rssBytes()).toThrow();
  });

  it('counts what it started, and ends that with it when it is killed', async () => {
    const parent = startNode(`
      const code = 'const big = Buffer.alloc(64 << 20, 1); console.log("big"); setInterval(() => big, 1000)';
      require('node:child_process').spawn(process.execPath, ['-e', code], { stdio: 'inherit' });
    `);
    await parent.waitForLine(/big/);
    expect(parent.rssBytes()).toBeGreaterThan(100 * 1024 * 1024);
    const [child = 0] = parent.children();
    await parent.stop('SIGKILL');
    await eventually(() => hasEnded(child));
  });

  it('the process id is that of the program itself', async () => {
    const child = startNode('console.log(process.pid); setInterval(() => undefined, 1000)');
    const [pid] = await child.waitForLine(/^\d+$/);
    expect(Number(pid)).toBe(child.pid);
  });

  it('a child dies with the process that started it, even when that is killed', async () => {
    const sleeper = launch(process.execPath, [
      '-e',
      'console.log("pid " + process.pid); setInterval(() => undefined, 1000)',
    ]);
    const parent = startNode(`
      const { spawn } = require('node:child_process');
      spawn(${JSON.stringify(sleeper.command)}, ${JSON.stringify(sleeper.args)}, { stdio: 'inherit' });
    `);
    const [, pid] = await parent.waitForLine(/^pid (\d+)$/);
    parent.kill('SIGKILL');
    await parent.exited;
    await eventually(() => hasEnded(Number(pid)));
  });
});

/** A zombie waits for whoever adopts orphans here: it has ended all the same. */
function hasEnded(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return !existsSync(file) || / Z /.test(readFileSync(file, 'utf8'));
}

describe('run()', () => {
  it('returns status, output and error output', async () => {
    const result = await run('sh', ['-c', 'cat; echo oops >&2; exit 3'], { input: 'hello' });
    expect(result).toMatchObject({ code: 3, signal: null, stdout: 'hello', stderr: 'oops\n' });
  });

  it('connects files, so that nothing passes through memory', async () => {
    const dir = tempDir('run');
    writeFileSync(join(dir, 'in'), 'from a file');
    const files = { stdinFile: join(dir, 'in'), stdoutFile: join(dir, 'out') };
    expect((await run('cat', [], files)).stdout).toBe('');
    expect(readFileSync(join(dir, 'out'), 'utf8')).toBe('from a file');
  });

  it('kills at the deadline and says so', async () => {
    const late = run('sh', ['-c', 'echo waiting >&2; exec sleep 60'], { deadlineMs: 300 });
    await expect(late).rejects.toThrow(/Cannot finish "sh .*" in 300 ms; it said: waiting/);
  });

  it('does not wait at the deadline for what the program left running', async () => {
    const start = performance.now();
    const late = run('sh', ['-c', 'sleep 15 & wait'], { deadlineMs: 300 });
    await expect(late).rejects.toThrow('Cannot finish');
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('mustRun() rejects with what the program said', async () => {
    await expect(mustRun('sh', ['-c', 'echo no such thing >&2; exit 5'])).rejects.toThrow(
      /it ended with 5: no such thing/,
    );
  });

  it('posternEnv() removes what differs between machines and keeps what the test sets', () => {
    process.env['https_proxy'] = 'http://proxy.test';
    process.env['POSTERN_TOKEN'] = 'secret';
    const env = posternEnv({ POSTERN_TOKEN: 'mine' });
    delete process.env['https_proxy'];
    delete process.env['POSTERN_TOKEN'];
    expect(env).toMatchObject({ https_proxy: undefined, POSTERN_TOKEN: 'mine' });
    expect(Object.hasOwn(env, 'PATH')).toBe(false);
  });
});

it('a child that the test leaves behind is stopped by the clean-up', async () => {
  const child = startNode('console.log("up"); setInterval(() => undefined, 1000)');
  await child.waitForLine(/up/);
  leftBehind.push(child);
});

const leftBehind: TestProcess[] = [];

it('…before the next test starts', () => {
  expect(leftBehind.map((child) => child.exit?.signal)).toEqual(['SIGTERM']);
});
