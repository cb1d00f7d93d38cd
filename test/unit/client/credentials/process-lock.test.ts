/** The lock between processes, with real processes that die. */
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { withProcessLock } from '../../../../src/client/credentials/process-lock.ts';
import { startProcess, type TestProcess } from '../../../support/processes.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const HOLDER = join(import.meta.dirname, '../../../support/lock-holder.js');

function holder(home: string, name = 'sign-in'): TestProcess {
  return startProcess(process.execPath, [HOLDER, home, name]);
}

describe('withProcessLock()', () => {
  it('runs one task at a time among many in one process', async () => {
    const home = tempDir('lock');
    let [running, most, done] = [0, 0, 0];
    const task = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      done += 1;
    };
    await Promise.all(
      Array.from({ length: 50 }, async () => withProcessLock({ home, name: 'x' }, task)),
    );
    expect([most, done]).toEqual([1, 50]);
  });

  it('keeps different names and different homes apart', async () => {
    const home = tempDir('lock');
    await withProcessLock({ home, name: 'a' }, async () => {
      await withProcessLock({ home, name: 'b' }, async () => undefined);
      await withProcessLock({ home: tempDir('lock'), name: 'a' }, async () => undefined);
    });
  });

  it('is free again after a task that failed, and rejects as it did', async () => {
    const home = tempDir('lock');
    const failing = withProcessLock({ home, name: 'a' }, async () => {
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await withProcessLock({ home, name: 'a' }, async () => 'yes')).toBe('yes');
  });

  it('waits for another process, and says once that it does', async () => {
    const home = tempDir('lock');
    const first = holder(home);
    await first.waitForLine(/^holding$/);
    const second = holder(home);
    await second.waitForLine(/^waiting$/);
    first.stdin.end();
    await second.waitForLine(/^holding$/);
    second.stdin.end();
    expect((await second.exited).code).toBe(0);
    expect(second.stdout).toBe('waiting\nholding\nreleased\n');
  });

  it('L14 is free at once when the process that held it was killed', async () => {
    const home = tempDir('lock');
    const first = holder(home);
    await first.waitForLine(/^holding$/);
    const waiting = holder(home);
    await waiting.waitForLine(/^waiting$/);
    const start = performance.now();
    first.kill('SIGKILL');
    await waiting.waitForLine(/^holding$/);
    expect(performance.now() - start).toBeLessThan(15_000);
    waiting.kill('SIGKILL');
    await waiting.exited;
    expect(await withProcessLock({ home, name: 'sign-in' }, async () => 'free')).toBe('free');
  });
});
