import { describe, expect, it } from '@jest/globals';

import {
  appCookieName,
  findCookie,
  readCookies,
  withoutOwnCookies,
} from '../../../../src/access/app-sign-in/app-cookies.ts';

describe('withoutOwnCookies()', () => {
  it.each([
    ['a=1; b=2', 'a=1; b=2'],
    ['a=1;b=2', 'a=1;b=2'],
    ['__Host-postern_session=x', ''],
    ['a=1; __Host-postern_app_00=x; b=2', 'a=1; b=2'],
    ['__Host-postern_app_00_0=x; __Host-postern_app_00_1=y;a=1', 'a=1'],
    ['__HOST-POSTERN_session=x; a=1', 'a=1'],
    ['\t __host-Postern=x ;a=1', 'a=1'],
    ['__Host-postern', ''],
    ['company=postern; a=__Host-postern_session', 'company=postern; a=__Host-postern_session'],
    ['; ;', '; ;'],
  ])('C3 %p becomes %p', (field, kept) => {
    expect(withoutOwnCookies(field)).toBe(kept);
  });
});

describe('findCookie()', () => {
  const name = appCookieName('wiki');

  it('finds the first of exactly this name', () => {
    expect(findCookie(`a=1; ${name}=one; ${name}=two`, name)).toBe('one');
    expect(findCookie(`${name}=a=b`, name)).toBe('a=b');
  });

  it.each([undefined, '', 'a=1', `x${name}=1`, `${name}x=1`, name.toLowerCase() + '=1'])(
    'C2 finds nothing in %p',
    (field) => {
      expect(findCookie(field, name)).toBeUndefined();
    },
  );

  it('names differ between applications', () => {
    expect(appCookieName('wiki')).not.toBe(appCookieName('payroll'));
    expect(name).toMatch(/^__Host-postern_app_[0-9a-f]{12}$/);
  });
});

it('readCookies() has the first of each name', () => {
  expect([...readCookies('a=1; b=; a=2;c; =x')]).toEqual([
    ['a', '1'],
    ['b', ''],
    ['c', ''],
  ]);
  expect(readCookies(undefined).size).toBe(0);
});
