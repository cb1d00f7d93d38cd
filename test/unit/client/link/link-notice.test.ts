import { beforeEach, describe, expect, it } from '@jest/globals';

import type { LinkTrouble } from '../../../../src/client/link/gateway-link.ts';
import { watchTrouble } from '../../../../src/client/link/link-notice.ts';
import type { Timer } from '../../../../src/core/clock.ts';
import { PosternError } from '../../../../src/core/error.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const REFUSED = new PosternError('LINK_REFUSED', 'Cannot dial gateway "gw:443": refused');

let clock: FakeClock;
let trouble: LinkTrouble | undefined;
let said: string[];
let watch: Timer;

beforeEach(() => {
  clock = new FakeClock();
  trouble = undefined;
  said = [];
  const say = (sentence: string): void => void said.push(sentence);
  watch = watchTrouble(clock, { trouble: () => trouble, say });
});

function gatewayAway(count: number, leftMs: number, why?: PosternError): LinkTrouble {
  return { away: 'gateway', why, waiting: { count, leftMs } };
}

function connectorAway(...hostnames: string[]): LinkTrouble {
  return { away: 'connector', hostnames, waiting: { count: 1, leftMs: 61_000 } };
}

describe('what a client says of its link', () => {
  it('is nothing while all is well, and nothing of what lasts for less than three seconds', () => {
    clock.run(60_000);
    for (let times = 0; times < 10; times += 1) {
      trouble = gatewayAway(1, 300_000, REFUSED);
      clock.run(2_900);
      trouble = undefined;
      clock.run(1_000);
    }
    expect(said).toEqual([]);
  });

  it('is once that the gateway is away, why, and for how long streams wait; then that it is back', () => {
    trouble = gatewayAway(2, 297_300, REFUSED);
    clock.run(60_000);
    expect(said).toEqual([
      'the gateway is away; what is open waits for it, 4m57s more (LINK_REFUSED: Cannot dial gateway "gw:443": refused)',
    ]);
    trouble = undefined;
    clock.run(500);
    expect(said[1]).toBe('the gateway is back after 1m');
    clock.run(60_000);
    expect(said).toHaveLength(2);
  });

  it('is that the session has ended where the gateway lets it in no more', () => {
    const why = new PosternError('ACCESS_SIGN_IN', 'Cannot let the client in: it is over');
    trouble = gatewayAway(0, Infinity, why);
    clock.run(60_000);
    const remedy = 'sign in again, and start it anew';
    expect(said).toEqual([`the session of this client has ended; ${remedy}`]);
  });

  it('names no time where nothing waits', () => {
    trouble = gatewayAway(0, Infinity);
    clock.run(5_000);
    expect(said).toEqual(['the gateway is away; dialling on']);
  });

  it('tells the connector from the gateway, also when one follows the other', () => {
    trouble = gatewayAway(1, 300_000);
    clock.run(4_000);
    trouble = connectorAway('ssh.postern.test', 'db.postern.test');
    clock.run(4_000);
    trouble = undefined;
    clock.run(4_000);
    expect(said).toEqual([
      'the gateway is away; what is open waits for it, 5m more',
      'the gateway is back after 4s',
      'the connector of "ssh.postern.test" and of 1 more is away; what is open waits for it, 1m1s more',
      'the connector is back after 4s',
    ]);
  });

  it('is nothing more when it is cancelled', () => {
    trouble = gatewayAway(1, 300_000);
    watch.cancel();
    clock.run(60_000);
    expect([said, clock.pending]).toEqual([[], 0]);
  });
});
