import { describe, expect, it } from '@jest/globals';

import type { ErrorCode } from '../../../../src/core/error-codes.ts';
import {
  isReplicaLost,
  mayGoElsewhere,
  type Attempt,
} from '../../../../src/gateway/http/may-go-elsewhere.ts';

const UNSENT: Attempt = {
  method: 'POST',
  isUpgrade: false,
  hasBody: true,
  isBodyStarted: false,
  wasSent: false,
  mayHaveArrived: false,
  hasAnswer: false,
};
const SENT: Attempt = {
  ...UNSENT,
  method: 'GET',
  hasBody: false,
  wasSent: true,
  mayHaveArrived: true,
};

describe('mayGoElsewhere()', () => {
  const allowed: readonly [string, ErrorCode, Attempt][] = [
    ['a POST with a body whose origin refused the connection', 'ORIGIN_REFUSED', UNSENT],
    [
      'a WebSocket whose connector takes no streams',
      'STREAM_REFUSED',
      { ...UNSENT, isUpgrade: true },
    ],
    ['a request whose rule the connector has just lost', 'ORIGIN_NO_RULE', UNSENT],
    ['a GET whose connector died before the answer', 'STREAM_LOST', SENT],
    ['a DELETE whose connector died', 'STREAM_LOST', { ...SENT, method: 'DELETE' }],
    [
      'a GET that an idle connection swallowed, and then the origin was gone',
      'ORIGIN_REFUSED',
      { ...SENT, wasSent: false },
    ],
  ];
  it.each(allowed)('lets %s go on', (_, code, attempt) => {
    expect(mayGoElsewhere(code, attempt)).toBe(true);
  });

  const refused: readonly [string, ErrorCode, Attempt][] = [
    ['a GET that has an answer', 'STREAM_LOST', { ...SENT, hasAnswer: true }],
    ['a POST that may have arrived', 'STREAM_LOST', { ...SENT, method: 'POST' }],
    ['a GET with a body that may have arrived', 'STREAM_LOST', { ...SENT, hasBody: true }],
    ['a WebSocket that may have arrived', 'STREAM_LOST', { ...SENT, isUpgrade: true }],
    ['a body that was begun', 'STREAM_LOST', { ...UNSENT, isBodyStarted: true }],
    ['a GET whose origin hung up', 'ORIGIN_RESET', SENT],
    ['a GET whose origin did not answer in time', 'ORIGIN_TIMEOUT', SENT],
    ['a GET whose answer was no HTTP', 'ORIGIN_BAD_RESPONSE', SENT],
    ['a user whom the connector does not let in', 'ORIGIN_ACCESS', UNSENT],
    ['an origin that the connector must not reach', 'ORIGIN_FORBIDDEN', UNSENT],
    ['a user who may no longer', 'ACCESS_REVOKED', UNSENT],
  ];
  it.each(refused)('does not let %s', (_, code, attempt) => {
    expect(mayGoElsewhere(code, attempt)).toBe(false);
  });
});

describe('isReplicaLost()', () => {
  it('tells a connector that is gone from an origin that is', () => {
    expect(isReplicaLost('STREAM_LOST')).toBe(true);
    expect(isReplicaLost('ORIGIN_REFUSED')).toBe(false);
  });
});
