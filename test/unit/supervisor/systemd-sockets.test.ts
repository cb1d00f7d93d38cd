import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';

import { describe, expect, it } from '@jest/globals';

import { takeSystemdSockets } from '../../../src/supervisor/systemd-sockets.ts';
import { cleanup } from '../../support/cleanup.ts';
import { listen } from '../transport/link-ends.ts';

const BUILT = resolve(import.meta.dirname, '../../../dist/supervisor');

describe('takeSystemdSockets()', () => {
  it('takes those from descriptor 3 on, with their names', async () => {
    const servers = [createServer(), createServer()];
    const ports = [await listen(servers[0]!), await listen(servers[1]!)];
    const fds = servers.map((server) => Number(Reflect.get(Reflect.get(server, '_handle'), 'fd')));
    // In another process: in this one the descriptors are the servers'.
    const script = `
      import { addressOfHandle } from '${BUILT}/listening-handle.js';
      import { takeSystemdSockets } from '${BUILT}/systemd-sockets.js';
      const env = { LISTEN_PID: String(process.pid), LISTEN_FDS: '2', LISTEN_FDNAMES: 'https:x.socket' };
      const taken = takeSystemdSockets(env).map(({ name, handle }) => [name, addressOfHandle(handle).port]);
      process.stdout.write(JSON.stringify([taken, env]));`;
    const args = ['--input-type=module', '--eval', script];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', ...fds] });
    cleanup(() => child.kill('SIGKILL'));
    if (child.stdout === null) throw new Error('Cannot read what the child says');
    const expected = [
      ['https', ports[0]],
      ['x.socket', ports[1]],
    ];
    expect(JSON.parse(await text(child.stdout))).toEqual([expected, {}]);
  });

  it.each([
    ['there are none', {}],
    ['they are for another process', { LISTEN_PID: '1', LISTEN_FDS: '1' }],
    ['nobody says for whom they are', { LISTEN_FDS: '1' }],
    ['their number is none', { LISTEN_PID: '7', LISTEN_FDS: 'many' }],
  ])('takes nothing where %s, and tells no child of them', (_, given) => {
    const env = { ...given };
    expect(takeSystemdSockets(env, 7)).toEqual([]);
    expect(env).toEqual({});
  });
});
