import { describe, expect, it } from '@jest/globals';

import {
  routeStream,
  type StreamAddress,
  type StreamRoute,
} from '../../../../src/gateway/relay/route-stream.ts';
import { newSecret } from '../../../../src/core/id.ts';
import { settle } from '../../protocol/turns.ts';
import { HOSTNAME, RelayLab } from './relay-lab.ts';

function route(lab: RelayLab, changes: Partial<StreamAddress> = {}): StreamRoute {
  return routeStream(lab, {
    hostname: HOSTNAME,
    key: 'k',
    replica: undefined,
    isResumed: false,
    ...changes,
  });
}

async function labWith(replicas: number): Promise<RelayLab> {
  const lab = new RelayLab();
  for (let n = 0; n < replicas; n += 1) await lab.connector(`replica-${n}`);
  return lab;
}

const KEYS = Array.from({ length: 400 }, () => newSecret(24));

function code(of: string): unknown {
  return expect.objectContaining({ code: of });
}

describe('routeStream()', () => {
  it('spreads streams by their keys, each to the same replica every time', async () => {
    const lab = await labWith(4);
    const choices = KEYS.map((key) => route(lab, { key }).replica.id);
    expect(KEYS.map((key) => route(lab, { key }).replica.id)).toEqual(choices);
    for (let n = 0; n < 4; n += 1) {
      const share = choices.filter((id) => id === `replica-${n}`).length;
      expect(share).toBeGreaterThan(50);
      expect(share).toBeLessThan(170);
    }
  });

  it('moves no more keys than it must when a replica joins or leaves', async () => {
    const lab = await labWith(3);
    const before = new Map(KEYS.map((key) => [key, route(lab, { key }).replica.id]));
    const joining = await lab.connector('replica-new');
    const moved = KEYS.filter((key) => route(lab, { key }).replica.id !== before.get(key));
    expect(moved.map((key) => route(lab, { key }).replica.id)).toEqual(
      moved.map(() => 'replica-new'),
    );
    expect(moved.length).toBeGreaterThan(50);
    await joining.cut();
    expect(KEYS.map((key) => route(lab, { key }).replica.id)).toEqual([...before.values()]);
  });

  it('finds the replica that the stream names, and no other', async () => {
    const lab = await labWith(4);
    for (const key of KEYS.slice(0, 20)) {
      expect(route(lab, { key, replica: 'replica-2' }).replica.id).toBe('replica-2');
    }
    expect(() => route(lab, { replica: 'replica-9' })).toThrow(code('ROUTE_NO_REPLICA'));
  });

  it('gives new streams to none that drains, and lets those that live there come back', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    connector.link?.sendControl({ type: 'drain', reason: 'r', dialAgainMs: 0, graceMs: 0 });
    await settle();
    expect(() => route(lab)).toThrow(code('ROUTE_NO_REPLICA'));
    const { replica } = route(lab, { replica: 'replica-1', isResumed: true });
    expect(replica.relayLink(true)).toBeDefined();
    expect(replica.relayLink(false)).toBeUndefined();
  });

  it('lets a stream go on whose rule is gone', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector();
    connector.link?.sendControl({ type: 'rules', rules: [] });
    await settle();
    expect(() => route(lab)).toThrow(code('ROUTE_NO_RULE'));
    expect(route(lab, { isResumed: true }).rule).toBeUndefined();
  });

  it('knows no route where there is none', () => {
    const lab = new RelayLab();
    expect(() => route(lab, { hostname: 'x.test' })).toThrow(code('ROUTE_NOT_FOUND'));
    expect(() => route(lab)).toThrow(code('ROUTE_NO_REPLICA'));
  });
});
