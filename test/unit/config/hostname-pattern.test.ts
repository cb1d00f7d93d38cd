import { describe, expect, it } from '@jest/globals';
import {
  matchesHostname,
  normaliseHostname,
  parseHostname,
  parseHostnamePattern,
} from '../../../src/config/hostname-pattern.ts';

describe('normaliseHostname()', () => {
  it.each([
    ['app.example.com', 'app.example.com'],
    ['App.Example.COM', 'app.example.com'],
    ['app.example.com.', 'app.example.com'],
    ['app.example.com:8443', 'app.example.com'],
    ['APP.example.com.:443', 'app.example.com'],
    ['app.example.com:', 'app.example.com'],
    ['bücher.example.com', 'xn--bcher-kva.example.com'],
    ['BÜCHER.example.com:443', 'xn--bcher-kva.example.com'],
    ['app。example。com', 'app.example.com'],
    ['192.0.2.1:80', '192.0.2.1'],
    ['1.2', '1.2'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::1]:8443', '[2001:db8::1]'],
    ['_dmarc.example.com', '_dmarc.example.com'],
    ['', ''],
  ])('%j becomes %j', (text, normal) => {
    expect(normaliseHostname(text)).toBe(normal);
  });

  it('changes nothing when it is done twice', () => {
    for (const text of ['A.example.com.:80', 'bücher.de', '[::1]:80', 'a b', '%41.example.com']) {
      expect(normaliseHostname(normaliseHostname(text))).toBe(normaliseHostname(text));
    }
  });

  it('does not decode percent signs in ASCII names', () => {
    expect(normaliseHostname('%61pp.example.com')).toBe('%61pp.example.com');
  });
});

describe('parseHostnamePattern()', () => {
  it.each([
    ['', { kind: 'any', text: '*' }],
    ['*', { kind: 'any', text: '*' }],
    ['App.example.com.', { kind: 'exact', text: 'app.example.com', hostname: 'app.example.com' }],
    ['*.Example.com', { kind: 'suffix', text: '*.example.com', suffix: '.example.com' }],
    ['*.bücher.de', { kind: 'suffix', text: '*.xn--bcher-kva.de', suffix: '.xn--bcher-kva.de' }],
    ['localhost', { kind: 'exact', text: 'localhost', hostname: 'localhost' }],
    ['192.0.2.1', { kind: 'exact', text: '192.0.2.1', hostname: '192.0.2.1' }],
  ])('reads %j', (text, pattern) => {
    expect(parseHostnamePattern(text)).toEqual(pattern);
  });

  it.each([
    'a:80',
    'https://a',
    'a/b',
    '*a.b',
    'a.*',
    '*.*.b',
    '*.',
    '.',
    'a..b',
    '-a.b',
    'a b',
    '%61.b',
    'ü%2e.b',
    '[::1]',
    `${'a.'.repeat(127)}com`,
  ])('refuses %j and quotes it', (text) => {
    expect(() => parseHostnamePattern(text)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(`"${text}"`),
      }),
    );
  });

  it('has a text that means the same pattern', () => {
    for (const text of ['', '*', '*.Bücher.de', 'A.example.com.']) {
      const pattern = parseHostnamePattern(text);
      expect(parseHostnamePattern(pattern.text)).toEqual(pattern);
    }
  });
});

describe('parseHostname()', () => {
  it.each(['', '*', '*.example.com'])('refuses %j, which is not one name', (text) => {
    expect(() => parseHostname(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('matchesHostname()', () => {
  it.each([
    ['*', 'anything.at.all', true],
    ['*', '', true],
    ['app.example.com', 'APP.example.com.:443', true],
    ['app.example.com', 'app.example.com.evil.com', false],
    ['app.example.com', 'xapp.example.com', false],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'a.b.c.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', '.example.com', false],
    ['*.example.com', 'aexample.com', false],
    ['bücher.de', 'xn--bcher-kva.de', true],
    ['xn--bcher-kva.de', 'Bücher.de', true],
    ['*.bücher.de', 'a.xn--bcher-kva.de:80', true],
    ['1.2', '1.0.0.2', false],
  ])('%j against %j: %j', (pattern, hostname, isMatch) => {
    expect(matchesHostname(parseHostnamePattern(pattern), hostname)).toBe(isMatch);
  });
});
