/** A worker's link, with a channel in memory: what it says, what it waits for, and who is told when it breaks. */
import { EventEmitter } from 'node:events';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { SupervisorLink, type SupervisorOrders } from '../../../src/supervisor/supervisor-link.ts';
import type { ChannelEnd } from '../../../src/supervisor/worker-channel.ts';
import { MESSAGE_VERSION } from '../../../src/supervisor/worker-message.ts';
import { FakeClock } from '../../support/fake-clock.ts';

type Sent = Readonly<Record<string, unknown>>;

/** This process's end of a channel, as Node has it on `process`. */
class End extends EventEmitter implements ChannelEnd {
  connected = true;
  readonly sent: Sent[] = [];

  send(message: object, ...rest: readonly unknown[]): boolean {
    this.sent.push({ ...message });
    const done = rest.at(-1);
    if (typeof done === 'function') done(null);
    return true;
  }

  /** The supervisor says so. */
  hears(message: unknown, handle?: unknown): void {
    this.emit('message', message, handle);
  }

  disconnect(): void {
    this.connected = false;
    this.emit('disconnect');
  }
}

let end: End;
let clock: FakeClock;
let told: string[];

beforeEach(() => {
  end = new End();
  clock = new FakeClock();
  told = [];
});

async function connect(version = MESSAGE_VERSION): Promise<SupervisorLink> {
  const connecting = SupervisorLink.connect(end, clock);
  end.hears({ type: 'welcome', version, generation: 3, isSuccessor: true, ticketKeys: 'AAAA' });
  return (await connecting).link;
}

const orders: SupervisorOrders = {
  active: () => told.push('active'),
  drain: (reason, hasSuccessor) => told.push(`drain ${reason} ${hasSuccessor}`),
  resume: () => told.push('resume'),
  end: () => told.push('end'),
  lost: () => told.push('lost'),
  status: () => ({ links: 4 }),
};

describe('connect()', () => {
  it('says hello and resolves with the welcome', async () => {
    const connecting = SupervisorLink.connect(end, clock);
    expect(end.sent).toEqual([{ type: 'hello' }]);
    end.hears({
      type: 'welcome',
      version: 9,
      generation: 3,
      isSuccessor: true,
      ticketKeys: 'AAAA',
    });
    expect((await connecting).welcome).toMatchObject({ generation: 3 });
  });

  it('refuses to run without a supervisor, and with one that is too old', async () => {
    await expect(connect(MESSAGE_VERSION - 1)).rejects.toThrow(
      /its supervisor is too old; restart/,
    );
    end.connected = false;
    await expect(SupervisorLink.connect(end, clock)).rejects.toMatchObject({ code: 'CLI_USAGE' });
  });
});

describe('orders', () => {
  it('that come before somebody obeys wait, in order', async () => {
    const link = await connect();
    end.hears({ type: 'active' });
    end.hears({ type: 'drain', reason: 'test', hasSuccessor: true });
    link.obey(orders);
    end.hears({ type: 'resume' });
    end.hears({ type: 'end' });
    expect(told).toEqual(['active', 'drain test true', 'resume', 'end']);
  });

  it.each([undefined, null, 'end', { type: 7 }, { type: 'of a later version' }])(
    'are not %j',
    async (message) => {
      (await connect()).obey(orders);
      end.hears(message);
      expect(told).toEqual([]);
    },
  );

  it('end with the supervisor, once', async () => {
    const link = await connect();
    const call = link.call('status');
    link.obey(orders);
    end.disconnect();
    await expect(call).rejects.toMatchObject({ code: 'CLI_FAILED' });
    await expect(link.call('status')).rejects.toMatchObject({ code: 'CLI_FAILED' });
    link.drained(0);
    await link.failed(new Error('late'));
    expect(told).toEqual(['lost']);
    expect(clock.pending).toBe(0);
  });
});

describe('a worker', () => {
  it('beats as long as its loop turns', async () => {
    await connect();
    clock.run(3 * LIMITS.workerBeatMs);
    expect(end.sent.filter(({ type }) => type === 'beat')).toHaveLength(3);
  });

  it('gets the socket that it asks for, or the reason', async () => {
    const link = await connect();
    const place = { host: '127.0.0.1', port: 1 };
    const opening = link.openSocket({ name: 'https', place, isForOperators: false });
    expect(end.sent.at(-1)).toMatchObject({ type: 'socket', id: 1, name: 'https', place });
    const handle = { close: () => undefined };
    end.hears({ type: 'answer', id: 1 }, handle);
    expect(await opening).toBe(handle);
    const refused = link.openSocket({ name: 'https', place, isForOperators: false });
    end.hears({ type: 'answer', id: 2, error: { code: 'EADDRINUSE', message: 'taken' } });
    await expect(refused).rejects.toMatchObject({ code: 'EADDRINUSE', message: 'taken' });
    const empty = link.openSocket({ name: 'https', place, isForOperators: false });
    end.hears({ type: 'answer', id: 3 });
    await expect(empty).rejects.toMatchObject({ code: 'CLI_FAILED' });
  });

  it('passes calls on and answers what it does', async () => {
    const link = await connect();
    link.obey(orders);
    const call = link.call('reload');
    end.hears({ type: 'answer', id: 1, result: { generation: 4 } });
    expect(await call).toEqual({ generation: 4 });
    const refused = link.call('reload');
    end.hears({ type: 'answer', id: 2, error: { code: 'RELOAD_BUSY', message: 'Cannot' } });
    await expect(refused).rejects.toMatchObject({ name: 'PosternError', code: 'RELOAD_BUSY' });
    end.hears({ type: 'call', id: 8, call: 'status' });
    expect(end.sent.at(-1)).toEqual({ type: 'answer', id: 8, result: { links: 4 } });
  });

  it('says how far it is', async () => {
    const link = await connect();
    const log = { level: 'info', format: 'json' } as const;
    link.ready({ version: '1', log, configText: 'a' });
    link.configChanged('b');
    link.resumed();
    link.drained(2);
    await link.failed(new PosternError('CONFIG_INVALID', 'Cannot'));
    expect(end.sent.slice(1)).toEqual([
      { type: 'ready', version: '1', log, configText: 'a' },
      { type: 'config', configText: 'b' },
      { type: 'resumed' },
      { type: 'drained', cut: 2 },
      { type: 'failed', code: 'CONFIG_INVALID', message: 'Cannot' },
    ]);
  });
});
