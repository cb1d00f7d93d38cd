import { beforeEach, describe, expect, it } from '@jest/globals';

import { Stickiness } from '../../../../src/gateway/routing/stickiness.ts';

interface Fake {
  readonly id: string;
  readonly info: { readonly hostname: string };
}

const replica = (id: string, hostname = `host of ${id}`): Fake => ({ id, info: { hostname } });
const [A, B, C] = [replica('a'), replica('b'), replica('c')];
const ALL = [A, B, C];
const WIKI = { name: 'wiki', stickiness: 'cookie' } as const;
const OTHER = { name: 'other', stickiness: 'cookie' } as const;
const NEAR = { name: 'near', stickiness: 'address' } as const;
const ADDRESS = '192.0.2.1';

let stickiness: Stickiness;

beforeEach(() => {
  stickiness = new Stickiness();
  stickiness.useKey(Buffer.alloc(32, 7));
});

/** The Cookie field of somebody who was at a replica of an application. */
function cookieOf(
  at: Fake,
  application: typeof WIKI | typeof OTHER = WIKI,
  of = stickiness,
): string {
  const set = of.cookieFor({ application, address: ADDRESS }, at) ?? '';
  return set.split(';')[0] ?? '';
}

const preferred = (cookie: string, among: Fake[] = ALL, application = WIKI as { name: string }) =>
  stickiness.prefer({ application: { ...WIKI, ...application }, address: ADDRESS, cookie }, among)
    ?.id;

describe('by cookie', () => {
  it('leads back to where somebody was, and says nothing of who that is', () => {
    for (const one of ALL) {
      const cookie = cookieOf(one);
      expect(cookie).toMatch(/^__Host-postern_replica_[0-9a-f]{12}=[\w-]{16}\.[\w-]{16}$/);
      expect(preferred(`a=1; ${cookie}; b=2`)).toBe(one.id);
    }
    expect(stickiness.cookieFor({ application: WIKI, address: ADDRESS }, A)).toMatch(
      /; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    );
  });

  it('is set once, and anew when somebody is elsewhere', () => {
    const cookie = cookieOf(A);
    expect(
      stickiness.cookieFor({ application: WIKI, address: ADDRESS, cookie }, A),
    ).toBeUndefined();
    expect(stickiness.cookieFor({ application: WIKI, address: ADDRESS, cookie }, B)).toContain('=');
  });

  it('is worth nothing at another application, nor with another key, nor when somebody made it up', () => {
    const name = cookieOf(A).split('=')[0] ?? '';
    const value = cookieOf(A, OTHER).split('=')[1] ?? '';
    expect(preferred(`${name}=${value}`)).toBeUndefined();
    const elsewhere = new Stickiness();
    elsewhere.useKey(Buffer.alloc(32, 8));
    expect(preferred(cookieOf(A, WIKI, elsewhere))).toBeUndefined();
    for (const odd of [
      '',
      'a',
      '.',
      `${'x'.repeat(16)}.`,
      'x'.repeat(33),
      '..%00',
      `a.${'b'.repeat(99)}`,
    ]) {
      expect(preferred(`${name}=${odd}`)).toBeUndefined();
    }
  });

  it('leads to the same machine when the replica there is another one by now', () => {
    const cookie = cookieOf(A);
    const restarted = replica('new', A.info.hostname);
    expect(preferred(cookie, [B, restarted])).toBe('new');
    expect(preferred(cookie, [restarted, A])).toBe('a');
    expect(preferred(cookie, [B, C])).toBeUndefined();
  });
});

describe('by address', () => {
  const at = (address: string, among: Fake[] = ALL): string | undefined =>
    stickiness.prefer({ application: NEAR, address }, among)?.id;
  const addresses = Array.from({ length: 300 }, (_, n) => `10.0.${n % 7}.${n % 251}`);

  it('leads everybody to one replica each, and all of them about as many', () => {
    const chosen = addresses.map((address) => at(address));
    expect(addresses.map((address) => at(address))).toEqual(chosen);
    for (const { id } of ALL) {
      expect(chosen.filter((one) => one === id).length).toBeGreaterThan(50);
    }
    expect(stickiness.cookieFor({ application: NEAR, address: ADDRESS }, A)).toBeUndefined();
  });

  it('moves nobody but those of a replica that is away, and nobody for one that was restarted', () => {
    const before = new Map(addresses.map((address) => [address, at(address)]));
    for (const [address, id] of before) {
      if (id !== 'a') expect(at(address, [B, C])).toBe(id);
      const restarted = replica('a2', A.info.hostname);
      expect(at(address, [C, restarted, B])).toBe(id === 'a' ? 'a2' : id);
    }
  });

  it('takes the addresses of one IPv6 network for one', () => {
    expect(at('2001:db8:1:2::1')).toBe(at('2001:db8:1:2:ffff::9'));
  });
});

it('prefers nobody where the application does not ask for it', () => {
  const comer = { address: ADDRESS, cookie: cookieOf(A) };
  expect(stickiness.prefer({ ...comer, application: { name: 'wiki' } }, ALL)).toBeUndefined();
  expect(stickiness.prefer(comer, ALL)).toBeUndefined();
  expect(stickiness.prefer({ ...comer, application: NEAR }, [])).toBeUndefined();
  expect(stickiness.cookieFor(comer, A)).toBeUndefined();
});
