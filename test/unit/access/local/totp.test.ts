import { expect, it } from '@jest/globals';

import { newTotpSecret, totpCode, totpStep, totpUri } from '../../../../src/access/local/totp.ts';

/** RFC 6238 appendix B: the ASCII text 12345678901234567890, in base32. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

it('gives the codes of RFC 6238', () => {
  const cases = [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ] as const;
  for (const [seconds, code] of cases) expect(totpCode(SECRET, seconds * 1000)).toBe(code);
});

it('takes the step before and the step after, and no others', () => {
  const now = 1_111_111_111_000;
  const step = Math.floor(now / 30_000);
  const at = (steps: number) => totpStep(totpCode(SECRET, now + steps * 30_000), SECRET, now);
  expect([at(-2), at(-1), at(0), at(1), at(2)]).toEqual([
    undefined,
    step - 1,
    step,
    step + 1,
    undefined,
  ]);
});

it('takes no step at or before the last one', () => {
  const now = 1_111_111_111_000;
  const step = Math.floor(now / 30_000);
  const code = totpCode(SECRET, now);
  expect(totpStep(code, SECRET, now, step - 1)).toBe(step);
  expect(totpStep(code, SECRET, now, step)).toBeUndefined();
});

it('takes a code with spaces, and nothing that is not one', () => {
  const now = 1_111_111_111_000;
  expect(totpStep(' 050 471 ', SECRET, now)).toBeDefined();
  for (const code of ['', '50471', '0504711', '05047a', '٠٥٠٤٧١', '-50471', '1e5']) {
    expect(totpStep(code, SECRET, now)).toBeUndefined();
  }
});

it('makes secrets of 160 bits, and addresses that apps read', () => {
  const secret = newTotpSecret();
  expect(secret).toMatch(/^[A-Z2-7]{32}$/);
  expect(newTotpSecret()).not.toBe(secret);
  const uri = new URL(totpUri('ann@x', 'Postern', secret));
  expect(uri.protocol + uri.host + uri.pathname).toBe('otpauth:totp/Postern:ann%40x');
  expect(uri.searchParams.get('secret')).toBe(secret);
});
