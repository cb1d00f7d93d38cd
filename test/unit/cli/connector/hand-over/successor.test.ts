import { describe, expect, it, jest } from '@jest/globals';

import {
  Successor,
  type SuccessorOptions,
} from '../../../../../src/cli/connector/hand-over/successor.ts';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { isRunning } from '../../../../support/connector-reload.ts';
import { GOOD_SUCCESSOR, successorScript } from '../../../../support/successor-scripts.ts';
import { cleanup } from '../../../../support/cleanup.ts';

jest.setTimeout(30_000);

function start(script: string, options: Partial<SuccessorOptions> = {}): Successor {
  const successor = new Successor({
    env: process.env,
    command: successorScript(script),
    lend: async () => undefined,
    reload: async () => {
      throw new Error('nobody asked');
    },
    onSucceeded: () => undefined,
    ...options,
  });
  cleanup(async () => {
    successor.kill();
    await successor.exited;
  });
  return successor;
}

describe('a successor', () => {
  it('counts once it says that it is registered, and is told to end', async () => {
    const successor = start(GOOD_SUCCESSOR);
    const run = await successor.registered;
    expect(run).toEqual({ pid: successor.pid, replica: 'r', links: 4, version: '0' });
    successor.order('replaced');
    expect(await successor.exited).toBe(0);
    // Nobody is there any more, and nothing happens.
    successor.order('drain');
    expect(await successor.lend('127.0.0.1:1')).toBeUndefined();
  });

  it.each([
    ['ends with a status', 'process.exit(7);', 7, /ended with 7/],
    ['is killed', "process.kill(process.pid, 'SIGKILL'); stay();", 137, /ended with SIGKILL/],
    ['throws', "throw new Error('broken code');", 1, /ended with 1/],
  ])('that %s before that is an error', async (_what, script, status, message) => {
    const successor = start(script);
    await expect(successor.registered).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringMatching(message),
    });
    expect(await successor.exited).toBe(status);
  });

  it('that cannot be started is an error', async () => {
    const successor = start('', { command: ['/nowhere/node'] });
    await expect(successor.registered).rejects.toMatchObject({
      message: expect.stringMatching(/cannot be started: .*ENOENT/),
    });
    expect(await successor.exited).toBe(1);
  });

  it('has its own error told, and is gone then', async () => {
    const successor = start(
      `say({ type: 'failed', code: 'REGISTER_REFUSED', message: 'Cannot register: no' }); stay();`,
    );
    await expect(successor.registered).rejects.toMatchObject({
      code: 'REGISTER_REFUSED',
      message: 'Cannot register: no',
    });
    await successor.exited;
    expect(isRunning(successor.pid)).toBe(false);
  });

  it('is ended when it takes too long, with the last trouble that it told of', async () => {
    const since = performance.now();
    const troubled = start(
      `say({ type: 'trouble', code: 'LINK_REFUSED', message: 'Cannot connect: refused' }); stay();`,
      { timeoutMs: 1_500 },
    );
    await expect(troubled.registered).rejects.toMatchObject({
      code: 'LINK_REFUSED',
      message:
        'Cannot reload: the new process was not registered within 1.5 s: Cannot connect: refused',
    });
    expect(performance.now() - since).toBeGreaterThan(1_450);
    expect(await troubled.exited).toBe(137);
    const silent = start('stay();', { timeoutMs: 100 });
    await expect(silent.registered).rejects.toMatchObject({ code: 'CLI_FAILED' });
  });

  it('is given the time anew once it may carry streams', async () => {
    const linked = start(
      `stay(); setTimeout(() => say({ type: 'linked' }), 1000); setTimeout(registered, 4200);`,
      { timeoutMs: 4_000 },
    );
    await linked.registered;
  });

  it('is given 30 s by default', () => {
    expect(LIMITS.handOverMs).toBe(30_000);
  });

  it('is not confused by what it does not know, nor is whoever started it', async () => {
    const successor = start(
      `for (const odd of [1, null, [], 'x', {}, { type: 5 }, { type: 'future' }, { type: 'failed?' }, { type: 'lent' }]) say(odd);
       registered(); stay();`,
    );
    await successor.registered;
  });

  it('that does not answer is not waited for', async () => {
    const successor = start('registered(); stay();');
    await successor.registered;
    const since = performance.now();
    expect(await successor.lend('127.0.0.1:1')).toBeUndefined();
    expect(performance.now() - since).toBeGreaterThan(LIMITS.handOverAnswerMs - 100);
  });

  it('may ask to be reloaded, and hears what became of it', async () => {
    const asked = start(
      `stay(); say({ type: 'reload' });
       process.on('message', (message) => say({ type: 'failed', code: 'CLI_FAILED', message: JSON.stringify(message) }));`,
    );
    await expect(asked.registered).rejects.toMatchObject({
      message:
        '{"type":"not-reloaded","code":"CLI_FAILED","message":"Cannot reload: nobody asked"}',
    });
  });
});
