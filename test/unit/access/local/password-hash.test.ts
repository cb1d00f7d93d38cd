import { expect, it } from '@jest/globals';

import { checkPassword, hashPassword } from '../../../../src/access/local/password-hash.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

it('knows the password and no other', async () => {
  const kept = await hashPassword('pässword');
  expect(kept).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/);
  expect(await checkPassword('pässword', kept)).toBe(true);
  expect(await checkPassword('pa\u0308ssword', kept)).toBe(true);
  expect(await checkPassword('password', kept)).toBe(false);
  expect(await checkPassword('', kept)).toBe(false);
});

it('salts: the same password is kept differently each time', async () => {
  expect(await hashPassword('secret-1')).not.toBe(await hashPassword('secret-1'));
});

it('checks by the parameters that stand beside the hash', async () => {
  // scrypt('password', 16 zero bytes, N = 2^10, r = 8, p = 1)
  const { scryptSync } = await import('node:crypto');
  const hash = scryptSync('password', Buffer.alloc(16), 32, { N: 2 ** 10 }).toString('base64url');
  const kept = `$scrypt$ln=10,r=8,p=1$${Buffer.alloc(16).toString('base64url')}$${hash}`;
  expect(await checkPassword('password', kept)).toBe(true);
});

it('says no where there is nothing, or nothing readable, to compare with', async () => {
  for (const kept of [undefined, '', 'password', '$scrypt$ln=15,r=8,p=1$x$y']) {
    expect(await checkPassword('password', kept)).toBe(false);
  }
});

it('A3 takes as much work for a user that does not exist', async () => {
  const kept = await hashPassword('secret-1');
  const time = async (hash: string | undefined) => {
    const start = process.cpuUsage();
    await checkPassword('wrong', hash);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const [known, unknown] = [await time(kept), await time(undefined)];
  expect(unknown).toBeGreaterThan(known / 4);
});

it('A3 a flood of passwords runs a few at a time, and the rest is refused', async () => {
  const count = LIMITS.passwordChecks + LIMITS.passwordChecksWaiting + 20;
  const kept = '$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$' + 'A'.repeat(43);
  const results = await Promise.allSettled(
    Array.from({ length: count }, async () => checkPassword('x', kept)),
  );
  const refused = results.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(20);
  expect(refused[0]).toMatchObject({ reason: { code: 'ACCESS_TOO_MANY' } });
  expect(await checkPassword('x', kept)).toBe(false);
});
