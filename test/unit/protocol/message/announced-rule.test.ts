import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { parseControl } from '../../../../src/protocol/message/control-message.ts';
import { bad, json, MESSAGES, RULE } from './messages.ts';

describe('parseRules()', () => {
  it('takes as many rules as may be announced and not one more', () => {
    const rules = (count: number): Buffer =>
      json({ type: 'rules', rules: Array.from({ length: count }, () => RULE) });
    expect(parseControl(rules(LIMITS.announcedRules))).toHaveProperty(
      'rules.length',
      LIMITS.announcedRules,
    );
    expect(() => parseControl(rules(LIMITS.announcedRules + 1))).toThrow(bad('rules'));
  });

  it.each([
    ['register', 'rules', {}],
    ['register', 'rules', [null]],
    ['register', 'rules', [[]]],
    ['register', 'rules', [{ ...RULE, id: 'i'.repeat(65) }]],
    ['register', 'rules', [{ ...RULE, hostname: 'h'.repeat(254) }]],
    ['register', 'rules', [{ ...RULE, path: 1 }]],
    ['register', 'rules', [{ ...RULE, path: 'p'.repeat(1_025) }]],
    ['register', 'rules', [{ ...RULE, kind: 'udp' }]],
    ['register', 'rules', [{ ...RULE, http: 1 }]],
    ['register', 'rules', [{ ...RULE, http: { http2: 'yes' } }]],
    ['register', 'rules', [{ ...RULE, http: { keepAliveConnections: -1 } }]],
    ...[
      { rewrite: '/' },
      { rewrite: { path: '/' } },
      { rewrite: { path: '/', to: 't'.repeat(1_025) } },
      { headers: { request: [] } },
      { headers: { request: { set: { a: 'b' } } } },
      { headers: { request: { set: [['a']] } } },
      { headers: { request: { set: [['a', 1]] } } },
      { headers: { response: { remove: [1] } } },
      { headers: { response: { remove: Array(LIMITS.changedFields + 1).fill('a') } } },
      { wholeBodies: 1 },
    ].map((http) => ['register', 'rules', [{ ...RULE, http }]] as const),
    ['register', 'rules', [{ ...RULE, access: 'yes' }]],
  ])('refuses %s with a wrong "%s"', (type, key, value) => {
    const message = MESSAGES.find((m) => m.type === type);
    expect(() => parseControl(json({ ...message, [key]: value }))).toThrow(bad());
  });
});
