/** Answers that go on, over a real socket, both ends ours. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { AdminClient } from '../../../src/admin/admin-client.ts';
import { AdminFeed } from '../../../src/admin/admin-feed.ts';
import { startAdminServer, type AdminServer } from '../../../src/admin/admin-server.ts';
import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { tempDir } from '../../support/temp-dir.ts';

let path: string;
let server: AdminServer;
let push: ((line: object) => void) | undefined;
let failure: Error | undefined;

beforeEach(async () => {
  path = join(tempDir('feed'), 'admin.sock');
  push = undefined;
  failure = undefined;
  const feed = new AdminFeed((pushed) => {
    if (failure !== undefined) throw failure;
    push = pushed;
    return () => (push = undefined);
  });
  const log = createLog({ component: 'test', level: 'silent' });
  server = await startAdminServer({ path, log, handle: async () => feed });
  cleanup(() => server.close());
});

function follow(onLine: (line: unknown) => boolean = () => true) {
  const lines: unknown[] = [];
  const ended = new AdminClient({ path, actor: 'cli:test' }).follow(
    'tunnel.tail',
    { tunnel: 'web' },
    async (line) => {
      lines.push(line);
      return onLine(line);
    },
  );
  ended.catch(() => undefined);
  return { lines, ended };
}

describe('an answer that goes on', () => {
  it('hands lines on as they come, until the gateway ends it', async () => {
    const { lines, ended } = follow();
    await eventually(() => expect(lines).toEqual([{ type: 'ready' }]));
    push?.({ type: 'request', path: '/ü\n' });
    await eventually(() => expect(lines.at(-1)).toEqual({ type: 'request', path: '/ü\n' }));
    const since = performance.now();
    await server.close();
    await ended;
    expect(performance.now() - since).toBeLessThan(4_000);
    expect(lines.at(-1)).toEqual({ type: 'end' });
    expect(push).toBeUndefined();
  });

  it('ends at the gateway when its reader has enough', async () => {
    const { lines, ended } = follow((line) => Reflect.get(Object(line), 'type') === 'ready');
    await eventually(() => expect(lines).toHaveLength(1));
    push?.({ type: 'request' });
    await ended;
    await eventually(() => expect(push).toBeUndefined());
  });

  it('is refused as any other call is', async () => {
    failure = new PosternError('ADMIN_BUSY', 'Cannot watch the tunnel: 16 others watch already');
    await expect(follow().ended).rejects.toMatchObject({ code: 'ADMIN_BUSY' });
  });

  it('keeps no more than the limit for a reader who does not read, and tells how much is lost', async () => {
    const socket: Socket = connect(path);
    cleanup(() => socket.destroy());
    const body = JSON.stringify({ actor: 'cli:test', params: { tunnel: 'web' } });
    const head = `POST /v1/tunnel.tail HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write(`${head}${body}`);
    await eventually(() => expect(push).toBeDefined());
    const line = { type: 'request', path: 'x'.repeat(1_000) };
    const count = (8 * LIMITS.tailBytes) / 1_000;
    for (let sent = 0; sent < count; sent += 1) push?.(line);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await eventually(() => expect(text).toContain('"type":"lost"'));
    const lost = Number(/"type":"lost","count":(\d+)/.exec(text)?.[1]);
    const arrived = text.split('"type":"request"').length - 1;
    expect(lost + arrived).toBe(Math.ceil(count));
    expect(lost).toBeGreaterThan(count / 4);
    push?.({ type: 'request', path: 'after' });
    await eventually(() => expect(text).toContain('after'));
  });
});
