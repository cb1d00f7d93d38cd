import { describe, expect, it } from '@jest/globals';
import { isLoopback } from '../../../src/core/loopback.ts';

describe('isLoopback()', () => {
  it.each(['localhost', '127.0.0.1', '127.255.0.3', '::1', '[::1]'])('%s is', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['', '0.0.0.0', '128.0.0.1', '127.0.0.999', '127.evil.test', 'localhost.test', '::'])(
    '"%s" is not',
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});
