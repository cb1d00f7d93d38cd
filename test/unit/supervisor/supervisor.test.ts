/** The supervisor with real processes and a clock of its own: each way in which a worker can come, fail and go. */
import { once } from 'node:events';
import { createServer } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { SdNotify } from '../../../src/supervisor/sd-notify.ts';
import { Supervisor } from '../../../src/supervisor/supervisor.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { sendSignal } from '../../support/processes.ts';
import { startNotifySocket } from '../../support/real/notify-socket.ts';
import { freePort } from '../../support/real/port.ts';
import { SupervisorLab, Visitor } from './supervisor-lab.ts';

const BROKEN = { failure: { code: 'CONFIG_INVALID', message: 'gateway.yaml:1: is broken' } };

function failure(code: string): unknown {
  return expect.objectContaining({ code });
}

describe('a start', () => {
  it('has the first worker serve', async () => {
    const lab = await SupervisorLab.start({ version: '7' });
    expect(await lab.answer()).toBe('1');
    expect(await lab.workers()).toEqual(['1 active']);
    expect(await lab.supervisor.status()).toMatchObject({ pid: process.pid, generation: 1 });
  });

  it('fails with what the worker says, and leaves nothing open', async () => {
    const lab = await SupervisorLab.make();
    lab.onDisk(BROKEN);
    const { message } = BROKEN.failure;
    await expect(lab.supervisor.start()).rejects.toMatchObject({ ...BROKEN.failure, message });
    expect(await lab.workers()).toEqual([]);
    await expect(lab.answer()).rejects.toThrow(failure('ECONNREFUSED'));
    expect(lab.clock.pending).toBe(0);
  });

  it('fails when the worker ends without a word, or cannot be started at all', async () => {
    const lab = await SupervisorLab.make();
    lab.onDisk({ exit: 3 });
    await expect(lab.supervisor.start()).rejects.toThrow(/it ended with exit status 3$/);
    const none = new Supervisor({
      command: { file: '/nowhere/node', args: [], env: {} },
      clock: lab.clock,
      notify: new SdNotify({ env: {} }),
      createLog: () => {
        throw new Error('Cannot log: nothing was started');
      },
    });
    await expect(none.start()).rejects.toThrow(/cannot be started: ENOENT$/);
  });

  it('fails when the port is taken, with the code of the system', async () => {
    const lab = await SupervisorLab.make();
    const other = createServer().listen(lab.port, '127.0.0.1');
    cleanup(() => other.close());
    await once(other, 'listening');
    const start = lab.supervisor.start();
    let isOver = false;
    start.catch(() => undefined).finally(() => (isOver = true));
    await eventually(() => {
      lab.clock.run(100);
      return isOver;
    });
    await expect(start).rejects.toThrow(failure('EADDRINUSE'));
  });

  it('keeps what is meant for the supervisor from the worker', async () => {
    const given = { NOTIFY_SOCKET: '@x', LISTEN_PID: '1', LISTEN_FDS: '1', WATCHDOG_USEC: '1' };
    const lab = await SupervisorLab.make({ ...process.env, ...given });
    await lab.supervisor.start();
    expect((await lab.work())['environment']).toEqual([]);
  });
});

describe('a reload', () => {
  it('has a worker of what is on disk serve, while the old one ends what it has', async () => {
    const lab = await SupervisorLab.start();
    const before = await lab.work();
    const visitor = await lab.hold();
    lab.onDisk({ version: '2' });
    const handOver = await lab.supervisor.reload('test');
    expect(handOver).toEqual({
      generation: 2,
      pid: expect.any(Number),
      version: '2',
      draining: [1],
    });
    expect(await lab.answer()).toBe('2');
    expect(await lab.workers()).toEqual(['1 draining', '2 active']);
    expect((await lab.work())['ticketKeys']).toBe(before['ticketKeys']);
    visitor.socket.end();
    await visitor.closed;
    await lab.become('2 active');
  });

  it.each([
    ['says why', BROKEN, 'CONFIG_INVALID'],
    ['ends', { exit: 1 }, 'RELOAD_FAILED'],
  ])('changes nothing when the new worker %s', async (_, plan, code) => {
    const lab = await SupervisorLab.start();
    lab.onDisk(plan);
    await expect(lab.supervisor.reload('test')).rejects.toThrow(failure(code));
    await lab.become('1 active');
    expect(await lab.answer()).toBe('1');
  });

  it('ends a worker that does not get ready in time', async () => {
    const lab = await SupervisorLab.start();
    lab.onDisk({ isStuck: true });
    const reload = lab.supervisor.reload('test');
    reload.catch(() => undefined);
    await lab.become('1 active', '2 starting');
    // The other worker beats in real time.
    lab.clock.freeze(LIMITS.workerReadyMs);
    lab.clock.run(0);
    await expect(reload).rejects.toThrow(/did not get ready in 30 s$/);
    expect(await lab.workers()).toEqual(['1 active']);
  });

  it('that the worker asked for by itself is the one of a command meanwhile, and only the one that serves may', async () => {
    const lab = await SupervisorLab.start();
    const visitor = await lab.hold();
    process.kill(await lab.pid(), 'SIGUSR2');
    await eventually(async () => {
      const [first] = (await lab.supervisor.status()).workers;
      expect(first?.work).toMatchObject({ told: [2, 2, 'RELOAD_BUSY'] });
    });
    expect(await lab.workers()).toEqual(['1 draining', '2 active']);
    visitor.socket.end();
    await lab.become('2 active');
  });

  it('is one at a time; who does not wait gets another one afterwards', async () => {
    const lab = await SupervisorLab.start();
    const reload = lab.supervisor.reload('test');
    await expect(lab.supervisor.reload('again')).rejects.toThrow(failure('RELOAD_BUSY'));
    await expect(lab.supervisor.rollBack()).rejects.toThrow(failure('RELOAD_BUSY'));
    lab.supervisor.reloadSoon('SIGHUP');
    lab.supervisor.reloadSoon('SIGHUP');
    expect((await reload).generation).toBe(2);
    await lab.become('3 active');
  });

  it('can be asked for by a worker that somebody wants gone', async () => {
    const lab = await SupervisorLab.start();
    process.kill(await lab.pid(), 'SIGTERM');
    await lab.become('2 active');
  });

  it('opens ports that are new, closes those that are no longer wanted, and keeps what the system chose', async () => {
    const lab = await SupervisorLab.make();
    const place = { host: '127.0.0.1', port: 0 };
    const extra = { host: '127.0.0.1', port: await freePort() };
    const [chosen, added] = [
      { name: 'chosen', place },
      { name: 'added', place: extra },
    ];
    lab.onDisk({ sockets: [chosen, { name: 'web', place: { ...place, port: lab.port } }] });
    await lab.supervisor.start();
    lab.onDisk({ sockets: [chosen, added] });
    await lab.supervisor.reload('test');
    expect(await lab.answer(extra.port)).toBe('2');
    await eventually(() => expect(lab.answer()).rejects.toThrow(failure('ECONNREFUSED')));
    lab.onDisk({});
    await lab.supervisor.reload('test');
    expect(await lab.answer()).toBe('3');
  });

  it('is refused while too many old workers drain', async () => {
    const lab = await SupervisorLab.start();
    for (let count = 0; count < LIMITS.drainingWorkers; count += 1) {
      await lab.hold();
      await lab.supervisor.reload('test');
    }
    const refused = lab.supervisor.reload('test');
    await expect(refused).rejects.toThrow(/16 old workers still drain/);
  });
});

describe('a roll-back', () => {
  it('has the worker before serve again, as long as it drains', async () => {
    const lab = await SupervisorLab.start();
    const visitor = await lab.hold();
    await lab.supervisor.reload('test');
    const handOver = await lab.supervisor.rollBack();
    expect(handOver).toMatchObject({ generation: 1, draining: [2] });
    await lab.become('1 active');
    expect(await lab.answer()).toBe('1');
    expect(visitor.socket.destroyed).toBe(false);
    await expect(lab.supervisor.rollBack()).rejects.toThrow(failure('RELOAD_ROLL_BACK'));
    expect((await lab.supervisor.reload('test')).generation).toBe(3);
  });

  it('opens the ports again that the newer worker did not want', async () => {
    const lab = await SupervisorLab.start();
    await lab.hold();
    lab.onDisk({ sockets: [] });
    await lab.supervisor.reload('test');
    await eventually(() => expect(lab.answer()).rejects.toThrow(failure('ECONNREFUSED')));
    await lab.supervisor.rollBack();
    expect(await lab.answer()).toBe('1');
  });

  it('happens by itself when the new worker dies and no other gets ready', async () => {
    const lab = await SupervisorLab.start();
    await lab.hold();
    await lab.supervisor.reload('test');
    lab.onDisk(BROKEN);
    process.kill(await lab.pid(), 'SIGKILL');
    await lab.restarted('1 active');
    expect(await lab.answer()).toBe('1');
    await lab.says('the gateway went back to what worked; repair what is on disk');
  });
});

describe('a worker that dies', () => {
  it('is replaced, and who connects meanwhile waits', async () => {
    const lab = await SupervisorLab.start();
    process.kill(await lab.pid(), 'SIGKILL');
    await lab.says('the worker died');
    const waiting = new Visitor(lab.port);
    await once(waiting.socket, 'connect');
    await lab.restarted('2 active');
    expect(await waiting.generation).toBe('2');
  });

  it('is replaced again and again while it keeps dying, until one lives', async () => {
    const lab = await SupervisorLab.start();
    lab.onDisk({ exit: 1 });
    process.kill(await lab.pid(), 'SIGKILL');
    const failures = () =>
      lab.log.filter(({ msg }) => msg === 'cannot start another worker').length;
    const look = async (): Promise<boolean> => {
      await lab.letRestart();
      return failures() >= 8;
    };
    await eventually(look, { deadlineMs: 20_000 });
    lab.onDisk({});
    await eventually(async () => {
      await lab.letRestart();
      expect(await lab.workers()).toEqual([expect.stringMatching(/^\d+ active$/)]);
    });
  });

  it('is replaced by one with the last configuration that worked when the one on disk does not', async () => {
    const lab = await SupervisorLab.start({ configText: 'good' });
    lab.onDisk(BROKEN);
    process.kill(await lab.pid(), 'SIGKILL');
    await lab.restarted('3 active');
    expect(await lab.work()).toMatchObject({ configText: 'good' });
    expect(await lab.says('cannot start another worker')).toMatchObject({
      errCode: 'CONFIG_INVALID',
    });
    await lab.says('the gateway went back to what worked; repair what is on disk');
  });

  it('does not disturb the others: one that drains is not replaced', async () => {
    const lab = await SupervisorLab.start();
    const old = await lab.pid();
    await lab.hold();
    await lab.supervisor.reload('test');
    process.kill(old, 'SIGKILL');
    await lab.become('2 active');
    expect(await lab.says('the worker died')).toMatchObject({ generation: 1, reason: 'SIGKILL' });
    expect(await lab.answer()).toBe('2');
  });
});

describe('a worker that hangs', () => {
  it('is killed and replaced', async () => {
    const lab = await SupervisorLab.start();
    await lab.hang();
    for (let waited = 0; waited <= LIMITS.workerHungMs; waited += LIMITS.workerBeatMs) {
      lab.clock.run(LIMITS.workerBeatMs);
    }
    await lab.says('the worker hangs and is killed');
    await lab.restarted('2 active');
    expect(await lab.answer()).toBe('2');
  });

  it('is told from one that slept with the whole machine', async () => {
    const lab = await SupervisorLab.start();
    lab.clock.freeze(10 * LIMITS.workerHungMs);
    lab.clock.run(LIMITS.workerBeatMs);
    expect(await lab.workers()).toEqual(['1 active']);
    expect(lab.log.map(({ msg }) => msg)).toEqual(['the worker serves']);
  });

  it('does not hold up a status', async () => {
    const lab = await SupervisorLab.start();
    const pid = await lab.hang();
    const status = lab.supervisor.status();
    lab.clock.run(LIMITS.workerStatusMs);
    expect((await status).workers).toEqual([expect.not.objectContaining({ work: {} })]);
    sendSignal(pid, 'SIGCONT');
  });
});

describe('systemd', () => {
  /** A supervisor that systemd watches, and what it is told: the first line of each notice. */
  async function watched(): Promise<{
    lab: SupervisorLab;
    notify: SdNotify;
    notices: () => string[];
  }> {
    const socket = await startNotifySocket();
    const watchdogUsec = 3 * 1000 * LIMITS.workerBeatMs;
    const NOTIFY = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: String(watchdogUsec) };
    const notify = new SdNotify({ env: { PATH: process.env['PATH'], ...NOTIFY } });
    const lab = await SupervisorLab.make(process.env, notify);
    await lab.supervisor.start();
    return { lab, notify, notices: () => socket.notices().map((lines) => lines.join(' ')) };
  }

  it('is told when the gateway is ready, is reloaded and ends', async () => {
    const { lab, notices } = await watched();
    expect(notices()).toEqual(['READY=1 STATUS=generation 1 serves']);
    await lab.hold();
    await lab.supervisor.reload('test');
    lab.onDisk(BROKEN);
    await expect(lab.supervisor.reload('test')).rejects.toThrow(failure('CONFIG_INVALID'));
    const both = 'READY=1 STATUS=generation 2 serves; draining: 1';
    await eventually(() => notices().length === 6);
    expect(notices().filter((line) => !line.startsWith('STATUS'))).toEqual([
      'READY=1 STATUS=generation 1 serves',
      'RELOADING=1',
      both,
      'RELOADING=1',
      both,
    ]);
    void lab.supervisor.drain('test');
    await eventually(() => expect(notices()).toContain('STOPPING=1'));
  });

  it('hears from the watchdog as long as the worker beats', async () => {
    const { lab, notify, notices } = await watched();
    const heard = () => notices().filter((line) => line === 'WATCHDOG=1').length;
    await lab.hang();
    for (const count of [1, 2]) {
      lab.clock.run(LIMITS.workerBeatMs);
      await eventually(() => heard() === count);
      // A beat is dropped while the one before it is not through: what is told next comes behind it.
      await notify.status('heard');
    }
    lab.clock.run(2 * LIMITS.workerBeatMs);
    lab.clock.run(LIMITS.workerBeatMs);
    await lab.says('the worker hangs and is killed');
    // While another one is on its way.
    await lab.restarted('2 active');
    await eventually(() => heard() > 2);
  });
});

describe('a drain', () => {
  it('waits for every worker and adds up what they cut', async () => {
    const lab = await SupervisorLab.start({ cut: 1 });
    const first = await lab.hold();
    await lab.supervisor.reload('test');
    const second = await lab.hold();
    const drained = lab.supervisor.drain('test');
    expect(lab.supervisor.isDraining).toBe(true);
    await expect(lab.supervisor.reload('test')).rejects.toThrow(failure('RELOAD_BUSY'));
    await eventually(() => expect(lab.answer()).rejects.toThrow(failure('ECONNREFUSED')));
    expect(await lab.workers()).toEqual(['1 draining', '2 draining']);
    first.socket.end();
    second.socket.end();
    expect(await drained).toBe(2);
    expect(await lab.supervisor.ended).toBe(2);
    expect(await lab.workers()).toEqual([]);
  });

  it('does not wait for a worker that dies, nor for one that starts', async () => {
    const lab = await SupervisorLab.start();
    await lab.hold();
    const pid = await lab.pid();
    lab.onDisk({ isStuck: true });
    const reload = lab.supervisor.reload('test');
    reload.catch(() => undefined);
    await lab.become('1 active', '2 starting');
    void lab.supervisor.drain('test');
    await expect(reload).rejects.toThrow(failure('RELOAD_FAILED'));
    process.kill(pid, 'SIGKILL');
    expect(await lab.supervisor.ended).toBe(0);
  });

  it('comes to an end while no worker lives', async () => {
    const lab = await SupervisorLab.start();
    process.kill(await lab.pid(), 'SIGKILL');
    await lab.says('the worker died');
    expect(await lab.supervisor.drain('test')).toBe(0);
    expect(await lab.supervisor.ended).toBe(0);
    expect(lab.clock.pending).toBe(0);
  });

  it('is cut short by a stop', async () => {
    const lab = await SupervisorLab.start();
    await lab.hold();
    void lab.supervisor.drain('test');
    await lab.supervisor.stop();
    expect(await lab.workers()).toEqual([]);
  });

  it('kills a worker that does not go when its work is over', async () => {
    const lab = await SupervisorLab.start();
    await lab.hang();
    const stopped = lab.supervisor.stop();
    lab.clock.run(LIMITS.workerEndMs);
    await stopped;
    expect(await lab.workers()).toEqual([]);
  });
});
