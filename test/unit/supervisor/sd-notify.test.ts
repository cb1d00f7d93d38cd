import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../src/core/limits.ts';
import { SdNotify } from '../../../src/supervisor/sd-notify.ts';
import { startNotifySocket } from '../../support/real/notify-socket.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { requireTools } from '../../support/tools.ts';

const PATH = process.env['PATH'];

requireTools('systemd-notify', 'perl');

/** A directory with a `systemd-notify` of our own, for what the real one never does. */
function programDir(script: string): string {
  const dir = tempDir('program');
  writeFileSync(join(dir, 'systemd-notify'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, 'systemd-notify'), 0o755);
  return dir;
}

describe('SdNotify', () => {
  it('tells systemd each notice, in order, however fast they are said', async () => {
    const socket = await startNotifySocket();
    const notify = new SdNotify({ env: { PATH, NOTIFY_SOCKET: socket.path } });
    await Promise.all([
      notify.status('starting'),
      notify.ready('generation 1'),
      notify.reloading(),
      notify.ready(),
      notify.mainPid(4711),
      notify.watchdog(),
      notify.stopping('draining'),
    ]);
    expect(socket.notices()).toEqual([
      ['STATUS=starting'],
      ['READY=1', 'STATUS=generation 1'],
      ['RELOADING=1'],
      ['READY=1'],
      ['MAINPID=4711', 'WATCHDOG=1'],
      ['WATCHDOG=1'],
      ['STOPPING=1', 'STATUS=draining'],
    ]);
  });

  it('keeps a status on its line', async () => {
    const socket = await startNotifySocket();
    const notify = new SdNotify({ env: { PATH, NOTIFY_SOCKET: socket.path } });
    await notify.status('one\nMAINPID=1\0\ttwo; $(three) é');
    expect(socket.notices()).toEqual([['STATUS=one MAINPID=1 two; $(three) é']]);
  });

  it('drops a watchdog notice while one is not through, and any when too many wait', async () => {
    const socket = await startNotifySocket();
    const notify = new SdNotify({ env: { PATH, NOTIFY_SOCKET: socket.path } });
    await Promise.all([notify.watchdog(), notify.watchdog(), notify.watchdog()]);
    await notify.watchdog();
    expect(socket.notices()).toEqual([['WATCHDOG=1'], ['WATCHDOG=1']]);
    const many = Array.from({ length: LIMITS.noticesWaiting + 1 }, (_, i) => notify.status(`${i}`));
    await Promise.all(many);
    await notify.status('last');
    expect(socket.notices().slice(2)).toEqual([
      ...many.slice(1).map((_, i) => [`STATUS=${i}`]),
      ['STATUS=last'],
    ]);
  });

  it('does nothing where nobody waits for notices', async () => {
    const failures: Error[] = [];
    const onFailure = (error: Error): void => void failures.push(error);
    for (const env of [{}, { NOTIFY_SOCKET: '' }]) {
      const notify = new SdNotify({ env: { PATH: programDir('exit 1'), ...env }, onFailure });
      expect(notify.isEnabled).toBe(false);
      await notify.ready();
      await notify.watchdog();
    }
    expect(failures).toEqual([]);
  });

  it('reports once that notices cannot be sent, and goes on', async () => {
    const failures: string[] = [];
    const onFailure = (error: Error): void => void failures.push(error.message);
    const env = { PATH: tempDir('empty'), NOTIFY_SOCKET: '/nowhere' };
    const notify = new SdNotify({ env, onFailure });
    await notify.ready();
    await notify.watchdog();
    expect(failures).toEqual([expect.stringContaining('ENOENT')]);
    await new SdNotify({ env: { PATH, NOTIFY_SOCKET: '/nowhere' }, onFailure }).ready();
    expect(failures).toHaveLength(2);
  });

  it('gives up a notice that systemd does not read', async () => {
    const failures: Error[] = [];
    const env = { PATH: `${programDir('exec sleep 60')}:${PATH}`, NOTIFY_SOCKET: '/nowhere' };
    const since = performance.now();
    await new SdNotify({ env, onFailure: (error) => void failures.push(error) }).ready();
    expect(performance.now() - since).toBeGreaterThanOrEqual(LIMITS.noticeMs - 100);
    expect(failures).toEqual([expect.objectContaining({ killed: true })]);
  });

  it('hands nothing but the socket and the path to the program', async () => {
    const dir = programDir('env > "$(dirname "$0")/env"; exit 1');
    const env = { PATH: `${dir}:${PATH}`, NOTIFY_SOCKET: '/nowhere', POSTERN_TOKEN: 'secret' };
    await new SdNotify({ env }).ready();
    expect(readFileSync(join(dir, 'env'), 'utf8')).not.toContain('POSTERN');
  });
});

describe('SdNotify.watchdogEveryMs', () => {
  const socket = { NOTIFY_SOCKET: '/nowhere' };
  it.each([
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 10_000],
    [{ WATCHDOG_USEC: '30000000' }, 10_000],
    [{ WATCHDOG_USEC: '1' }, 1],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: '-5' }, undefined],
    [{ WATCHDOG_USEC: '3e7' }, undefined],
    [{ WATCHDOG_PID: '7' }, undefined],
  ])('of %j is %j', (env, expected) => {
    expect(new SdNotify({ env: { ...socket, ...env }, pid: 7 }).watchdogEveryMs).toBe(expected);
  });

  it('is nothing without a socket, and passes to a successor', () => {
    const env = { WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' };
    expect(new SdNotify({ env, pid: 7 }).watchdogEveryMs).toBeUndefined();
    const successor = new SdNotify({ env: { ...socket, ...env }, pid: 7 }).successorEnv();
    expect(new SdNotify({ env: successor, pid: 8 }).watchdogEveryMs).toBe(10_000);
  });
});
