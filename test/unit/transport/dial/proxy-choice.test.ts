import { inspect } from 'node:util';

import { describe, expect, it } from '@jest/globals';

import {
  isExcepted,
  parseProxy,
  proxyFromEnv,
} from '../../../../src/transport/dial/proxy-choice.ts';

const target = (host: string, port = 8443, isTls = true) => ({ host, port, isTls });

describe('parseProxy()', () => {
  it.each([
    [
      'http://proxy.test:3128',
      { isTls: false, host: 'proxy.test', port: 3128, name: 'proxy.test:3128' },
    ],
    ['proxy.test:3128', { isTls: false, host: 'proxy.test', port: 3128 }],
    ['http://proxy.test', { isTls: false, port: 80, name: 'proxy.test:80' }],
    ['https://proxy.test', { isTls: true, port: 443 }],
    ['http://[::1]:3128', { host: '::1', port: 3128, name: '[::1]:3128' }],
    ['proxy.test', { host: 'proxy.test', port: 80, authorization: undefined }],
  ])('reads %s', (text, expected) => {
    expect(parseProxy(text)).toMatchObject(expected);
  });

  it('decodes user and password, and sends them as UTF-8', () => {
    const { authorization, name } = parseProxy('http://j%C3%B6rg:p%40ss%3Aword@proxy.test:3128');
    expect(authorization).toBe(`Basic ${Buffer.from('jörg:p@ss:word').toString('base64')}`);
    expect(name).toBe('proxy.test:3128');
  });

  it('takes a password as it is where it cannot be decoded', () => {
    const { authorization } = parseProxy('http://user:100%@proxy.test');
    expect(authorization).toBe(`Basic ${Buffer.from('user:100%').toString('base64')}`);
  });

  it.each([
    ['socks5://user:hunter2@proxy.test', 'socks5'],
    ['http://user:hunter2@', 'not a URL'],
  ])('refuses %s without repeating the password', (text, reason) => {
    let error: unknown;
    try {
      parseProxy(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'LINK_PROXY', message: expect.stringContaining(reason) });
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('hunter2');
  });
});

const nameFrom = (env: Record<string, string>, isTls = true): string | undefined =>
  proxyFromEnv(target('gw.test', 8443, isTls), env)?.name;

describe('proxyFromEnv()', () => {
  it.each<[string, Record<string, string>, boolean, string | undefined]>([
    ['nothing', {}, true, undefined],
    ['HTTPS_PROXY', { HTTPS_PROXY: 'http://a:1' }, true, 'a:1'],
    [
      'https_proxy before HTTPS_PROXY',
      { HTTPS_PROXY: 'http://a:1', https_proxy: 'b:2' },
      true,
      'b:2',
    ],
    ['ALL_PROXY when there is no other', { ALL_PROXY: 'http://c:3' }, true, 'c:3'],
    ['HTTPS_PROXY before all_proxy', { HTTPS_PROXY: 'http://a:1', all_proxy: 'c:3' }, true, 'a:1'],
    ['an empty variable as none', { HTTPS_PROXY: '', ALL_PROXY: 'http://c:3' }, true, 'c:3'],
    ['not HTTP_PROXY for a link over TLS', { HTTP_PROXY: 'http://a:1' }, true, undefined],
    ['HTTP_PROXY for one without', { HTTP_PROXY: 'http://a:1' }, false, 'a:1'],
    ['NO_PROXY', { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'gw.test' }, true, undefined],
    ['no_proxy', { HTTPS_PROXY: 'http://a:1', no_proxy: '*' }, true, undefined],
  ])('obeys %s', (_what, env, isTls, expected) => {
    expect(nameFrom(env, isTls)).toBe(expected);
  });

  it('does not look at a broken proxy for a gateway that is excepted', () => {
    expect(nameFrom({ HTTPS_PROXY: 'socks5://x', NO_PROXY: 'gw.test' })).toBeUndefined();
  });
});

describe('isExcepted()', () => {
  it.each<[string, string, number, boolean]>([
    ['', 'gw.test', 443, false],
    ['*', 'anything', 1, true],
    ['gw.test', 'gw.test', 443, true],
    ['GW.Test', 'gw.TEST', 443, true],
    ['gw.test', 'gw.test.', 443, true],
    ['gw.test', 'a.gw.test', 443, true],
    ['gw.test', 'xgw.test', 443, false],
    ['.test', 'gw.test', 443, true],
    ['.gw.test', 'gw.test', 443, false],
    ['*.gw.test', 'a.b.gw.test', 443, true],
    ['.', 'gw.test', 443, false],
    ['gw.test:8443', 'gw.test', 8443, true],
    ['gw.test:8443', 'gw.test', 443, false],
    ['a.test, gw.test', 'gw.test', 443, true],
    ['a.test gw.test', 'gw.test', 443, true],
    ['10.0.0.1', '10.0.0.1', 443, true],
    ['10.0.0.1:443', '10.0.0.1', 8443, false],
    ['10.0.0.0/8', '10.200.3.4', 443, true],
    ['10.0.0.0/8', '11.0.0.1', 443, false],
    ['0.0.0.0/0', '11.0.0.1', 443, true],
    ['10.0.0.0/33', '10.0.0.1', 443, false],
    ['10.0.0.0/', '10.0.0.1', 443, false],
    ['10.0.0.0/8/8', '10.0.0.1', 443, false],
    ['10.0.0.0/8', 'gw.test', 443, false],
    ['::1', '::1', 443, true],
    ['[::1]:8443', '::1', 8443, true],
    ['[::1]:8443', '::1', 443, false],
    ['fd00::/8', 'fd12::1', 443, true],
    ['fd00::/8', 'fe80::1', 443, false],
    ['0.1', '10.0.0.1', 443, false],
  ])('with "%s", for %s port %i: %s', (list, host, port, expected) => {
    expect(isExcepted(target(host, port), list)).toBe(expected);
  });
});
