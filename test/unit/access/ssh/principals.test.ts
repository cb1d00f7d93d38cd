/** Which user names come out of an identity: plain ones, or none. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { Identity } from '../../../../src/access/identity.ts';
import { principalsFor, servicePrincipalsFor } from '../../../../src/access/ssh/principals.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

const PREFIX = { from: 'email-prefix' } as const;
const LOGIN = { from: 'claim', name: 'login' } as const;

function person(own: Partial<Identity> = {}): Identity {
  return {
    provider: 'corp',
    subject: '1',
    email: 'ann.lee@example.com',
    groups: [],
    methods: [],
    claims: {},
    ...own,
  };
}

describe('principalsFor()', () => {
  it('takes what stands before the "@" of the e-mail', () => {
    expect(principalsFor(person(), PREFIX)).toEqual(['ann.lee']);
  });

  it('gives nothing to somebody without an e-mail', () => {
    const { email: _email, ...nameless } = person();
    expect(principalsFor(nameless, PREFIX)).toEqual([]);
  });

  it.each([
    ['a name', 'ann', ['ann']],
    ['several names, each once', ['ann', 'deploy', 'ann'], ['ann', 'deploy']],
    ['names among others', ['Domain Users', 'ann', '*', ''], ['ann']],
    ['a number', 7, []],
    ['nothing', undefined, []],
    ['names in a list in a list', [['ann']], []],
  ])('takes a claim that holds %s', (_what, value, expected) => {
    const identity = person({ claims: { login: value } });
    expect(principalsFor(identity, LOGIN)).toEqual(expected);
  });

  it('does not take what every object has for a claim', () => {
    expect(principalsFor(person(), { from: 'claim', name: 'constructor' })).toEqual([]);
  });

  it('takes the names of the rule for everybody', () => {
    expect(principalsFor(person(), { from: 'list', names: ['deploy', 'root'] })).toEqual([
      'deploy',
      'root',
    ]);
  });

  it('takes no more than the limit from a claim', () => {
    const claims = { login: Array.from({ length: 100 }, (_, i) => `user${i}`) };
    expect(principalsFor(person({ claims }), LOGIN)).toHaveLength(LIMITS.sshPrincipals);
  });

  it('K16 does not make an address root@… into root', () => {
    expect(principalsFor(person({ email: 'root@example.com' }), PREFIX)).toEqual([]);
  });

  it.each(['*', '', ' ', 'a b', 'a,b', 'a\nb', '-l', '!ann', 'a@b', 'a/b', '.x', 'a'.repeat(65)])(
    'K16 does not take %j for a user name, from a claim, an e-mail or a token',
    (name) => {
      const identity = person({ email: `${name}@example.com`, claims: { login: name } });
      const found = [
        principalsFor(identity, LOGIN),
        servicePrincipalsFor({ id: 'x', name }, LOGIN),
        // The part before the first "@" of such an address is another name.
        ...(name.includes('@') ? [] : [principalsFor(identity, PREFIX)]),
      ];
      expect(found.flat()).toEqual([]);
    },
  );

  it('K16 never gives anything but plain names', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.array(fc.string())), (login) => {
        const found = principalsFor(person({ claims: { login } }), LOGIN);
        expect(found.every((name) => /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name))).toBe(true);
      }),
    );
  });
});

describe('servicePrincipalsFor()', () => {
  const token = { id: 'x', name: 'ci-deploy' };

  it('takes the name of the token', () => {
    expect(servicePrincipalsFor(token, PREFIX)).toEqual(['ci-deploy']);
  });

  it('takes the names of a list', () => {
    expect(servicePrincipalsFor(token, { from: 'list', names: ['deploy'] })).toEqual(['deploy']);
  });

  it('K16 does not make a token named root into root', () => {
    expect(servicePrincipalsFor({ id: 'x', name: 'root' }, PREFIX)).toEqual([]);
  });
});
