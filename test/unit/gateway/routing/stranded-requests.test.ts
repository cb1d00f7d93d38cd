import { beforeEach, describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { StrandedRequests } from '../../../../src/gateway/routing/stranded-requests.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

interface Fake {
  readonly id: string;
  linkCount: number;
  readonly tunnel: { readonly id: string };
}

let clock: FakeClock;
let replicas: Fake[];
let stranded: StrandedRequests;
/** Replicas whose requests were asked to leave, in order. */
let left: string[];

const replica = (id: string, linkCount: number, tunnel = 't'): Fake => {
  const made = { id, linkCount, tunnel: { id: tunnel } };
  replicas.push(made);
  return made;
};

beforeEach(() => {
  clock = new FakeClock();
  replicas = [];
  left = [];
  stranded = new StrandedRequests({
    clock,
    replicasOf: (tunnelId) => replicas.filter(({ tunnel }) => tunnel.id === tunnelId),
    leave: (id) => void left.push(id),
  });
});

describe('StrandedRequests', () => {
  it(`leaves a replica ${LIMITS.strandedMs} ms after its last link`, () => {
    stranded.left(replica('a', 0));
    clock.run(LIMITS.strandedMs - 1);
    expect(left).toEqual([]);
    clock.run(1);
    expect(left).toEqual(['a']);
  });

  it('does not leave one that is back by then, and counts anew when it goes again', () => {
    const a = replica('a', 0);
    stranded.left(a);
    clock.run(LIMITS.strandedMs - 1);
    a.linkCount = 1;
    stranded.joined(a);
    a.linkCount = 0;
    stranded.left(a);
    clock.run(LIMITS.strandedMs - 1);
    expect(left).toEqual([]);
    clock.run(1);
    expect(left).toEqual(['a']);
  });

  it('asks again when another replica of the tunnel joins, of those whose moment is over', () => {
    stranded.left(replica('a', 0));
    stranded.left(replica('elsewhere', 0, 'u'));
    clock.run(LIMITS.strandedMs);
    stranded.left(replica('just now', 0));
    replica('connected', 2);
    left = [];
    stranded.joined(replica('b', 1));
    expect(left).toEqual(['a']);
  });

  it('waits for nothing once it is closed', () => {
    stranded.left(replica('a', 0));
    stranded.close();
    clock.run(LIMITS.strandedMs);
    expect(left).toEqual([]);
  });
});
