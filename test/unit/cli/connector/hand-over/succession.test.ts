import { describe, expect, it, jest } from '@jest/globals';

import { Succession } from '../../../../../src/cli/connector/hand-over/succession.ts';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { createLog } from '../../../../../src/telemetry/log.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { isRunning } from '../../../../support/connector-reload.ts';
import { eventually } from '../../../../support/eventually.ts';
import { GOOD_SUCCESSOR, successorScript } from '../../../../support/successor-scripts.ts';

jest.setTimeout(30_000);

const DRAINING = GOOD_SUCCESSOR.replace("['replaced', 'drain']", "['drain']");

function start(script: string): { readonly succession: Succession; readonly ended: number[] } {
  const ended: number[] = [];
  const succession = new Succession({
    log: createLog({ component: 'connector', destination: { write: () => undefined } }),
    env: process.env,
    command: successorScript(script),
    lend: () => undefined,
    reload: async () => {
      throw new Error('nobody asked');
    },
    onActiveEnded: (status) => void ended.push(status),
  });
  cleanup(() => succession.stop());
  return { succession, ended };
}

describe('a succession', () => {
  it('tells the one before to finish, and nobody of its end', async () => {
    const { succession, ended } = start(GOOD_SUCCESSOR);
    const first = await succession.startNext(0);
    expect(first.before).toBeUndefined();
    const second = await succession.startNext(0);
    expect(second.before).toBe(first.run.pid);
    expect(succession.activePid).toBe(second.run.pid);
    await eventually(() => succession.drainingCount === 0);
    expect(isRunning(first.run.pid)).toBe(false);
    expect(await succession.drain()).toBe(0);
    expect(isRunning(second.run.pid)).toBe(false);
    expect(ended).toEqual([]);
  });

  it('goes on with the one before when the next one fails', async () => {
    const fails = `${GOOD_SUCCESSOR.replace('registered();', '')}
      const { existsSync, writeFileSync } = require('node:fs');
      if (existsSync(__filename + '.once')) process.exit(3);
      writeFileSync(__filename + '.once', '');
      registered();`;
    const { succession, ended } = start(fails);
    const { run } = await succession.startNext(0);
    await expect(succession.startNext(0)).rejects.toMatchObject({ code: 'CLI_FAILED' });
    expect(succession.activePid).toBe(run.pid);
    expect(isRunning(run.pid)).toBe(true);
    expect(ended).toEqual([]);
  });

  it('tells when the active one ends by itself', async () => {
    const { succession, ended } = start(GOOD_SUCCESSOR);
    const { run } = await succession.startNext(0);
    process.kill(run.pid, 'SIGKILL');
    await eventually(() => expect(ended).toEqual([137]));
    expect(succession.activePid).toBeUndefined();
  });

  it('starts no more while too many still drain', async () => {
    const { succession } = start(DRAINING);
    const others = LIMITS.drainingConnectors - 1;
    await succession.startNext(others);
    await succession.startNext(others);
    expect(succession.drainingCount).toBe(1);
    await expect(succession.startNext(others)).rejects.toMatchObject({
      code: 'RELOAD_BUSY',
      message: expect.stringContaining('16 earlier processes still finish their streams'),
    });
  });

  it('starts no more once it ends, and ends the one that is being started', async () => {
    const { succession } = start("stay(); onOrder('stop', () => undefined);");
    const starting = succession.startNext(0).catch((error: unknown) => error);
    expect(await succession.stop()).toBeUndefined();
    expect(await starting).toMatchObject({ code: 'CLI_FAILED' });
    await expect(succession.startNext(0)).rejects.toMatchObject({
      message: expect.stringContaining('it is asked to stop'),
    });
  });

  it('leaves the one alone that it let go', async () => {
    const { succession } = start(GOOD_SUCCESSOR);
    const { run } = await succession.startNext(0);
    cleanup(() => process.kill(run.pid, 'SIGKILL'));
    succession.letGo([]);
    expect(await succession.drain()).toBeUndefined();
    expect(isRunning(run.pid)).toBe(true);
  });
});
