import { describe, expect, it } from '@jest/globals';
import { parseTailFilter, type TailFilterText } from '../../../src/admin/tail-filter.ts';
import type { TailedRequest } from '../../../src/admin/tail-line.ts';

const REQUEST: TailedRequest = {
  type: 'request',
  at: '2026-11-21T14:03:11.207Z',
  requestId: '7d3f2c91a0b44e5f',
  hostname: 'wiki.example.com',
  method: 'GET',
  path: '/api/pages',
  status: 404,
  client: '192.0.2.1',
  user: 'Ann@example.com',
  durationMs: 3,
  bytesReceived: 0,
  bytesSent: 0,
  isWebSocket: false,
};

describe('parseTailFilter()', () => {
  it.each<[string, TailFilterText]>([
    ['nothing', {}],
    ['the code', { status: '404' }],
    ['its class', { status: '4xx' }],
    ['a range', { status: '400-404' }],
    ['one of several', { status: '200, 5xx,404' }],
    ['the method, in any case', { method: 'post,get' }],
    ['what the path begins with', { path: '/api/' }],
    ['the hostname', { hostname: 'WIKI.example.com' }],
    ['a suffix', { hostname: '*.example.com' }],
    ['the user, in any case', { user: 'ann@EXAMPLE.com' }],
    [
      'all of it',
      { status: '4xx', method: 'GET', path: '/', user: 'ann@example.com', sample: '1' },
    ],
  ])('lets a request pass by %s', (_what, text) => {
    expect(parseTailFilter(text)(REQUEST)).toBe(true);
  });

  it.each<[string, TailFilterText]>([
    ['another code', { status: '403' }],
    ['another class', { status: '5xx,2xx' }],
    ['a range beside it', { status: '405-499' }],
    ['another method', { method: 'POST' }],
    ['another path', { path: '/api/pages/x' }],
    ['another hostname', { hostname: 'example.com' }],
    ['another user', { user: 'bob@example.com' }],
    ['one of two that does not hold', { status: '404', method: 'HEAD' }],
  ])('holds a request back by %s', (_what, text) => {
    expect(parseTailFilter(text)(REQUEST)).toBe(false);
  });

  it('knows requests that were not answered', () => {
    expect(parseTailFilter({ status: '0' })({ ...REQUEST, status: 0 })).toBe(true);
  });

  it('lets a share pass of what the rest of the filter does', () => {
    const drawn = [0.05, 0.5, 0.2];
    const filter = parseTailFilter({ sample: '.1', method: 'GET' }, () => drawn.shift() ?? 1);
    expect(filter({ ...REQUEST, method: 'PUT' })).toBe(false);
    expect([filter(REQUEST), filter(REQUEST), filter(REQUEST)]).toEqual([true, false, false]);
  });

  it.each<TailFilterText>([
    { status: '' },
    { status: '6xx' },
    { status: '404;' },
    { status: Array.from({ length: 33 }, () => '404').join(',') },
    { method: 'GET POST' },
    { path: 'api' },
    { hostname: 'a.*.com' },
    { hostname: 'https://a.com' },
    { sample: '2' },
    { sample: '0' },
    { sample: '-0.1' },
    { sample: '1e-3' },
  ])('refuses %j', (text) => {
    expect(() => parseTailFilter(text)).toThrow(
      expect.objectContaining({
        code: 'ADMIN_BAD_REQUEST',
        message: expect.stringContaining(`"${Object.keys(text)[0]}"`),
      }),
    );
  });
});
