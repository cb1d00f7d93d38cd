import { describe, expect, it } from '@jest/globals';

import { accessCore } from '../../support/access-core.ts';

describe('service tokens', () => {
  it('a token is known by its id and secret, in one piece too', async () => {
    const { store, serviceTokens, pass } = await accessCore();
    const { token, secret } = await store.serviceTokens.create('ci');
    await pass(1_000);
    const known = { id: token.id, name: 'ci', expiresAt: Infinity };
    expect(serviceTokens.verify(token.id, secret)).toEqual(known);
    expect(serviceTokens.verifyPair(`${token.id}.${secret}`)).toEqual(known);
    expect(serviceTokens.verify(token.id, secret.slice(1))).toBeUndefined();
    expect(serviceTokens.verify('other', secret)).toBeUndefined();
    expect(serviceTokens.verifyPair(token.id)).toBeUndefined();
    expect(serviceTokens.verifyPair('')).toBeUndefined();
  });

  it('after a rotation the old secret is good for the overlap', async () => {
    const { store, serviceTokens, pass, clock } = await accessCore();
    const { token, secret } = await store.serviceTokens.create('ci');
    const rotated = await store.serviceTokens.rotate('ci', 10_000);
    await pass(1_000);
    expect(serviceTokens.verify(token.id, secret)?.expiresAt).toBe(clock.wall() + 9_000);
    expect(serviceTokens.verify(token.id, rotated.secret)?.expiresAt).toBe(Infinity);
    await pass(9_000);
    expect(serviceTokens.verify(token.id, secret)).toBeUndefined();
    expect(serviceTokens.verify(token.id, rotated.secret)).toBeDefined();
  });

  it('a token that was removed or has expired is not live', async () => {
    const { store, serviceTokens, pass, clock } = await accessCore();
    const { token, secret } = await store.serviceTokens.create('ci', clock.wall() + 5_000);
    const other = await store.serviceTokens.create('cd');
    await pass(1_000);
    expect(serviceTokens.isLive(token)).toBe(true);
    await pass(5_000);
    expect(serviceTokens.isLive(token)).toBe(false);
    expect(serviceTokens.verify(token.id, secret)).toBeUndefined();
    await store.serviceTokens.remove('cd');
    await pass(1_000);
    expect(serviceTokens.isLive(other.token)).toBe(false);
  });
});
