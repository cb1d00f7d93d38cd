import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { parseControl } from '../../../../src/protocol/message/control-message.ts';
import { bad, json, MESSAGES, REGISTER } from './messages.ts';

describe('parseRegister()', () => {
  it('reads which dead runs a connector comes after, and that it drains', () => {
    const message = { ...REGISTER, replaces: ['one run', 'r'.repeat(64)], draining: true };
    expect(parseControl(json(message))).toEqual(message);
    expect(parseControl(json({ ...REGISTER, draining: false }))).toEqual(REGISTER);
  });

  it('reads who a client is, and for whom it is taken', () => {
    const register = { type: 'register', role: 'client', credential: 'c' };
    expect(parseControl(json(register))).toEqual(register);
    const admitted = { type: 'admitted', gateway: 'g', user: 'ann@example.com' };
    expect(parseControl(json(admitted))).toEqual(admitted);
    expect(() => parseControl(json({ ...register, credential: 1 }))).toThrow(bad());
    expect(() => parseControl(json({ ...admitted, user: 'u'.repeat(1_025) }))).toThrow(bad());
  });

  it('takes a date of a replica only where there is one', () => {
    // The last millisecond that Date knows: listings print it.
    const startedAt = (ms: number): Buffer =>
      json({ ...REGISTER, replica: { ...REGISTER.replica, startedAt: ms } });
    expect(parseControl(startedAt(8.64e15))).toMatchObject({ replica: { startedAt: 8.64e15 } });
    expect(() => parseControl(startedAt(8.64e15 + 1))).toThrow(bad('startedAt'));
  });

  it.each([
    ['register', 'role', 'gateway'],
    ['register', 'token', null],
    ['register', 'token', 't'.repeat(1_025)],
    ['register', 'draining', 1],
    ['register', 'replaces', 'a-run'],
    ['register', 'replaces', ['']],
    ['register', 'replaces', [7]],
    ['register', 'replaces', ['r'.repeat(65)]],
    ['register', 'replaces', Array.from({ length: LIMITS.replacedRuns + 1 }, () => 'r')],
    ['register', 'link', -1],
    ['register', 'link', 1.5],
    ['register', 'link', '0'],
    ['register', 'link', 2 ** 53],
    ['register', 'replica', []],
    ['register', 'replica', { ...REGISTER.replica, hostname: 'h'.repeat(254) }],
    ['register', 'replica', { ...REGISTER.replica, platform: 'p'.repeat(65) }],
  ])('refuses %s with a wrong "%s"', (type, key, value) => {
    const message = MESSAGES.find((m) => m.type === type);
    expect(() => parseControl(json({ ...message, [key]: value }))).toThrow(bad());
  });
});
