import { expect, it } from '@jest/globals';

import {
  bindLogin,
  dropSurplusLogins,
  holdsLogin,
} from '../../../../src/access/sign-in/login-cookies.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { signInLab, TestBrowser } from '../../../support/sign-in.ts';

function browser(): TestBrowser {
  return new TestBrowser(signInLab(() => []).signIn);
}

/** Begins a sign-in in the browser as it is and keeps the cookie; its hash. */
function begin(one: TestBrowser, now: number, isCrossSite = false): string {
  const { secretHash, setCookie } = bindLogin(one.request('GET', '/'), isCrossSite, now);
  one.keep({ status: 200, headers: [['set-cookie', setCookie]], body: '' });
  return secretHash;
}

it('one cookie serves the sign-ins of a browser that begin one after the other', () => {
  const own = browser();
  const hashes = [1, 2, 3].map((second) => begin(own, second * 1000));
  expect(new Set(hashes).size).toBe(1);
  expect(own.cookies.size).toBe(1);
  expect(holdsLogin(own.request('GET', '/'), hashes[0] ?? '')).toBe(true);
  expect(holdsLogin(browser().request('GET', '/'), hashes[0] ?? '')).toBe(false);
});

it('a cookie that must travel with forms of other sites is one of its own', () => {
  const own = browser();
  const strict = begin(own, 1000);
  const loose = begin(own, 2000, true);
  expect(strict).not.toBe(loose);
  const { setCookie } = bindLogin(own.request('GET', '/'), true, 3000);
  expect(setCookie).toMatch(
    /^__Host-postern_login_[0-9a-f]{8}=\S+; Path=\/; Max-Age=600; Secure; HttpOnly; SameSite=None$/,
  );
  expect(bindLogin(own.request('GET', '/'), false, 3000).setCookie).toContain('SameSite=Lax');
});

it('C16 of more cookies than the limit the oldest go, and those that are not ours', () => {
  const own = browser();
  for (let second = 1; second <= LIMITS.loginCookies + 3; second += 1) {
    const blank = browser();
    begin(blank, second * 1000);
    for (const [name, value] of blank.cookies) own.cookies.set(name, value);
  }
  const oldest = [...own.cookies.keys()].slice(0, 3);
  own.cookies.set('__Host-postern_login_00000000', 'garbage');
  const dropped = dropSurplusLogins(own.request('GET', '/'));
  expect(new Set(dropped.map((header) => header.split('=')[0]))).toEqual(
    new Set([...oldest, '__Host-postern_login_00000000']),
  );
  expect(dropped.every((header) => header.includes('Max-Age=0'))).toBe(true);
});
