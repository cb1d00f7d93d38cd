/** The system's clock, against real time. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/core/clock.ts';

describe('systemClock', () => {
  it('tells the time of day, and durations that never go backwards', () => {
    expect(Math.abs(systemClock.wall() - Date.now())).toBeLessThan(1_000);
    let last = systemClock.now();
    for (let i = 0; i < 10_000; i += 1) {
      const now = systemClock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  it('calls back once, not before the delay is over', async () => {
    const start = systemClock.now();
    let calls = 0;
    await new Promise<void>((resolve) => {
      systemClock.after(20, () => {
        calls += 1;
        systemClock.after(20, resolve);
      });
    });
    expect(calls).toBe(1);
    // Node rounds timers to whole milliseconds, down as well as up.
    expect(systemClock.now() - start).toBeGreaterThanOrEqual(38);
  });

  it('does not call back once cancelled, which is safe twice and afterwards', async () => {
    let calls = 0;
    const timer = systemClock.after(0, () => (calls += 1));
    timer.cancel();
    timer.cancel();
    const fired = await new Promise<{ cancel(): void }>((resolve) => {
      const later = systemClock.after(1, () => resolve(later));
    });
    fired.cancel();
    expect(calls).toBe(0);
  });

  it('waits for weeks when asked to', async () => {
    // Node takes a delay of more than 2^31 - 1 ms for 1 ms.
    let calls = 0;
    const timer = systemClock.after(30 * 24 * 3_600_000, () => (calls += 1));
    await new Promise<void>((resolve) => void systemClock.after(20, resolve));
    timer.cancel();
    expect(calls).toBe(0);
  });

  it('keeps no process alive', () => {
    const url = new URL('../../../dist/core/clock.js', import.meta.url).href;
    const script = `import { systemClock } from '${url}'; systemClock.after(60_000, () => {});`;
    const args = ['--input-type=module', '-e', script];
    expect(spawnSync(process.execPath, args, { timeout: 10_000 }).status).toBe(0);
  });
});
