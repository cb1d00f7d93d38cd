import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { parseControl } from '../../../../src/protocol/message/control-message.ts';
import { bad, json, MESSAGES, OPEN } from './messages.ts';
import { cpuMs } from '../../../support/cpu-time.ts';

describe('parseControl()', () => {
  it.each(MESSAGES.map((message) => [message.type, message] as const))(
    'reads %s',
    (_type, message) => {
      expect(parseControl(json(message))).toEqual(message);
    },
  );

  it('reads how long a gateway keeps detached streams', () => {
    const registered = MESSAGES.find(({ type }) => type === 'registered');
    const message = { ...registered, resumeMs: 30_000 };
    expect(parseControl(json(message))).toEqual(message);
  });

  it('reads which origins of a connector are not well', () => {
    const health = { type: 'health', revision: 7, unhealthy: ['a1', 'b2'] };
    expect(parseControl(json(health))).toEqual(health);
    expect(() => parseControl(json({ ...health, unhealthy: ['x'.repeat(65)] }))).toThrow(/ids/);
    expect(() => parseControl(json({ ...health, unhealthy: [1] }))).toThrow(/ids/);
    const most = Array.from({ length: LIMITS.announcedRules + 1 }, () => 'a');
    expect(() => parseControl(json({ ...health, unhealthy: most }))).toThrow(
      /more than 500 entries/,
    );
  });

  it('drops keys that it does not know', () => {
    expect(parseControl(json({ type: 'rules', rules: [], later: 1 }))).toEqual({
      type: 'rules',
      rules: [],
    });
  });

  it('passes over types that it does not know', () => {
    expect(parseControl(json({ type: 'later' }))).toBeUndefined();
    expect(parseControl(json({ type: '__proto__' }))).toBeUndefined();
    expect(parseControl(json({ type: 'constructor' }))).toBeUndefined();
  });

  it('passes over versions, features and states that it does not know', () => {
    const hello = { type: 'hello', versions: ['1', 1, {}], features: [1, 'x'] };
    expect(parseControl(json({ ...hello, software: 's', process: 'p' }))).toMatchObject({
      versions: [1],
      features: ['x'],
    });
    const hostnames = { a: 'routed', b: 'later', c: 1 };
    expect(parseControl(json({ type: 'hostnames', hostnames }))).toMatchObject({
      hostnames: { a: 'routed' },
    });
  });

  it.each([
    ['nothing', ''],
    ['half a message', '{"type":"rul'],
    ['two messages', '{"type":"a"}{"type":"b"}'],
    ['text that is no UTF-8', Buffer.from('7b2274797065ff', 'hex').toString('latin1')],
    ['a list', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['a string', '"hello"'],
    ['an object without a type', '{}'],
    ['a type that is no string', '{"type":1}'],
    ['a type that is inherited', '{"__proto__":{"type":"rules","rules":[]}}'],
  ])('refuses %s', (_what, text) => {
    expect(() => parseControl(json(text))).toThrow(bad());
  });

  it.each([
    ['hello', 'versions', 1],
    ['hello', 'versions', Array.from({ length: 17 }, () => 1)],
    ['hello', 'features', {}],
    ['hello', 'software', undefined],
    ['hello', 'software', 's'.repeat(1_025)],
    ['hello', 'process', 'p'.repeat(65)],
    ['registered', 'tunnel', { id: 'i'.repeat(65), name: 'n' }],
    ['registered', 'gateway', 1],
    ['registered', 'hostnames', []],
    ['registered', 'resumeMs', -1],
    ['registered', 'resumeMs', 24 * 24 * 3_600_000 + 1],
    ['refused', 'permanent', 1],
    ['refused', 'message', 'm'.repeat(1_025)],
    ['admitted', 'gateway', 1],
    ['end', 'keys', ['short']],
    ['end', 'keys', [1]],
    ['end', 'keys', Array.from({ length: 501 }, () => OPEN.key)],
    ['drain', 'dialAgainMs', -1],
    ['drain', 'graceMs', 'soon'],
  ])('refuses %s with a wrong "%s"', (type, key, value) => {
    const message = MESSAGES.find((m) => m.type === type);
    expect(() => parseControl(json({ ...message, [key]: value }))).toThrow(bad());
  });

  it('refuses each message that lacks a key, and names the key', () => {
    for (const message of MESSAGES) {
      for (const key of Object.keys(message).filter((k) => k !== 'type')) {
        const { [key as 'type']: _, ...rest } = message;
        expect(() => parseControl(json(rest))).toThrow(bad(key));
      }
    }
  });

  it('is not fooled by keys of the prototype', () => {
    const hostnames =
      '{"type":"hostnames","hostnames":{"__proto__":"routed","constructor":"refused","toString":"routed"}}';
    const message = parseControl(json(hostnames)) as { hostnames: Record<string, string> };
    expect(Object.getPrototypeOf(message.hostnames)).toBeNull();
    expect(Object.entries(message.hostnames)).toEqual([
      ['__proto__', 'routed'],
      ['constructor', 'refused'],
      ['toString', 'routed'],
    ]);
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('routed');
    // A key that only the prototype has is not there.
    expect(() => parseControl(json('{"type":"drain","__proto__":{"reason":"r"}}'))).toThrow(
      bad('reason'),
    );
  });

  it('takes no more time for odd JSON than for other JSON', () => {
    const odd = [
      '['.repeat(LIMITS.controlBytes),
      '{"a":'.repeat(LIMITS.controlBytes / 5),
      `{"type":"later",${Array.from({ length: 5_000 }, (_, i) => `"${i * 7919}":0`).join(',')}}`,
      `{"type":"${'\\u0000'.repeat(10_000)}"}`,
      `{"type":"later","a":${'9'.repeat(60_000)}}`,
    ];
    const begin = process.cpuUsage();
    for (const text of odd) {
      try {
        parseControl(json(text));
      } catch (error) {
        expect(error).toMatchObject({ code: 'PROTO_BAD_CONTROL' });
      }
    }
    expect(cpuMs(begin)).toBeLessThan(3_000);
  });
});
