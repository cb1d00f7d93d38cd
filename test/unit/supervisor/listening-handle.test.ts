import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

import { describe, expect, it } from '@jest/globals';

import {
  addressOfHandle,
  adoptHandle,
  bindHandle,
  sendHandle,
  type ListeningHandle,
} from '../../../src/supervisor/listening-handle.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/real/port.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { listen } from '../transport/link-ends.ts';

const BUILT = resolve(import.meta.dirname, '../../../dist/supervisor/listening-handle.js');
const CHILD = resolve(import.meta.dirname, '../../support/listening-child.js');

async function bind(host: string, port: number): Promise<ListeningHandle> {
  const handle = await bindHandle({ host, port });
  cleanup(() => handle.close());
  return handle;
}

/** A child that listens on the handle. */
async function listeningChild(handle: ListeningHandle): Promise<ChildProcess> {
  const child = fork(CHILD);
  cleanup(() => child.kill('SIGKILL'));
  const listening = once(child, 'message');
  sendHandle(child, { type: 'socket' }, handle, () => undefined);
  await listening;
  return child;
}

/** What is answered on the port: the process id of the child. */
async function answerOn(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  cleanup(() => socket.destroy());
  return text(socket);
}

describe('bindHandle()', () => {
  it('binds a port of its own, and one that is named', async () => {
    const { host, port } = addressOfHandle(await bind('127.0.0.1', 0));
    expect(host).toBe('127.0.0.1');
    expect(port).toBeGreaterThan(0);
    const named = await freePort();
    expect(addressOfHandle(await bind('127.0.0.1', named)).port).toBe(named);
  });

  it('binds a name, and every address of the machine', async () => {
    expect(addressOfHandle(await bind('localhost', 0)).host).toMatch(/^(127\.0\.0\.1|::1)$/);
    expect(addressOfHandle(await bind('', 0)).host).toMatch(/^(::|0\.0\.0\.0)$/);
    expect(addressOfHandle(await bind('', await freePort())).port).toBeGreaterThan(0);
  });

  it('says when another program has the port', async () => {
    const server = createServer();
    const port = await listen(server);
    await expect(bindHandle({ host: '127.0.0.1', port })).rejects.toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
  });

  it('says when the address is not of this machine, or the name leads nowhere', async () => {
    await expect(bindHandle({ host: '203.0.113.1', port: 0 })).rejects.toThrow(
      expect.objectContaining({ code: 'EADDRNOTAVAIL' }),
    );
    await expect(bindHandle({ host: 'nowhere.invalid', port: 0 })).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) }),
    );
  });
});

describe('adoptHandle()', () => {
  it('takes a listening socket by its number', async () => {
    const server = createServer();
    const port = await listen(server);
    const { fd }: { fd: number } = Reflect.get(server, '_handle');
    // In another process: in this one the descriptor is the server's.
    const script = `
      import { addressOfHandle, adoptHandle } from '${BUILT}';
      process.stdout.write(JSON.stringify(addressOfHandle(adoptHandle(3))));`;
    const args = ['--input-type=module', '--eval', script];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', fd] });
    cleanup(() => child.kill('SIGKILL'));
    if (child.stdout === null) throw new Error('Cannot read what the child says');
    expect(JSON.parse(await text(child.stdout))).toEqual({ host: '127.0.0.1', port });
  });

  it('refuses a number that is a file, or nothing', async () => {
    const file = await open(join(tempDir('handle'), 'file'), 'w');
    cleanup(() => file.close());
    expect(() => adoptHandle(file.fd)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => adoptHandle(9_999)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});

describe('sendHandle()', () => {
  it('lets a child listen; when it is killed, who connects waits for the next one', async () => {
    const handle = await bind('127.0.0.1', 0);
    const { port } = addressOfHandle(handle);
    const first = await listeningChild(handle);
    expect(await answerOn(port)).toBe(String(first.pid));

    first.kill('SIGKILL');
    await once(first, 'exit');
    const waiting = answerOn(port);
    const second = await listeningChild(handle);
    expect(await waiting).toBe(String(second.pid));
  });

  it('lets two listen at once, and one go', async () => {
    const handle = await bind('127.0.0.1', 0);
    const { port } = addressOfHandle(handle);
    const old = await listeningChild(handle);
    const fresh = await listeningChild(handle);
    old.disconnect();
    await once(old, 'exit');
    expect(await answerOn(port)).toBe(String(fresh.pid));
  });

  it('says that the child is gone', async () => {
    const handle = await bind('127.0.0.1', 0);
    const child = fork(CHILD);
    child.kill('SIGKILL');
    // Between its end and this, Node takes what is sent for sent.
    await once(child, 'disconnect');
    let failure: Error | null = null;
    sendHandle(child, { type: 'socket' }, handle, (error) => (failure = error));
    await eventually(() => expect(failure).toMatchObject({ code: 'ERR_IPC_CHANNEL_CLOSED' }));
    expect(addressOfHandle(handle).port).toBeGreaterThan(0);
  });
});
