/** Two processes on one file: a command line beside a running gateway. The other one here is a real process. */
import { spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import { afterEach, describe, expect, it } from '@jest/globals';

import { newAuditEvent } from '../../../src/telemetry/audit-event.ts';
import { coded, DRIVERS, StoreFolder } from './sqlite-drivers.ts';

/** Takes the lock, says so, and commits when told to. Uses whichever library loads, as the store does. */
const LOCK_HOLDER = `
  let Database;
  try {
    Database = require('better-sqlite3');
    new Database(':memory:').close();
  } catch {
    Database = require('node:sqlite').DatabaseSync;
  }
  const database = new Database(process.argv[1]);
  database.exec("begin immediate; insert into tunnels values ('id', 'theirs', 'hash', 1, null)");
  process.stdin.once('data', () => {
    database.exec('commit');
    process.exit();
  });
  process.stdout.write('locked');`;

let holder: ChildProcess | undefined;

async function lock(file: string): Promise<ChildProcessByStdio<Writable, Readable, null>> {
  const args = ['--input-type=commonjs', '--no-warnings', '-e', LOCK_HOLDER, file];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  holder = child;
  await once(child.stdout, 'data');
  return child;
}

afterEach(() => {
  holder?.kill('SIGKILL');
  holder = undefined;
});

describe.each(DRIVERS)('while another process writes, with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('reading goes on', async () => {
    const store = await folder.open();
    const { tunnel, token } = await store.tunnels.create('home');
    await lock(folder.path());
    expect(await store.tunnels.verifyToken(token)).toEqual(tunnel);
    expect(await store.tunnels.list()).toEqual([tunnel]);
    const second = await folder.open();
    expect(await second.tunnels.list()).toEqual([tunnel]);
  });

  it('a change waits for the lock, and reads do not wait behind the change', async () => {
    const store = await folder.open();
    const child = await lock(folder.path());
    const creation = store.tunnels.create('home');
    const appended = store.audit.append(newAuditEvent({ type: 'test.event' }));
    expect(await store.tunnels.find('home')).toBeUndefined();
    child.stdin.write('commit');
    await creation;
    await appended;
    expect((await store.tunnels.list()).map(({ name }) => name)).toEqual(['home', 'theirs']);
  });

  it('a change that waited too long is STORE_BUSY, and the next one works', async () => {
    const store = await folder.open({ busyWaitMs: 50 });
    const child = await lock(folder.path());
    const busy = coded('STORE_BUSY', 'another process kept the database locked for 50 ms');
    const event = newAuditEvent({ type: 'test.event' });
    await expect(store.tunnels.create('home')).rejects.toEqual(busy);
    await expect(store.tunnels.rotate('home')).rejects.toEqual(busy);
    await expect(store.audit.append(event)).rejects.toEqual(busy);
    child.stdin.write('commit');
    await once(child, 'exit');
    expect((await store.tunnels.create('home')).tunnel.name).toBe('home');
    await store.audit.append(event);
  });

  it('waiting does not stop the event loop', async () => {
    const store = await folder.open({ busyWaitMs: 300 });
    await lock(folder.path());
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 5);
    await expect(store.tunnels.create('home')).rejects.toEqual(coded('STORE_BUSY', '"home"'));
    clearInterval(timer);
    // One sleep of 300 ms would leave none.
    expect(turns).toBeGreaterThan(2);
  });

  it('a process that dies in the middle of a change leaves nothing of it', async () => {
    const store = await folder.open();
    const child = await lock(folder.path());
    child.kill('SIGKILL');
    await once(child, 'exit');
    await store.tunnels.create('home');
    expect((await store.tunnels.list()).map(({ name }) => name)).toEqual(['home']);
  });
});
