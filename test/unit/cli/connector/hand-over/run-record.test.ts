import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';

import { describe, expect, it } from '@jest/globals';

import {
  controlSocketOf,
  controlSocketsIn,
  findDeadRuns,
  forgetRun,
  removeDeadRuns,
  writeRunRecord,
} from '../../../../../src/cli/connector/hand-over/run-record.ts';
import { newId } from '../../../../../src/core/id.ts';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { startProcess } from '../../../../support/processes.ts';
import { run } from '../../../../support/run.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

const TUNNEL = newId();

/** A socket on which nobody listens any more. */
async function abandon(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  expect((await run(process.execPath, ['-e', script])).signal).toBe('SIGKILL');
  expect(existsSync(path)).toBe(true);
}

async function listen(path: string): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  cleanup(() => server.close());
  server.listen(path);
  await once(server, 'listening');
}

/** The id of a process that is gone. */
async function deadPid(): Promise<number> {
  const child = startProcess(process.execPath, ['-e', '']);
  const { pid } = child;
  await child.exited;
  return pid;
}

interface Left {
  readonly tunnelId?: string;
  readonly pid?: number;
  readonly started?: string;
  readonly replica?: string;
}

/** What a run left: its record, and no socket yet. */
async function leave(folder: string, left: Left = {}): Promise<string> {
  const { replica = newId(), tunnelId = TUNNEL, started = '1' } = left;
  const pid = left.pid ?? (await deadPid());
  const file = controlSocketOf(folder, replica).replace(/sock$/, 'json');
  writeFileSync(file, JSON.stringify({ replica, tunnelId, pid, started }));
  return replica;
}

const idsOf = async (folder: string): Promise<string[]> =>
  (await findDeadRuns(folder, TUNNEL)).map(({ replica }) => replica);

describe('findDeadRuns()', () => {
  it('finds one whose process is gone and on whose socket nobody listens, until it is removed', async () => {
    const folder = tempDir('runs');
    const replica = await leave(folder);
    await abandon(controlSocketOf(folder, replica));
    const dead = await findDeadRuns(folder, TUNNEL);
    expect(dead.map((one) => one.replica)).toEqual([replica]);
    expect(await idsOf(folder)).toEqual([replica]);
    await removeDeadRuns(dead);
    expect(readdirSync(folder)).toEqual([]);
    expect(await idsOf(folder)).toEqual([]);
  });

  it('finds none of another tunnel', async () => {
    const folder = tempDir('runs');
    const replica = await leave(folder, { tunnelId: newId() });
    await abandon(controlSocketOf(folder, replica));
    expect(await idsOf(folder)).toEqual([]);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('does not take this process for dead, whatever became of its socket', async () => {
    const folder = tempDir('runs');
    const replica = newId();
    await writeRunRecord(folder, { replica, tunnelId: TUNNEL });
    await abandon(controlSocketOf(folder, replica));
    expect(await idsOf(folder)).toEqual([]);
    await forgetRun(folder, replica);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('takes one for dead whose process id is another process’s by now', async () => {
    const folder = tempDir('runs');
    const replica = await leave(folder, { pid: process.pid, started: '1' });
    await abandon(controlSocketOf(folder, replica));
    expect(await idsOf(folder)).toEqual([replica]);
    // Where the system does not tell when a process started, the id is all there is.
    const unknown = await leave(folder, { pid: process.pid, started: '' });
    await abandon(controlSocketOf(folder, unknown));
    expect(await idsOf(folder)).toEqual([replica]);
  });

  it('does not take one for dead that answers, though its process cannot be seen from here', async () => {
    const folder = tempDir('runs');
    const replica = await leave(folder);
    await listen(controlSocketOf(folder, replica));
    expect(await idsOf(folder)).toEqual([]);
  });

  it('does not take one for dead whose socket is missing', async () => {
    const folder = tempDir('runs');
    await leave(folder);
    expect(await idsOf(folder)).toEqual([]);
  });

  it('passes over what is no record', async () => {
    const folder = tempDir('runs');
    const texts = ['', 'null', '[]', '{', '{"replica":"../../etc/passwd","tunnelId":"t"}'];
    texts.forEach((text, index) => writeFileSync(join(folder, `${index}.json`), text));
    mkdirSync(join(folder, 'folder.json'));
    await leave(folder, { replica: 'x/../../y'.replaceAll('/', '_') });
    await leave(folder, { pid: -1 });
    expect(await idsOf(folder)).toEqual([]);
  });

  it('names no more than a gateway takes, the latest, and removes the others', async () => {
    const folder = tempDir('runs');
    const pid = await deadPid();
    const replicas: string[] = [];
    for (let at = 0; at < LIMITS.replacedRuns + 2; at += 1) {
      const replica = await leave(folder, { pid });
      await abandon(controlSocketOf(folder, replica));
      const file = controlSocketOf(folder, replica).replace(/sock$/, 'json');
      utimesSync(file, 1_000 + at, 1_000 + at);
      replicas.unshift(replica);
    }
    expect(await idsOf(folder)).toEqual(replicas.slice(0, LIMITS.replacedRuns));
    expect(readdirSync(folder)).toHaveLength(2 * LIMITS.replacedRuns);
  });

  it('removes what dead runs of other tunnels left long ago', async () => {
    const folder = tempDir('runs');
    const replica = await leave(folder, { tunnelId: newId() });
    const socket = controlSocketOf(folder, replica);
    await abandon(socket);
    const before = (Date.now() - LIMITS.runRecordMs - 1_000) / 1_000;
    utimesSync(socket.replace(/sock$/, 'json'), before, before);
    expect(await idsOf(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

it('controlSocketsIn() looks at so many at most', async () => {
  const folder = tempDir('runs');
  for (let at = 0; at <= LIMITS.connectorRuns; at += 1)
    writeFileSync(join(folder, `${at}.sock`), '');
  writeFileSync(join(folder, 'a.json'), '');
  expect(await controlSocketsIn(folder)).toHaveLength(LIMITS.connectorRuns);
});
