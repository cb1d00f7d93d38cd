import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { Drain, type DrainEnd, type DrainOptions } from '../../../src/gateway/drain.ts';
import { settle } from '../protocol/turns.ts';
import { RelayLab, type Client } from './relay/relay-lab.ts';

/** What users have open, as a test says. */
class Users {
  requests = 0;
  upgrades = 0;
  connections = 0;
  tcp = 0;
  awaiting = 0;
  newcomers = 0;
  readonly closedIdle: number[] = [];
  droppedPools = 0;

  get stats(): DrainOptions['http']['stats'] {
    const { requests, upgrades, connections } = this;
    const origins = { pools: 0, idle: 0, busy: 0 };
    return { requests, upgrades, connections, origins, isDraining: true };
  }

  closeIdle(idleMs: number): void {
    this.closedIdle.push(idleMs);
  }

  dropPools(): void {
    this.droppedPools += 1;
  }
}

function startDrain(
  lab: RelayLab,
  users: Users,
  options: { readonly graceMs?: number; readonly isHandOver?: boolean } = {},
): { drain: Drain; ended: () => DrainEnd | undefined } {
  const drain = new Drain({
    clock: lab.clock,
    graceMs: 30_000,
    isHandOver: true,
    http: users,
    door: lab.door,
    newcomers: () => users.newcomers,
    tcpConnections: () => users.tcp,
    awaiting: () => users.awaiting,
    clientStreams: () => lab.streams.attachedCount,
    ...options,
  });
  let end: DrainEnd | undefined;
  void drain.ended.then((how) => (end = how));
  return { drain, ended: () => end };
}

/** Lets time pass in the steps of a drain. */
async function pass(lab: RelayLab, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    lab.clock.run(Math.min(left, 50));
    // oxlint-disable-next-line no-await-in-loop
    await settle();
  }
}

describe('a drain', () => {
  it('ends at once when there is nobody', async () => {
    const { ended } = startDrain(new RelayLab(), new Users());
    await settle();
    expect(ended()).toBe('done');
  });

  it('asks connectors to leave and ends when no user is left', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const users = new Users();
    users.tcp = 1;
    const { drain, ended } = startDrain(lab, users);
    await settle();
    expect(connector.drains).toMatchObject([{ dialAgainMs: 2, graceMs: 30_000 }]);
    await pass(lab, 1_000);
    expect(ended()).toBeUndefined();
    expect(drain.waitsFor).toMatchObject({ tcpConnections: 1, graceLeftMs: 29_000 });
    users.tcp = 0;
    await pass(lab, 50);
    expect(ended()).toBe('done');
    expect(connector.drains).toHaveLength(1);
  });

  it(`spreads the links of connectors, ${LIMITS.handshakesPerSecond} a second, one of each replica first`, async () => {
    const lab = new RelayLab();
    const connectors = [];
    for (let n = 0; n < 100; n += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const connector = await lab.connector(`replica-${n}`);
      // oxlint-disable-next-line no-await-in-loop
      await connector.dial(1);
      connectors.push(connector);
    }
    const users = new Users();
    users.tcp = 1;
    startDrain(lab, users);
    await settle();
    for (const { drains } of connectors) expect(drains).toMatchObject([{ dialAgainMs: 200 }]);
    await pass(lab, 250);
    for (const { drains } of connectors) {
      expect(drains).toMatchObject([{ dialAgainMs: 200 }, { dialAgainMs: 200 }]);
    }
  });

  it('still opens streams to a connector that was asked to leave, until no user is left', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const users = new Users();
    users.connections = 1;
    const { ended } = startDrain(lab, users);
    await pass(lab, 100);
    expect(lab.registry.pick('t')?.isReachable).toBe(true);
    expect(connector.link?.isClosed).toBe(false);
    expect(users.droppedPools).toBe(0);
    users.connections = 0;
    users.upgrades = 1;
    await pass(lab, 100);
    // A WebSocket has its stream. The link that carries nothing goes, the drain waits.
    expect(connector.link?.isClosed).toBe(true);
    expect(users.droppedPools).toBeGreaterThan(0);
    expect(ended()).toBeUndefined();
  });

  it('waits for connections that were just accepted, for as long as a handshake takes', async () => {
    const lab = new RelayLab();
    const users = new Users();
    users.newcomers = 2;
    const { ended } = startDrain(lab, users);
    await pass(lab, 9_950);
    expect(ended()).toBeUndefined();
    await pass(lab, 50);
    expect(ended()).toBe('done');
  });

  it('keeps links for those who wait for one', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const users = new Users();
    users.tcp = 1;
    users.awaiting = 1;
    startDrain(lab, users);
    await pass(lab, 100);
    expect(connector.link?.isClosed).toBe(false);
  });

  it('asks clients to leave after connectors, and waits for those that have streams', async () => {
    const lab = new RelayLab();
    await lab.connector();
    const client = await lab.client('alice');
    await client.open();
    const { drain, ended } = startDrain(lab, new Users());
    await pass(lab, 200);
    expect(client.drains).toHaveLength(0);
    await pass(lab, 200);
    expect(client.drains).toMatchObject([{ dialAgainMs: 2 }]);
    await pass(lab, 20_000);
    expect(ended()).toBeUndefined();
    expect(drain.waitsFor).toMatchObject({ clients: 1, clientStreams: 1 });
    await client.cut();
    await pass(lab, 50);
    expect(ended()).toBe('done');
  });

  it('closes links of clients that have no stream and do not leave', async () => {
    const lab = new RelayLab();
    const client = await lab.client('alice');
    const { ended } = startDrain(lab, new Users());
    await pass(lab, 4_000);
    expect([isUp(client), ended()]).toEqual([true, undefined]);
    await pass(lab, 2_000);
    expect([isUp(client), ended()]).toEqual([false, 'done']);
  });

  it('does not wait for clients longer than the grace period', async () => {
    const lab = new RelayLab();
    await lab.connector();
    const client = await lab.client('alice');
    await client.open();
    const { ended } = startDrain(lab, new Users(), { graceMs: 3_000 });
    await pass(lab, 2_950);
    expect(ended()).toBeUndefined();
    await pass(lab, 50);
    expect(ended()).toBe('over');
  });

  it('waits longer than a timer can', async () => {
    const lab = new RelayLab();
    const users = new Users();
    users.upgrades = 1;
    const graceMs = 90 * 86_400_000;
    const { ended } = startDrain(lab, users, { graceMs });
    lab.clock.freeze(graceMs - 50);
    await pass(lab, 49);
    expect(ended()).toBeUndefined();
    await pass(lab, 50);
    expect(ended()).toBe('over');
  });

  it('tells everybody also when it gives nobody time', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    await connector.dial(1);
    const client = await lab.client('alice');
    const { ended } = startDrain(lab, new Users(), { graceMs: 0 });
    await settle();
    expect(ended()).toBe('over');
    expect([connector.drains.length, client.drains.length]).toEqual([2, 1]);
  });

  it('leaves idle connections alone while something else is left, and then for five seconds', async () => {
    const lab = new RelayLab();
    const users = new Users();
    users.connections = 1;
    users.upgrades = 1;
    const { ended } = startDrain(lab, users);
    await pass(lab, 500);
    expect(users.closedIdle).toEqual([]);
    users.upgrades = 0;
    await pass(lab, 50);
    expect(users.closedIdle).toEqual([5_000]);
    users.connections = 0;
    await pass(lab, 50);
    expect(ended()).toBe('done');
  });

  it('does not keep idle connections for long when nobody takes over', async () => {
    const lab = new RelayLab();
    const users = new Users();
    users.connections = 1;
    startDrain(lab, users, { isHandOver: false });
    await pass(lab, 50);
    expect(users.closedIdle.at(-1)).toBe(500);
  });

  it('can be taken back, and another asks everybody again', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    const users = new Users();
    users.connections = 1;
    const { drain, ended } = startDrain(lab, users);
    await pass(lab, 100);
    drain.cancel();
    lab.door.resume();
    await settle();
    expect(ended()).toBe('cancelled');
    users.connections = 0;
    await pass(lab, 1_000);
    expect(connector.link?.isClosed).toBe(false);
    startDrain(lab, users);
    await settle();
    expect(connector.drains).toHaveLength(2);
  });
});

function isUp({ link }: Client): boolean {
  return link?.isClosed === false;
}
