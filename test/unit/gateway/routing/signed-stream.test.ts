import { describe, expect, it } from '@jest/globals';

import { signedStream } from '../../../../src/gateway/routing/signed-stream.ts';

const REQUEST = { kind: 'http', hostname: 'a.test', rule: 'r', requestId: 'q' } as const;
const RIGHT = { by: 'user', application: { name: 'wiki' }, principal: {} } as const;

/** Writes down what it is asked to sign. */
function signer(answer: string | undefined) {
  const asked: unknown[] = [];
  return { asked, sign: (...what: unknown[]) => (asked.push(what), answer) };
}

describe('the request of a stream', () => {
  it('is what it was where the rule does not ask, and nothing is signed', () => {
    const { asked, sign } = signer('signed');
    for (const rule of [{}, undefined]) {
      expect(signedStream({ sign }, rule, REQUEST, RIGHT)).toBe(REQUEST);
    }
    expect(asked).toEqual([]);
  });

  it('is signed where the rule asks, and where there is something to sign', () => {
    const rule = { access: true } as const;
    const { asked, sign } = signer('signed');
    expect(signedStream({ sign }, rule, REQUEST, RIGHT)).toEqual({
      ...REQUEST,
      assertion: 'signed',
    });
    expect(asked).toEqual([[REQUEST, RIGHT]]);
    expect(signedStream({ sign }, rule, REQUEST, undefined)).toBe(REQUEST);
    expect(signedStream(signer(undefined), rule, REQUEST, RIGHT)).toBe(REQUEST);
  });
});
