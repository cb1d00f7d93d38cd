/** The admin API over a real socket, both ends ours. */
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { AdminClient } from '../../../src/admin/admin-client.ts';
import { MAX_ADMIN_REQUEST_BYTES, type AdminRequest } from '../../../src/admin/admin-request.ts';
import { startAdminServer, type AdminServer } from '../../../src/admin/admin-server.ts';
import { PosternError } from '../../../src/core/error.ts';
import { createLog, type Log } from '../../../src/telemetry/log.ts';
import { cleanup } from '../../support/cleanup.ts';
import { startProcess } from '../../support/processes.ts';
import { tempDir } from '../../support/temp-dir.ts';

type Handle = (request: AdminRequest) => Promise<unknown>;

let path = '';
let lines: string[] = [];
let log: Log;

beforeEach(() => {
  path = join(tempDir('admin'), 'data', 'admin.sock');
  lines = [];
  log = createLog({
    component: 'test',
    format: 'json',
    destination: { write: (line) => void lines.push(line) },
  });
});

async function start(handle: Handle = async ({ params }) => params): Promise<AdminServer> {
  const server = await startAdminServer({ path, log, handle });
  cleanup(() => server.close());
  return server;
}

function client(): AdminClient {
  return new AdminClient({ path, actor: 'cli:test' });
}

/** Status and text of a request made by hand. */
async function raw(
  how: { readonly method?: string; readonly path?: string },
  body: string,
): Promise<{ status: number | undefined; text: string }> {
  const asked = request({ socketPath: path, method: 'POST', agent: false, ...how });
  return new Promise((resolve, reject) => {
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    asked.end(body);
  });
}

describe('the admin server', () => {
  it('hands a call over with who asks, and its result back', async () => {
    const seen: AdminRequest[] = [];
    await start(async (asked) => {
      seen.push(asked);
      return [{ hostname: 'a.example.com' }];
    });
    expect(await client().call('route.list', { tunnel: 'web' })).toEqual([
      { hostname: 'a.example.com' },
    ]);
    expect(seen).toEqual([{ call: 'route.list', actor: 'cli:test', params: { tunnel: 'web' } }]);
  });

  it('is for its owner alone, whatever the umask', async () => {
    const umask = process.umask(0);
    cleanup(() => process.umask(umask));
    await start();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    expect(process.umask()).toBe(0);
  });

  it('carries errors by code and sentence', async () => {
    await start(async () => {
      throw new PosternError('ROUTE_CONFLICT', 'Cannot route "a": another tunnel has it');
    });
    await expect(client().call('tunnel.list', {})).rejects.toMatchObject({
      code: 'ROUTE_CONFLICT',
      message: 'Cannot route "a": another tunnel has it',
    });
    expect(lines).toEqual([]);
  });

  it('logs a bug and tells nothing of it', async () => {
    await start(async () => {
      throw new TypeError('undefined is not a tunnel');
    });
    await expect(client().call('tunnel.list', {})).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.not.stringContaining('undefined'),
    });
    expect(lines.join('')).toContain('undefined is not a tunnel');
  });

  it('replaces the socket of a gateway that died', async () => {
    const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    mkdirSync(join(path, '..'));
    const dead = startProcess(process.execPath, ['-e', program]);
    await dead.waitForLine(/up/);
    await dead.stop('SIGKILL');
    expect(existsSync(path)).toBe(true);
    await start();
    expect(await client().call('route.list', {})).toEqual({});
  });

  it('refuses to start beside a gateway that answers', async () => {
    await start(async () => ['the first']);
    await expect(startAdminServer({ path, log, handle: async () => 0 })).rejects.toMatchObject({
      code: 'CONFIG_PORT_IN_USE',
      message: expect.stringContaining('already running'),
    });
    expect(await client().call('tunnel.list', {})).toEqual(['the first']);
  });

  it('leaves alone what is no socket', async () => {
    mkdirSync(join(path, '..'));
    writeFileSync(path, 'mine');
    await expect(start()).rejects.toMatchObject({
      code: 'CONFIG_PORT_IN_USE',
      message: expect.stringContaining('something else is there'),
    });
    expect(statSync(path).size).toBe(4);
  });

  it('says why it cannot make the socket', async () => {
    writeFileSync(join(path, '../..', 'data'), '');
    await expect(start()).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: expect.stringContaining(`Cannot open admin socket "${path}"`),
    });
  });

  it.each([
    ['GET', { method: 'GET', path: '/v1/tunnel.list' }, ''],
    ['an unknown call', { path: '/v1/tunnel.rename' }, '{"actor":"x","params":{}}'],
    ['no JSON', { path: '/v1/tunnel.list' }, '{'],
  ])('refuses %s', async (_what, how, body) => {
    await start();
    const { status, text } = await raw(how, body);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'ADMIN_BAD_REQUEST' } });
  });

  it('refuses a request that is too long', async () => {
    await start();
    const { status, text } = await raw(
      { path: '/v1/tunnel.list' },
      'x'.repeat(MAX_ADMIN_REQUEST_BYTES + 1),
    );
    expect(status).toBe(400);
    expect(text).toContain(`more than ${MAX_ADMIN_REQUEST_BYTES} bytes`);
  });

  it('lives on after garbage and after clients that hang up', async () => {
    await start();
    const socket = connect(path);
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    socket.on('error', () => undefined);
    socket.write('\x16\x03\x01 not HTTP at all\r\n\r\n');
    socket.resume();
    await closed;
    const rude = connect(path);
    await once(rude, 'connect');
    rude.write('POST /v1/tunnel.list HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
    rude.destroy();
    expect(await client().call('route.list', {})).toEqual({});
  });

  it('finishes its answers when it closes, and removes the socket', async () => {
    let answer: (value: unknown) => void = () => undefined;
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const server = await start(async () => {
      asked();
      return new Promise((resolve) => (answer = resolve));
    });
    const called = client().call('gateway.drain', {});
    await isAsked;
    const closed = server.close();
    answer({ cut: 2 });
    expect(await called).toEqual({ cut: 2 });
    await closed;
    expect(existsSync(path)).toBe(false);
    await server.close();
  });

  it('cuts an answer that never comes when it closes', async () => {
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const server = await start(async () => {
      asked();
      return new Promise(() => undefined);
    });
    const called = client().call('gateway.drain', {});
    const failed = expect(called).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringContaining('the gateway went away'),
    });
    await isAsked;
    await server.close();
    await failed;
  });
});

describe('the admin client', () => {
  it('says so when nobody answers', async () => {
    await expect(client().call('tunnel.list', {})).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringContaining(path),
    });
  });

  it('does not pretend to understand what is no gateway', async () => {
    mkdirSync(join(path, '..'));
    const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nhello'));
    cleanup(() => server.close());
    await once(server.listen(path), 'listening');
    chmodSync(path, 0o600);
    await expect(client().call('tunnel.list', {})).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringContaining('another version'),
    });
  });
});
