import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { DrainedLinks } from '../../../src/connector/drained-links.ts';
import { CLOSE_CODE } from '../../../src/protocol/close-code.ts';
import type { KeptLink } from '../../../src/transport/dial/link-keeper.ts';
import { RawPeer } from '../protocol/raw-peer.ts';

/** A link that was asked to leave, and forgets itself when it closes, as the replica does. */
function kept(): KeptLink {
  const { link } = new RawPeer();
  return { link, gateway: 'https://gw', ended: new Promise(() => undefined) };
}

function hold(held: DrainedLinks, process: string, count: number): KeptLink[] {
  return Array.from({ length: count }, () => {
    const one = kept();
    held.add(process, one);
    return one;
  });
}

const closed = (links: readonly KeptLink[]): boolean[] => links.map(({ link }) => link.isClosed);

describe('DrainedLinks', () => {
  it(`holds the links of ${LIMITS.drainingGateways} gateways that drain at once`, () => {
    const held = new DrainedLinks();
    const gateways = Array.from({ length: LIMITS.drainingGateways }, (_, n) =>
      hold(held, `gateway-${n}`, 4),
    );
    expect(gateways.flatMap(closed)).not.toContain(true);
    const newest = hold(held, 'one more', 4);
    expect(closed(gateways[0] ?? [])).toEqual([true, true, true, true]);
    expect(gateways.slice(1).flatMap(closed)).not.toContain(true);
    expect(closed(newest)).toEqual([false, false, false, false]);
    expect(held.size).toBe(LIMITS.drainingGateways * 4);
  });

  it('holds as many links of one gateway as a replica has', () => {
    const held = new DrainedLinks();
    const links = hold(held, 'gateway', LIMITS.linksPerReplica + 1);
    expect(closed(links)).toEqual([true, ...links.slice(1).map(() => false)]);
    expect(held.size).toBe(LIMITS.linksPerReplica);
  });

  it('forgets links that closed, and does not hold those that are', () => {
    const held = new DrainedLinks();
    const [one] = hold(held, 'gateway', 1);
    if (one === undefined) throw new Error('no link');
    one.link.close(CLOSE_CODE.done, '');
    held.delete(one);
    held.delete(one);
    held.add('gateway', one);
    expect(held.size).toBe(0);
  });
});
