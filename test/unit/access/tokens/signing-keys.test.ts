import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { accessCore, type AccessCore } from '../../../support/access-core.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const DAY_MS = 86_400_000;

async function kids({ keys }: AccessCore): Promise<(string | undefined)[]> {
  await keys.tend();
  return keys.jwks().keys.map(({ kid }) => kid);
}

describe('signing keys', () => {
  it('C7 the next key is published a day before it signs, and the old one as long as its tokens live', async () => {
    const core = await accessCore();
    const first = await core.keys.current();
    await core.pass(28.9 * DAY_MS);
    expect(await kids(core)).toEqual([first.kid]);
    await core.pass(0.2 * DAY_MS);
    const published = await kids(core);
    expect(published).toEqual([first.kid, expect.any(String)]);
    expect((await core.keys.current()).kid).toBe(first.kid);
    await core.pass(DAY_MS);
    expect((await core.keys.current()).kid).toBe(published[1]);
    expect(await core.keys.find(first.kid)).toBeDefined();
    await core.pass(2 * DAY_MS);
    expect(await core.keys.find(first.kid)).toBeUndefined();
    expect(await kids(core)).toEqual([published[1]]);
  });

  it('a gateway that was off for long signs with a new key at once', async () => {
    const core = await accessCore();
    const first = await core.keys.current();
    await core.pass(400 * DAY_MS);
    const next = await core.keys.current();
    expect(next.kid).not.toBe(first.kid);
    expect(await core.keys.find(first.kid)).toBeUndefined();
  });

  it('gateways on one store share keys, and look for unknown ones once a second (A2)', async () => {
    const file = `${tempDir('keys')}/postern.db`;
    const here = await accessCore({ file });
    const there = await accessCore({ file, clock: here.clock });
    await there.keys.tend();
    await here.store.keys.remove((await there.keys.current()).kid);
    const { kid } = await here.keys.current();
    expect(await there.keys.find(kid)).toBeUndefined();
    await there.pass(LIMITS.keyLookMs);
    expect(await there.keys.find(kid)).toBeDefined();
    expect(await there.keys.find('../../etc/passwd')).toBeUndefined();
  });

  it('the JWKS holds nothing private', async () => {
    const { keys } = await accessCore();
    await keys.current();
    expect(keys.jwks().keys).toEqual([
      {
        kty: 'EC',
        crv: 'P-256',
        x: expect.any(String),
        y: expect.any(String),
        kid: expect.any(String),
        alg: 'ES256',
        use: 'sig',
      },
    ]);
  });

  it('tells when they change, while there is a key that signs at once all the time', async () => {
    const core = await accessCore();
    let changes = 0;
    core.keys.onChanged(() => (changes += 1));
    expect(core.keys.currentNow()).toBeUndefined();
    await core.keys.tend();
    const first = core.keys.currentNow()?.kid;
    expect([first, changes]).toEqual([(await core.keys.current()).kid, 1]);
    await core.keys.tend();
    expect(changes).toBe(1);
    await core.pass(29.1 * DAY_MS);
    await core.keys.tend();
    expect([core.keys.currentNow()?.kid, changes]).toEqual([first, 2]);
    await core.pass(DAY_MS);
    // Known in time: nothing has to be looked up for the next one to sign.
    const [, next] = core.keys.jwks().keys;
    expect(core.keys.currentNow()?.kid).toBe(next?.kid);
    expect(core.keys.tendEveryMs).toBeLessThanOrEqual(LIMITS.keyTendMs);
  });
});
