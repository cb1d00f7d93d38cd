/** Programs that stay, as processes of their own: bugs end them, and nothing is left when a start fails. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it, jest } from '@jest/globals';

import { run, type RunResult } from '../../support/run.ts';

jest.setTimeout(30_000);

const DIST = join(import.meta.dirname, '../../../dist');

/** Runs `runLong` with a `start` given as text. On stdout: what came of it, and who listens for SIGTERM then. */
async function runProgram(start: string): Promise<RunResult> {
  const load = (module: string): string =>
    `await import(${JSON.stringify(pathToFileURL(join(DIST, module)).href)})`;
  const program = `
    const { runLong } = ${load('cli/long-running.js')};
    const { createLog } = ${load('telemetry/log.js')};
    const log = createLog({ component: 'test', format: 'json' });
    const idle = { drain: async () => 0, stop: async () => undefined, release: async () => undefined };
    // Keeps the process as a listener would.
    const timer = setInterval(() => undefined, 1000);
    const released = { ...idle, release: async () => clearInterval(timer) };
    const start = async () => { ${start} };
    const outcome = await runLong({ log, graceMs: 1000, start }).catch((error) => error.code);
    console.log(outcome, process.listenerCount('SIGTERM'));`;
  return run(process.execPath, ['--input-type=module', '-e', program]);
}

describe('runLong()', () => {
  it('logs an exception that nobody caught as fatal, and ends with 1', async () => {
    const { code, stderr } = await runProgram(
      `setImmediate(() => { throw new TypeError('a bug'); }); return idle;`,
    );
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({
      level: 'fatal',
      err: { message: 'a bug', stack: expect.stringContaining('    at ') },
      msg: 'uncaught exception',
    });
  });

  it('logs a rejection that nobody handled as fatal, and ends with 1', async () => {
    const { code, stderr } = await runProgram(
      `void Promise.reject(new TypeError('a bug')); return idle;`,
    );
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ level: 'fatal', msg: 'unhandled rejection' });
  });

  it('is done after a drain, and releases everything', async () => {
    const { code, stdout } = await runProgram(
      `setImmediate(() => process.kill(process.pid, 'SIGTERM')); return released;`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '0 0\n' });
  });

  it('fails where the second signal comes before the drain is over', async () => {
    const { code, stdout, stderr } = await runProgram(`
      setImmediate(() => process.kill(process.pid, 'SIGTERM'));
      return {
        ...released,
        drain: () => new Promise(() => setImmediate(() => process.kill(process.pid, 'SIGTERM'))),
      };`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1 0\n' });
    expect(stderr).toContain('stopping at once');
  });

  it('ends the process after the second signal whatever holds it', async () => {
    const { code } = await runProgram(`
      setImmediate(() => process.kill(process.pid, 'SIGTERM'));
      const stuck = () => new Promise(() => setImmediate(() => process.kill(process.pid, 'SIGTERM')));
      return { drain: stuck, stop: stuck, release: stuck };`);
    expect(code).toBe(1);
  });

  it('hands on why it cannot start, and gives the signals back', async () => {
    const { code, stdout } = await runProgram(`
      clearInterval(timer);
      throw Object.assign(new Error('no port'), { code: 'CONFIG_PORT_IN_USE' });`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'CONFIG_PORT_IN_USE 0\n' });
  });
});
