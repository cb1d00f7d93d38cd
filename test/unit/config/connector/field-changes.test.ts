import { describe, expect, it } from '@jest/globals';
import { applyChanges, parseChanges } from '../../../../src/config/connector/field-changes.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { HOP_BY_HOP } from '../../../../src/core/hop-by-hop.ts';

const refused = expect.objectContaining({ code: 'CONFIG_INVALID' });

describe('applyChanges()', () => {
  it('replaces, adds and removes, and keeps the rest as it is', () => {
    const changes = parseChanges('request', {
      set: [
        ['X-Set', 'new'],
        ['X-More', 'a, b'],
      ],
      remove: ['X-Gone'],
    });
    const fields = ['Host', 'a', 'x-set', '1', 'X-SET', '2', 'X-Gone', '3', 'Keep', '4'];
    expect(applyChanges(changes, fields)).toEqual(
      ['Host', 'a', 'Keep', '4', 'x-set', 'new', 'x-more', 'a, b'].flat(),
    );
  });

  it('knows a name by what an origin may read it as', () => {
    const changes = parseChanges('request', { set: [['x-user', 'app']], remove: ['x-role'] });
    expect(applyChanges(changes, ['X_User', 'eve', 'X.Role', 'admin'])).toEqual(['x-user', 'app']);
  });
});

describe('parseChanges()', () => {
  it.each([...HOP_BY_HOP, 'host', 'content-length', 'expect'])('changes nothing of %s', (name) => {
    for (const kind of ['request', 'response'] as const) {
      expect(() => parseChanges(kind, { set: [[name, 'x']] })).toThrow(refused);
      expect(() => parseChanges(kind, { remove: [name.toUpperCase()] })).toThrow(refused);
    }
  });

  it.each(['Postern-Access-Jwt-Assertion', 'X-Forwarded-For', 'X_Forwarded_Host', 'X-Request-Id'])(
    'lets %s be removed from requests and not set',
    (name) => {
      expect(() => parseChanges('request', { set: [[name, 'x']] })).toThrow(refused);
      expect(parseChanges('request', { remove: [name] }).remove).toEqual([name.toLowerCase()]);
    },
  );

  it('sets no cookies of responses', () => {
    expect(() => parseChanges('response', { set: [['Set-Cookie', 'a=b']] })).toThrow(refused);
    expect(parseChanges('response', { remove: ['Set-Cookie'] }).remove).toEqual(['set-cookie']);
  });

  it.each([
    ['a b', 'x'],
    ['', 'x'],
    ['a:', 'x'],
    ['ä', 'x'],
    ['a', 'x\r\nY: z'],
    ['a', 'x\u0000'],
    ['a', ' x'],
    ['a', 'x '],
    ['a', 'ἀ'],
    ['a', 'x'.repeat(LIMITS.setFieldChars + 1)],
  ])('refuses %j: %j', (name, value) => {
    expect(() => parseChanges('request', { set: [[name, value]] })).toThrow(refused);
  });

  it('takes an empty value, and one as long as may be', () => {
    const long = 'x'.repeat(LIMITS.setFieldChars);
    const { set } = parseChanges('response', {
      set: [
        ['a', ''],
        ['b', long],
      ],
    });
    expect(set).toEqual([
      ['a', ''],
      ['b', long],
    ]);
  });

  it('refuses a field that is there twice, and more than may be changed', () => {
    expect(() => parseChanges('request', { set: [['a', 'x']], remove: ['A'] })).toThrow(/twice/);
    const names = Array.from({ length: LIMITS.changedFields + 1 }, (_, index) => `x-${index}`);
    expect(() => parseChanges('request', { remove: names })).toThrow(refused);
    expect(parseChanges('request', { remove: names.slice(1) }).remove).toHaveLength(
      LIMITS.changedFields,
    );
  });
});
