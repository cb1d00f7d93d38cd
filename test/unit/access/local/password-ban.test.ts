import { expect, it } from '@jest/globals';

import { PasswordBan } from '../../../../src/access/local/password-ban.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const { passwordFailures, passwordFailuresOfAddress, passwordFailureMs, passwordBanMs } = LIMITS;

function fail(ban: PasswordBan, name: string, address: string, count: number): void {
  for (let at = 0; at < count; at += 1) ban.failed(name, address);
}

it('A3 bans an address at a name after some failures, for a while', () => {
  const clock = new FakeClock();
  const ban = new PasswordBan(clock);
  fail(ban, 'ann', '192.0.2.1', passwordFailures - 1);
  expect(ban.isBanned('ann', '192.0.2.1')).toBe(false);
  fail(ban, 'ann', '192.0.2.1', 1);
  expect(ban.isBanned('ann', '192.0.2.1')).toBe(true);
  expect(ban.isBanned('bob', '192.0.2.1')).toBe(false);
  expect(ban.isBanned('ann', '192.0.2.2')).toBe(false);
  clock.run(passwordBanMs);
  expect(ban.isBanned('ann', '192.0.2.1')).toBe(false);
});

it('A3 bans an address that tries one password at many names', () => {
  const ban = new PasswordBan(new FakeClock());
  for (let at = 0; at < passwordFailuresOfAddress; at += 1) ban.failed(`user${at}`, '192.0.2.1');
  expect(ban.isBanned('somebody', '192.0.2.1')).toBe(true);
  expect(ban.isBanned('somebody', '192.0.2.2')).toBe(false);
});

it('forgets failures that were long ago, and those before a success', () => {
  const clock = new FakeClock();
  const ban = new PasswordBan(clock);
  fail(ban, 'ann', '192.0.2.1', passwordFailures - 1);
  clock.run(passwordFailureMs + 1);
  fail(ban, 'ann', '192.0.2.1', passwordFailures - 1);
  expect(ban.isBanned('ann', '192.0.2.1')).toBe(false);
  ban.succeeded('ann', '192.0.2.1');
  fail(ban, 'ann', '192.0.2.1', passwordFailures - 1);
  expect(ban.isBanned('ann', '192.0.2.1')).toBe(false);
});

it('keeps so much at most', () => {
  const ban = new PasswordBan(new FakeClock());
  for (let at = 0; at < LIMITS.passwordFailuresKept; at += 1) ban.failed('x', `host-${at}`);
  expect(ban.size).toBe(LIMITS.passwordFailuresKept);
});
