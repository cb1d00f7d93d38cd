import { describe, expect, it } from '@jest/globals';
import { parseIdentity } from '../../../../src/cli/gateway/identity-argument.ts';

describe('parseIdentity()', () => {
  it('reads what policies look at', async () => {
    const text = 'email=ann@example.com,group=a,group=b,provider=corp,method=mfa,claim.team=it=1';
    expect(await parseIdentity(text)).toEqual({
      subject: 'ann@example.com',
      email: 'ann@example.com',
      groups: ['a', 'b'],
      provider: 'corp',
      methods: ['mfa'],
      claims: { team: 'it=1' },
    });
  });

  it('makes a list of a claim that is given several times', async () => {
    const identity = await parseIdentity('claim.a.b=1,claim.a.b=2,claim.a.b=3,claim.c=4');
    expect(identity?.claims).toEqual({ 'a.b': ['1', '2', '3'], c: '4' });
  });

  it('takes every name of a claim for a name', async () => {
    const identity = await parseIdentity('claim.__proto__=x,claim.constructor=y');
    expect(Object.entries(identity?.claims ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  it.each(['none', ''])('%j is nobody', async (text) => {
    expect(await parseIdentity(text)).toBeUndefined();
  });

  it.each(['ann', 'email', 'email=', '=x', 'groups=a', 'claim.=x', 'email=a@b,,group=c', 'a=b'])(
    'refuses %j',
    async (text) => {
      await expect(parseIdentity(text)).rejects.toMatchObject({ code: 'CLI_USAGE' });
    },
  );

  it('refuses a file that is not there', async () => {
    await expect(parseIdentity('@/nowhere/ann.json')).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
    });
  });
});
