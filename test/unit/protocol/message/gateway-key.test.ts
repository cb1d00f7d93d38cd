import { describe, expect, it } from '@jest/globals';

import { parseControl } from '../../../../src/protocol/message/control-message.ts';
import { bad, GATEWAY_KEY, json, MESSAGES } from './messages.ts';

describe('parseGatewayKeys()', () => {
  it('reads what a gateway signs with, and passes over what it could not check', () => {
    const registered = MESSAGES.find(({ type }) => type === 'registered');
    const message = { ...registered, keys: [GATEWAY_KEY] };
    expect(parseControl(json(message))).toEqual(message);
    const keys = [
      { ...GATEWAY_KEY, alg: 'ES256', d: 'private' },
      { kid: 'later', kty: 'OKP', crv: 'Ed25519', x: 'x' },
      { ...GATEWAY_KEY, crv: 'P-521' },
    ];
    expect(parseControl(json({ type: 'keys', keys }))).toEqual({
      type: 'keys',
      keys: [GATEWAY_KEY],
    });
  });

  it.each([
    ['registered', 'keys', {}],
    ['registered', 'keys', [1]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, kty: 1 }]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, x: 'x' }]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, y: `${'y'.repeat(42)}+` }]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, kid: 'k'.repeat(65) }]],
    ['keys', 'keys', Array.from({ length: 17 }, () => GATEWAY_KEY)],
  ])('refuses %s with a wrong "%s"', (type, key, value) => {
    const message = MESSAGES.find((m) => m.type === type);
    expect(() => parseControl(json({ ...message, [key]: value }))).toThrow(bad());
  });
});
