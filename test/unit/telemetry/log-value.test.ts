/** What becomes of a value that is logged. */
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { PosternError } from '../../../src/core/error.ts';
import { cleanError, cleanRecord, cleanValue } from '../../../src/telemetry/log-value.ts';

describe('cleanRecord()', () => {
  it.each([
    'token',
    'tunnelToken',
    'tunnel-token',
    'clientSecret',
    'client_secret',
    'password',
    'passphrase',
    'Authorization',
    'proxy-authorization',
    'cookie',
    'Set-Cookie',
    'cookies',
    'privateKey',
    'apiKey',
    'credentials',
    'Postern-Access-Jwt-Assertion',
    'session_id',
  ])('A8 redacts a field named %s at any depth', (name) => {
    expect(cleanRecord({ [name]: 'x' })).toEqual({ [name]: '[redacted]' });
    expect(cleanRecord({ a: [{ [name]: ['x', 'y'] }] })).toEqual({ a: [{ [name]: '[redacted]' }] });
    expect(cleanRecord({ [name]: Buffer.from('x') })).toEqual({ [name]: '[redacted]' });
  });

  it('keeps fields that only speak of a secret', () => {
    const record = { tokenFile: '/run/token', tokenId: 'a', hasToken: true, token: undefined };
    expect(cleanRecord(record)).toEqual({ tokenFile: '/run/token', tokenId: 'a', hasToken: true });
  });

  it('redacts secrets in a flat list of raw headers', () => {
    const rawHeaders = ['Host', 'a', 'Authorization', 'x', 'COOKIE', 'y', 'Accept', '*/*'];
    expect(cleanRecord({ rawHeaders })).toEqual({
      rawHeaders: [
        'Host',
        'a',
        'Authorization',
        '[redacted]',
        'COOKIE',
        '[redacted]',
        'Accept',
        '*/*',
      ],
    });
  });

  it('survives a getter that throws and a key named __proto__', () => {
    const hostile = {
      a: 1,
      get b(): never {
        throw new Error('no');
      },
    };
    expect(cleanRecord(hostile)).toEqual({ a: 1, '…': 'the rest cannot be read' });
    const polluting: object = JSON.parse('{"__proto__":{"hasOwnProperty":1}}');
    const cleaned = cleanRecord(polluting);
    expect(cleaned).toEqual({ _proto_: { hasOwnProperty: 1 } });
    expect(Object.getPrototypeOf(cleaned)).toBe(Object.prototype);
  });
});

describe('cleanValue()', () => {
  it('turns what JSON cannot say into what it can', () => {
    const value = {
      bytes: Buffer.alloc(3),
      date: new Date(0),
      noDate: new Date(Number.NaN),
      url: new URL('http://u:p@h/'),
      big: 1n,
      nan: Number.NaN,
      map: new Map([['token', 'x']]),
      set: new Set([1]),
      run: () => 1,
      none: null,
    };
    expect(cleanValue(value)).toEqual({
      bytes: '[3 bytes]',
      date: '1970-01-01T00:00:00.000Z',
      noDate: 'Invalid Date',
      url: 'http://[redacted]@h/',
      big: '1',
      nan: 'NaN',
      map: { token: '[redacted]' },
      set: [1],
      none: null,
    });
  });

  it('bounds depth, width and cycles', () => {
    const cycle: Record<string, unknown> = { list: Array.from({ length: 10_000 }, (_, i) => i) };
    cycle['self'] = cycle;
    const text = JSON.stringify(cleanValue(cycle));
    expect(text.length).toBeLessThan(20_000);
    expect(text).toContain('more');
    const deep: unknown = JSON.parse('['.repeat(1_000) + ']'.repeat(1_000));
    expect(JSON.stringify(cleanValue(deep))).toBe('[[[[[["[…]"]]]]]]');
  });

  it('bounds a socket that is logged by mistake', () => {
    expect(JSON.stringify(cleanValue(new Socket())).length).toBeLessThan(50_000);
  });
});

describe('cleanError()', () => {
  it('keeps code, message and every cause', async () => {
    const cause = await readFile('/does/not/exist').catch((err: unknown) => err);
    const err = new PosternError('CONFIG_UNREADABLE', 'Cannot read "x"', { cause });
    expect(cleanError(err)).toEqual({
      type: 'PosternError',
      code: 'CONFIG_UNREADABLE',
      message: 'Cannot read "x"',
      cause: expect.objectContaining({
        code: 'ENOENT',
        message: expect.stringContaining('ENOENT'),
      }),
    });
  });

  it('keeps the stack of a bug, and only its frames', () => {
    const err = new TypeError('boom\n    at evil (/etc/passwd:1:1)');
    const { stack, message } = cleanError(err);
    expect(message).toContain('evil');
    expect(stack).not.toContain('evil');
    expect(stack).toContain('log-value.test.ts');
    expect(stack?.split('\n').every((line) => line.startsWith('    at '))).toBe(true);
  });

  it('follows the first of several errors, and no cycle', () => {
    const first = Object.assign(new Error('first'), { code: 'ECONNREFUSED' });
    expect(cleanError(new AggregateError([first], 'all')).cause?.code).toBe('ECONNREFUSED');
    first.cause = first;
    expect(cleanError(first).cause).toBeUndefined();
    let chain = new Error('0');
    for (let i = 1; i < 100; i += 1) chain = new Error(String(i), { cause: chain });
    expect(JSON.stringify(cleanError(chain)).match(/"message"/g)).toHaveLength(8);
  });

  it('describes what is not an error', () => {
    expect(cleanError('text')).toEqual({ type: 'string', message: 'text' });
    expect(cleanError(undefined)).toEqual({ type: 'undefined', message: 'undefined' });
    expect(cleanError(new Error('x', { cause: 'pst_0123456789abcdef0' })).cause?.message).toBe(
      'pst_[redacted]',
    );
  });
});
