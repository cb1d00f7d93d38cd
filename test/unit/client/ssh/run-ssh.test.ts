/** Running another program in our place, with real ones. */
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { runSsh } from '../../../../src/client/ssh/run-ssh.ts';
import { startProcess } from '../../../support/processes.ts';

describe('runSsh()', () => {
  it.each([0, 1, 42, 255])('ends with the exit status %i of the program', async (status) => {
    expect(await runSsh(['-c', `exit ${status}`], 'sh')).toBe(status);
  });

  it.each([
    ['TERM', 143],
    ['KILL', 137],
    ['INT', 130],
  ])('ends as a shell does when SIG%s ended the program', async (signal, status) => {
    expect(await runSsh(['-c', `kill -${signal} $$`], 'sh')).toBe(status);
  });

  it('gives the program its words as they are', async () => {
    const script = '[ "$1" = "a b" ] && [ "$2" = \'$(id)\' ] && [ "$#" = 2 ]';
    expect(await runSsh(['-c', script, 'sh', 'a b', '$(id)'], 'sh')).toBe(0);
  });

  it('passes signals on to the program, and ends with it', async () => {
    const module = join(import.meta.dirname, '../../../../dist/client/ssh/run-ssh.js');
    const script = 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done';
    const code = `import { runSsh } from ${JSON.stringify(module)};
      process.exitCode = await runSsh(['-c', ${JSON.stringify(script)}], 'sh');`;
    const runner = startProcess(process.execPath, ['--input-type=module', '-e', code]);
    await runner.waitForLine(/^up$/);
    runner.kill('SIGTERM');
    expect(await runner.exited).toEqual({ code: 9, signal: null });
  });

  it('says so where there is no such program', async () => {
    await expect(runSsh([], 'no-such-program')).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringContaining('not installed'),
    });
  });
});
