import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { parseRouteHostname } from '../../../src/core/route-hostname.ts';

const LABEL = 'a'.repeat(63);
const LONGEST = [LABEL, LABEL, LABEL, 'a'.repeat(61)].join('.');

describe('parseRouteHostname()', () => {
  it.each([
    ['wiki.example.com', 'wiki.example.com'],
    ['Wiki.EXAMPLE.com', 'wiki.example.com'],
    ['wiki.example.com.', 'wiki.example.com'],
    ['localhost', 'localhost'],
    ['*.example.com', '*.example.com'],
    ['*.Example.Com.', '*.example.com'],
    ['_dmarc.my_host.test', '_dmarc.my_host.test'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['*.BÜCHER.example', '*.xn--bcher-kva.example'],
    ['日本。例', 'xn--wgv71a.xn--fsq'],
    [LONGEST, LONGEST],
  ])('stores "%s" as "%s"', (text, hostname) => {
    expect(parseRouteHostname(text)).toBe(hostname);
  });

  it.each([
    '',
    '.',
    '*',
    '*.',
    '**.example.com',
    '*.*.example.com',
    'wiki.*.com',
    'w*.example.com',
    '.example.com',
    'a..example.com',
    'example.com..',
    '-a.example.com',
    'a-.example.com',
    'https://wiki.example.com',
    'wiki.example.com:443',
    'wiki.example.com/path',
    'user@example.com',
    'wiki example.com',
    'ex%61mple.com',
    'wiki.example.com\n',
    'wiki\0.example.com',
    '[::1]',
    'bücher.example/',
    `${'a'.repeat(64)}.com`,
    `a${LONGEST}`,
    `*.${LONGEST}`,
    'ü'.repeat(253),
    'a'.repeat(1_000_000),
  ])('refuses %j', (text) => {
    expect(parseRouteHostname(text)).toBeUndefined();
  });

  it('never throws, and what it made it makes again', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.domain()), (text) => {
        const hostname = parseRouteHostname(text);
        if (hostname !== undefined) expect(parseRouteHostname(hostname)).toBe(hostname);
      }),
    );
  });
});
