/** Streams that end while nobody is attached to them, at gateways that know them and at those that do not. */
import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { EndedStreams } from '../../../../src/gateway/relay/ended-streams.ts';
import type { TunnelRegistry } from '../../../../src/gateway/links/tunnel-registry.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { settle } from '../../protocol/turns.ts';
import type { AppEnd } from '../../protocol/two-ends.ts';
import { grantOf, RelayLab, type Client, type Connector } from './relay-lab.ts';

async function detached(
  lab: RelayLab,
): Promise<{ connector: Connector; alice: Client; stream: AppEnd }> {
  const connector = await lab.connector();
  const alice = await lab.client('alice');
  const stream = await alice.open();
  await alice.cut();
  return { connector, alice, stream };
}

/** Another gateway, or the next process of this one: the connector is connected, and the stream was never seen. */
async function elsewhere(connector: Connector): Promise<{ lab: RelayLab; same: Connector }> {
  const lab = new RelayLab();
  const same = await lab.connector();
  Object.assign(same, { accepter: connector.accepter });
  return { lab, same };
}

describe('a detached stream whose session is revoked', () => {
  it('K18 ends at once, also through a gateway that has never heard of it', async () => {
    const { connector, stream } = await detached(new RelayLab());
    const { lab } = await elsewhere(connector);
    lab.gate.endGrant(grantOf('bob'));
    await settle();
    expect(connector.app().closedWith).toBeUndefined();
    lab.clock.run(20);
    lab.gate.endGrant(grantOf('alice'));
    await settle();
    expect([connector.app().closedWith, stream.closedWith]).toEqual(['ACCESS_REVOKED', undefined]);
  });

  it('ends when its connector was away meanwhile, and is back', async () => {
    const lab = new RelayLab();
    const { connector } = await detached(lab);
    await connector.cut();
    lab.gate.endGrant(grantOf('alice'));
    await settle();
    expect(connector.app().closedWith).toBeUndefined();
    lab.clock.run(1_000);
    await connector.dial();
    await settle();
    expect(connector.app().closedWith).toBe('ACCESS_REVOKED');
  });

  it('ends by its key when its connector was away meanwhile, and is back', async () => {
    const lab = new RelayLab();
    const { connector } = await detached(lab);
    await connector.cut();
    lab.gate.revokeAll();
    await settle();
    lab.clock.run(1_000);
    await connector.dial();
    await settle();
    expect(connector.app().closedWith).toBe('ACCESS_REVOKED');
  });

  it('goes on when it was attached since by another session of its user', async () => {
    const lab = new RelayLab();
    const { connector, alice, stream } = await detached(lab);
    lab.gate.grant = grantOf('new');
    await alice.dial();
    await settle();
    lab.gate.endGrant(grantOf('alice'));
    await settle();
    stream.write('hello');
    await settle();
    expect(connector.app().text).toBe('hello');
  });
});

it('many that end one after the other are told in few messages, and the oldest go when nobody is there', async () => {
  const clock = new FakeClock();
  const said: { keys: readonly string[] }[] = [];
  const link = {
    isClosed: false,
    sendControl: (message: { keys: string[] }) => void said.push(message),
  };
  const replica = { id: 'r', tunnel: { id: 't' }, links: [{ link }] };
  const here: unknown[] = [];
  // Two methods of a registry are all there is to it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const registry = { replicas: () => here, replicasOf: () => here } as unknown as TunnelRegistry;
  const ended = new EndedStreams(clock, registry);
  const of = replica as never;
  for (let n = 0; n <= LIMITS.endedKeysOwed; n += 1) ended.endStream(of, `key ${n}`);
  await settle();
  expect(said).toEqual([]);
  here.push(replica);
  ended.onJoin(of);
  clock.run(20);
  await settle();
  const keys = said.flatMap((message) => message.keys);
  expect([keys.length, keys[0]]).toEqual([LIMITS.endedKeysOwed, 'key 1']);
  expect(said).toHaveLength(LIMITS.endedKeysOwed / LIMITS.endedKeys);
  for (let n = 0; n < 100; n += 1) {
    ended.endStream(of, `later ${n}`);
    await settle(1);
  }
  clock.run(20);
  await settle();
  expect(said.length).toBeLessThanOrEqual(LIMITS.endedKeysOwed / LIMITS.endedKeys + 2);
});
