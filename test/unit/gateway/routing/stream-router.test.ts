import { describe, expect, it } from '@jest/globals';

import { routeStream } from '../../../../src/gateway/relay/route-stream.ts';
import { Stickiness } from '../../../../src/gateway/routing/stickiness.ts';
import { StreamRouter } from '../../../../src/gateway/routing/stream-router.ts';
import { settle } from '../../protocol/turns.ts';
import { HOSTNAME, OTHER_HOSTNAME, RelayLab, type Connector } from '../relay/relay-lab.ts';

async function labWith(count: number): Promise<{ lab: RelayLab; connectors: Connector[] }> {
  const lab = new RelayLab();
  const connectors: Connector[] = [];
  // oxlint-disable-next-line no-await-in-loop
  for (let n = 0; n < count; n += 1) connectors.push(await lab.connector(`replica-${n}`));
  return { lab, connectors };
}

const routed = (lab: RelayLab, hostname = HOSTNAME, notAt?: string): string =>
  new StreamRouter(lab).route('tcp', hostname, '', { notAt }).replica.id;

async function say(
  connector: Connector | undefined,
  revision: number,
  unhealthy: string[],
): Promise<void> {
  connector?.link?.sendControl({ type: 'health', revision, unhealthy });
  await settle();
}

const TCP = { kind: 'tcp', hostname: HOSTNAME, rule: 'ssh', requestId: 'r' } as const;

describe('StreamRouter', () => {
  it('takes turns where nothing is under way, and else the one with the least', async () => {
    const { lab } = await labWith(3);
    const all = ['replica-0', 'replica-1', 'replica-2'];
    expect([...all, ...all].map(() => routed(lab))).toEqual([...all, ...all]);
    const [first, second, third] = lab.registry.replicasOf('t');
    first?.open(TCP);
    second?.open(TCP);
    expect([routed(lab), routed(lab)]).toEqual(['replica-2', 'replica-2']);
    third?.open(TCP);
    third?.open(TCP);
    await settle();
    expect([routed(lab), routed(lab), routed(lab)]).toEqual([
      'replica-0',
      'replica-1',
      'replica-0',
    ]);
  });

  it('counts what is under way and not streams that are kept for later, also while they are detached', async () => {
    const { lab, connectors } = await labWith(2);
    const [first, second] = lab.registry.replicasOf('t');
    const kept = Array.from({ length: 5 }, () => first?.open(TCP));
    for (const stream of kept) if (stream !== undefined) stream.load = 0;
    const shared = second?.open(TCP);
    if (shared !== undefined) shared.load = 3;
    expect([first?.load, second?.load]).toEqual([0, 3]);
    expect([routed(lab), routed(lab)]).toEqual(['replica-0', 'replica-0']);
    await settle();
    await connectors[1]?.cut();
    expect(second?.load).toBe(3);
    await connectors[1]?.dial();
    await settle();
    expect([second?.load, second?.links[0]?.link.load]).toEqual([3, 3]);
    shared?.reset('STREAM_CANCELLED', '');
    await settle();
    expect(second?.load).toBe(0);
  });

  it('opens on the link that carries the least', async () => {
    const { lab, connectors } = await labWith(1);
    await connectors[0]?.dial(1);
    const [replica] = lab.registry.replicasOf('t');
    const busy = replica?.open(TCP);
    if (busy !== undefined) busy.load = 4;
    const others = Array.from({ length: 4 }, () => replica?.open(TCP));
    const links = new Set(others.map((stream) => stream?.slot?.link));
    expect([links.size, links.has(busy?.slot?.link)]).toEqual([1, false]);
    expect(replica?.relayLink(false)).toBeDefined();
  });

  it('passes over a replica that has just failed, and says so where there is no other', async () => {
    const { lab } = await labWith(2);
    expect(routed(lab, HOSTNAME, 'replica-0')).toBe('replica-1');
    expect(routed(lab, HOSTNAME, 'replica-1')).toBe('replica-0');
    const { lab: alone } = await labWith(1);
    expect(() => routed(alone, HOSTNAME, 'replica-0')).toThrow(
      expect.objectContaining({ code: 'ROUTE_NO_REPLICA' }),
    );
  });

  it('passes over a replica whose origin is not well, for that rule alone, until it is', async () => {
    const { lab, connectors } = await labWith(2);
    const everywhere = (hostname: string): Set<string> =>
      new Set(Array.from({ length: 20 }, (_, n) => routed(lab, hostname, n % 2 ? 'x' : undefined)));
    await say(connectors[0], 1, ['ssh']);
    expect(everywhere(HOSTNAME)).toEqual(new Set(['replica-1']));
    expect(everywhere(OTHER_HOSTNAME).has('replica-0')).toBe(true);
    await say(connectors[0], 2, []);
    await say(connectors[1], 1, ['ssh']);
    expect(everywhere(HOSTNAME)).toEqual(new Set(['replica-0']));
  });

  it('asks an origin that is not well where there is no better one', async () => {
    const { lab, connectors } = await labWith(2);
    for (const connector of connectors) await say(connector, 1, ['ssh']);
    expect([routed(lab), routed(lab)]).toEqual(['replica-0', 'replica-1']);
    expect(routed(lab, HOSTNAME, 'replica-0')).toBe('replica-1');
  });

  it('does not go back to what a slower link said before', async () => {
    const { lab, connectors } = await labWith(2);
    await say(connectors[0], 3, []);
    await say(connectors[0], 2, ['ssh']);
    expect(routed(lab)).toBe('replica-0');
    expect(lab.registry.unhealthyCount).toBe(0);
    await say(connectors[0], 4, ['ssh', 'no rule of it']);
    expect(lab.registry.unhealthyCount).toBe(1);
  });

  it('leads new streams of clients past it too, and none that lives there', async () => {
    const { lab, connectors } = await labWith(3);
    const chosen = (key: string, replica?: string): string =>
      routeStream(lab, { hostname: HOSTNAME, key, replica, isResumed: replica !== undefined })
        .replica.id;
    const keys = Array.from({ length: 60 }, (_, n) => `key ${n}`);
    expect(new Set(keys.map((key) => chosen(key))).size).toBe(3);
    await say(connectors[1], 1, ['ssh']);
    expect(new Set(keys.map((key) => chosen(key)))).toEqual(new Set(['replica-0', 'replica-2']));
    expect(chosen('any', 'replica-1')).toBe('replica-1');
    for (const connector of connectors) await say(connector, 2, ['ssh']);
    expect(new Set(keys.map((key) => chosen(key))).size).toBe(3);
  });

  it('leads whoever is to stay to where they were, unless it is sick, has just failed or drains', async () => {
    const { lab, connectors } = await labWith(3);
    const stickiness = new Stickiness();
    stickiness.useKey(Buffer.alloc(32));
    const router = new StreamRouter({ routes: lab.routes, registry: lab.registry, stickiness });
    const comer = {
      application: { name: 'a', stickiness: 'address' },
      address: '192.0.2.1',
    } as const;
    const stay = (notAt?: string): string =>
      router.route('tcp', HOSTNAME, '', { comer, notAt }).replica.id;
    const home = stay();
    expect(new Set(Array.from({ length: 9 }, () => stay()))).toEqual(new Set([home]));
    expect(stay(home)).not.toBe(home);
    const at = connectors.find(({ process }) => process === home);
    await say(at, 1, ['ssh']);
    expect(stay()).not.toBe(home);
    await say(at, 2, []);
    expect(stay()).toBe(home);
    at?.link?.sendControl({ type: 'drain', reason: 'r', dialAgainMs: 0, graceMs: 0 });
    await settle();
    expect(stay()).not.toBe(home);
  });
});
