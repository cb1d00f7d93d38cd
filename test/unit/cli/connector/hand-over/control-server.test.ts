import { once } from 'node:events';
import { existsSync, lstatSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it, jest } from '@jest/globals';

import { callConnector } from '../../../../../src/cli/connector/hand-over/control-client.ts';
import {
  startControlServer,
  type ControlHandler,
} from '../../../../../src/cli/connector/hand-over/control-server.ts';
import { PosternError } from '../../../../../src/core/error.ts';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { eventually } from '../../../../support/eventually.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

jest.setTimeout(20_000);

async function start(handle: ControlHandler = async () => 'yes'): Promise<string> {
  const path = join(tempDir('control'), 'c.sock');
  const server = await startControlServer(path, handle);
  cleanup(() => server.close());
  return path;
}

async function dial(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** All that a peer says to these bytes. */
async function answerTo(path: string, bytes: string): Promise<string> {
  const socket = await dial(path);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

describe('the control socket', () => {
  it('can be opened by its user alone', async () => {
    const path = await start();
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
  });

  it('carries the result of a call, and its error by code and message', async () => {
    const asked: string[] = [];
    const path = await start(async (call) => {
      asked.push(call);
      if (call === 'status') return { state: 'serving' };
      throw new PosternError('REGISTER_REFUSED', 'Cannot register: no');
    });
    expect(await callConnector(path, 'status')).toEqual({ state: 'serving' });
    await expect(callConnector(path, 'reload')).rejects.toMatchObject({
      code: 'REGISTER_REFUSED',
      message: 'Cannot register: no',
    });
    expect(asked).toEqual(['status', 'reload']);
  });

  it('tells of a failure that is none of ours without more than its message', async () => {
    const path = await start(async () => {
      throw Object.assign(new TypeError('a bug'), { code: 'EWHATEVER', secret: 's' });
    });
    const error = await callConnector(path, 'status').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CLI_FAILED', message: 'a bug' });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  it.each([
    'nonsense\n',
    '\n',
    '{"call":"reboot"}\n',
    '{"call":["reload"]}\n',
    '{"__proto__":{"call":"reload"}}\n',
    'null\n',
  ])('refuses %j', async (line) => {
    let calls = 0;
    const path = await start(async () => (calls += 1));
    expect(await answerTo(path, line)).toContain('ADMIN_BAD_REQUEST');
    expect(calls).toBe(0);
  });

  it('takes one call a connection', async () => {
    let calls = 0;
    const path = await start(async () => (calls += 1));
    expect(await answerTo(path, '{"call":"status"}\n{"call":"status"}\n')).toBe('{"result":1}\n');
    expect(calls).toBe(1);
  });

  it('refuses a line without end', async () => {
    const path = await start();
    const answer = await answerTo(path, 'x'.repeat(LIMITS.controlLineChars + 1));
    expect(answer).toContain('the line is too long');
  });

  it('hangs up on who says nothing', async () => {
    const path = await start();
    const socket = await dial(path);
    const since = performance.now();
    await once(socket.resume(), 'close');
    expect(performance.now() - since).toBeGreaterThan(LIMITS.controlRequestMs - 100);
  });

  it('serves so many at once, and goes on when they have gone', async () => {
    const path = await start();
    const sockets: Socket[] = [];
    for (let one = 0; one < LIMITS.controlConnections; one += 1) sockets.push(await dial(path));
    await expect(callConnector(path, 'status')).rejects.toMatchObject({ code: 'CLI_FAILED' });
    for (const socket of sockets) socket.destroy();
    expect(await eventually(() => callConnector(path, 'status'))).toBe('yes');
  });

  it('hangs up on who waits when it closes, and leaves nothing behind', async () => {
    const path = join(tempDir('control'), 'c.sock');
    const server = await startControlServer(path, async () => new Promise(() => undefined));
    const waiting = callConnector(path, 'drain').catch((error: unknown) => error);
    await eventually(() => existsSync(path));
    await server.close();
    expect(await waiting).toMatchObject({ code: 'CLI_FAILED' });
    expect(existsSync(path)).toBe(false);
    await expect(callConnector(path, 'status')).rejects.toMatchObject({ code: 'CLI_FAILED' });
  });

  it('is given up by who asks after a while', async () => {
    const path = await start(async () => new Promise(() => undefined));
    await expect(callConnector(path, 'status', 50)).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringContaining('no answer in 50 ms'),
    });
  });
});
