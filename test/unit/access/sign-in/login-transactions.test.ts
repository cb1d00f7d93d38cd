import { expect, it } from '@jest/globals';

import { LoginTransactions } from '../../../../src/access/sign-in/login-transactions.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { openStore } from '../../../../src/store/sqlite/open.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { signInLab, TestBrowser } from '../../../support/sign-in.ts';
import { tempDir } from '../../../support/temp-dir.ts';

async function begun() {
  const clock = new FakeClock();
  const store = await openStore({ file: `${tempDir('login')}/postern.db`, clock });
  cleanup(() => store.close());
  const transactions = new LoginTransactions(store.onceItems, clock);
  const browser = new TestBrowser(signInLab(() => []).signIn);
  const login = { ticket: 't', state: { nonce: 'n' } };
  const { reference, setCookie } = await transactions.begin(
    browser.request('GET', '/'),
    'corp',
    login,
  );
  browser.keep({ status: 200, headers: [['set-cookie', setCookie]], body: '' });
  const finish = async (flow = 'corp', who = browser, what = reference) =>
    transactions.finish(who.request('GET', '/'), flow, what);
  return { clock, browser, finish };
}

it('gives back what was begun, once', async () => {
  const { finish } = await begun();
  expect(await finish()).toEqual({ ticket: 't', state: { nonce: 'n' } });
  expect(await finish()).toBeUndefined();
});

it('O5 of many that want it at once one gets it', async () => {
  const { finish } = await begun();
  const got = await Promise.all(Array.from({ length: 10 }, async () => finish()));
  expect(got.filter((one) => one !== undefined)).toHaveLength(1);
});

it('O3 gives nothing to another browser, and then to nobody', async () => {
  const { finish } = await begun();
  expect(await finish('corp', new TestBrowser(signInLab(() => []).signIn))).toBeUndefined();
  expect(await finish()).toBeUndefined();
});

it('O11 gives nothing to another provider', async () => {
  const { finish } = await begun();
  expect(await finish('partner')).toBeUndefined();
});

it('ends by itself', async () => {
  const { clock, finish } = await begun();
  clock.run(LIMITS.loginMs);
  expect(await finish()).toBeUndefined();
});

it('knows no reference that it has not made', async () => {
  const { browser, finish } = await begun();
  for (const what of [
    '',
    'x',
    'x'.repeat(32),
    '../../../../../../../../../../xx',
    'x'.repeat(10_000),
  ])
    expect(await finish('corp', browser, what)).toBeUndefined();
});
