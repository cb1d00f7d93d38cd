/** Local users from the command line: the same beside a running gateway and without one. */
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node-pty';

import { Gateway } from '../support/gateway.ts';
import { posternCommand, posternEnv, run, type RunResult } from '../support/run.ts';

// Each step starts a program, and the machine may be busy.
jest.setTimeout(120_000);

const PASSWORD = 'correct horse battery';
const TOTP_URI = /^otpauth:\/\/totp\/Postern:ann\?secret=[A-Z2-7]{32}&/;

let gateway: Gateway;

/** Runs `postern gateway user <words>` with this on stdin. */
async function user(words: readonly string[], input = ''): Promise<RunResult> {
  const all = ['gateway', 'user', ...words, '--config', gateway.configFile];
  const [command, args] = posternCommand(...all);
  return run(command, args, { env: posternEnv(), cwd: gateway.dir, input });
}

describe.each([
  ['beside a running gateway', true],
  ['without a gateway', false],
])('%s', (_where, isRunning) => {
  beforeAll(async () => {
    gateway = await Gateway.create();
    if (isRunning) await gateway.start();
  });

  it('users are added, listed, given a new password and removed', async () => {
    const words = ['add', 'ann', '--email', 'Ann@Example.com', '--groups', 'staff,ops'];
    const added = await user([...words, '--totp', '-o', 'json'], `${PASSWORD}\n`);
    expect([added.code, added.stderr]).toEqual([0, '']);
    expect(JSON.parse(added.stdout)).toEqual({
      name: 'ann',
      totpUri: expect.stringMatching(TOTP_URI),
    });
    const again = await user(['add', 'ann'], PASSWORD);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('STORE_EXISTS')]);

    expect(await gateway.json('gateway', 'user', 'list')).toEqual([
      {
        name: 'ann',
        email: 'ann@example.com',
        groups: ['staff', 'ops'],
        totp: true,
        disabled: false,
        createdAt: expect.stringMatching(/^20/),
      },
    ]);
    const changed = await user(['passwd', 'ann', '--totp', 'none'], PASSWORD);
    expect(changed.stdout).toBe('Changed the password of user "ann". Their sessions have ended.\n');
    const { stdout } = await user(['list']);
    expect(stdout).toMatch(/^NAME +EMAIL +GROUPS +ONE-TIME CODE +CREATED\nann .* no /);

    expect((await user(['remove', 'ann'])).code).toBe(0);
    const gone = await user(['remove', 'ann']);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('STORE_NOT_FOUND')]);
  });

  it('a password that is missing or too short adds nobody', async () => {
    const none = await user(['add', 'bob'], '');
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('CLI_USAGE')]);
    const short = await user(['add', 'bob'], 'short\n');
    expect(short.stderr).toMatch(/a password has 8 to \d+ characters/);
    expect(await gateway.json('gateway', 'user', 'list')).toEqual([]);
  });
});

it('on a terminal the password is asked for twice and never shown', async () => {
  gateway = await Gateway.create();
  const add = async (first: string, second: string): Promise<{ code: number; text: string }> => {
    const words = ['gateway', 'user', 'add', 'ann', '--config', gateway.configFile];
    const [command, args] = posternCommand(...words);
    const terminal = spawn(command, args, { cwd: gateway.dir, env: process.env });
    let text = '';
    const left = [first, second];
    terminal.onData((data) => {
      text += data;
      if (data.endsWith(': ')) terminal.write(`${left.shift() ?? ''}\r`);
    });
    return new Promise((resolve) => {
      terminal.onExit(({ exitCode: code }) => resolve({ code, text }));
    });
  };
  const different = await add(PASSWORD, 'something else');
  expect(different.code).toBe(2);
  expect(different.text).toContain('the two are not the same');

  // One letter too many, taken back.
  const added = await add(`${PASSWORD}x\u007f`, PASSWORD);
  expect(added).toEqual({ code: 0, text: expect.stringContaining('Added user "ann".') });
  expect(added.text).toContain('Password for ann: ');
  expect(added.text).not.toContain('horse');
});
