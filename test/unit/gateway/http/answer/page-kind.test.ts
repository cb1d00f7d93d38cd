import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { pageKind } from '../../../../../src/gateway/http/answer/page-kind.ts';
import { cpuMs } from '../../../../support/cpu-time.ts';

describe('pageKind()', () => {
  it.each([
    // Chromium, Firefox and Safari when they visit a page.
    ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', 'html'],
    ['application/xhtml+xml', 'html'],
    ['TEXT/HTML ; Q=0.3', 'html'],
    ['text/html, application/json', 'html'],
    ['text/html;level=1;q=0.4, application/json;q=0.3', 'html'],
    // Programs.
    [undefined, 'json'],
    ['', 'json'],
    ['*/*', 'json'],
    ['text/*', 'json'],
    ['application/json, text/plain, */*', 'json'],
    ['application/json, text/html', 'json'],
    ['text/html;q=0.5, application/json', 'json'],
    ['text/html;q=0.5, application/problem+json;q=0.6', 'json'],
    // Not wanted, or not a weight.
    ['text/html;q=0', 'json'],
    ['text/html;q=2', 'json'],
    ['text/html;q=', 'json'],
    ['text/htmlx', 'json'],
  ])('takes %j for %s', (accept, kind) => {
    expect(pageKind(accept)).toBe(kind);
  });

  it('reads 32 KiB of anything in a moment', () => {
    const hostile = [',', ';', 'a/b;', 'text/html;q=0.0000,', 'application/a+'];
    const startedAt = process.cpuUsage();
    for (const piece of hostile) pageKind(piece.repeat(32_768 / piece.length));
    expect(cpuMs(startedAt)).toBeLessThan(3_000);
    fc.assert(fc.property(fc.string(), (accept) => /^(?:html|json)$/.test(pageKind(accept))));
  });
});
