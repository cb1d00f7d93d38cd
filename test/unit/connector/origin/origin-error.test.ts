import { describe, expect, it } from '@jest/globals';
import { connectError, tlsError } from '../../../../src/connector/origin/origin-error.ts';
import { isResetCode } from '../../../../src/protocol/reset-code.ts';

function nodeError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

describe('connectError()', () => {
  it.each([
    ['ECONNREFUSED', 'ORIGIN_REFUSED', 'nothing listens there'],
    ['ECONNRESET', 'ORIGIN_RESET', 'it closed the connection at once'],
    ['ETIMEDOUT', 'ORIGIN_TIMEOUT', 'it does not answer'],
    ['EHOSTUNREACH', 'ORIGIN_UNREACHABLE', 'there is no way to the host'],
    ['ENETUNREACH', 'ORIGIN_UNREACHABLE', 'there is no way to the network'],
    ['EMFILE', 'ORIGIN_UNREACHABLE', 'too many files are open in this process'],
    ['EWEIRD', 'ORIGIN_UNREACHABLE', 'connect EWEIRD'],
  ])('%s becomes %s, which may travel in a RESET', (code, expected, reason) => {
    const error = connectError('db:5432', [nodeError(code)]);
    expect(error).toMatchObject({
      code: expected,
      message: `Cannot connect to "db:5432": ${reason}`,
    });
    expect(isResetCode(error.code)).toBe(true);
  });

  it.each([
    [['ENETUNREACH', 'ECONNREFUSED', 'ETIMEDOUT'], 'ORIGIN_REFUSED'],
    [['ENETUNREACH', 'ETIMEDOUT'], 'ORIGIN_TIMEOUT'],
    [['EADDRNOTAVAIL', 'EHOSTUNREACH'], 'ORIGIN_UNREACHABLE'],
  ])('of %j the most telling one is reported', (codes, expected) => {
    expect(connectError('db:5432', codes.map(nodeError)).code).toBe(expected);
  });
});

it('tlsError() always says what failed, and may travel in a RESET', () => {
  const error = tlsError('db:5432', 'db', nodeError('ERR_SSL_SOMETHING_NEW'));
  expect(error).toMatchObject({
    code: 'ORIGIN_TLS',
    message: 'Cannot speak TLS with "db:5432": connect ERR_SSL_SOMETHING_NEW',
  });
  expect(isResetCode(error.code)).toBe(true);
});
