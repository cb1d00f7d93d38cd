import { describe, expect, it } from '@jest/globals';

import { exitCodeOf } from '../../../src/cli/exit-code.ts';
import { ERROR_CODES } from '../../../src/core/error-codes.ts';

describe('exitCodeOf()', () => {
  it.each([
    ['CONFIG_SYNTAX', 2],
    ['CONFIG_PORT_IN_USE', 2],
    ['CLI_USAGE', 2],
    ['ADMIN_BAD_REQUEST', 2],
    ['REGISTER_REFUSED', 3],
    ['REGISTER_REVOKED', 3],
    ['ACCESS_SIGN_IN', 3],
    ['ACCESS_REVOKED', 3],
    ['ACCESS_DENIED', 4],
    ['ACCESS_PURPOSE', 4],
    ['ROUTE_NO_REPLICA', 1],
    ['LINK_TLS', 1],
    ['STORE_NOT_FOUND', 1],
    ['CLI_NOT_READY', 1],
    ['REGISTER_TIMEOUT', 1],
    ['ENOENT', 1],
  ])('%s is %i', (code, status) => {
    expect(exitCodeOf({ code })).toBe(status);
  });

  it('is never 0 for something that was thrown', () => {
    for (const code of Object.keys(ERROR_CODES)) expect(exitCodeOf({ code })).toBeGreaterThan(0);
    for (const thrown of [undefined, null, 'text', new TypeError('bug'), { code: 7 }]) {
      expect(exitCodeOf(thrown)).toBe(1);
    }
  });
});
