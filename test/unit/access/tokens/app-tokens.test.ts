import { describe, expect, it } from '@jest/globals';
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
} from 'jose';

import { AppTokens } from '../../../../src/access/tokens/app-tokens.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { accessCore, ANNS_BROWSER, type AccessCore } from '../../../support/access-core.ts';

async function aToken(core: AccessCore, application = 'wiki'): Promise<string> {
  const { session } = await core.sessions.create(ANNS_BROWSER);
  return core.tokens.mint({ session, application, expiresAt: session.expiresAt });
}

/** The token with something else in its header or payload. */
function forge(token: string, part: 0 | 1, change: object): string {
  const parts = token.split('.');
  const content: object = JSON.parse(Buffer.from(parts[part] ?? '', 'base64url').toString());
  parts[part] = Buffer.from(JSON.stringify({ ...content, ...change })).toString('base64url');
  return parts.join('.');
}

describe('app tokens', () => {
  it('a token says who it is for, where, and until when', async () => {
    const core = await accessCore();
    const { session } = await core.sessions.create(ANNS_BROWSER);
    const expiresAt = core.clock.wall() + 60_000;
    const input = { session, application: 'wiki', expiresAt, purpose: 'to read' };
    const token = await core.tokens.mint(input);
    const expected = {
      application: 'wiki',
      sessionId: session.id,
      expiresAt,
      purpose: 'to read',
    };
    expect(await core.tokens.verify(token, 'wiki')).toEqual(expected);
    expect(core.tokens.verify(token, 'wiki')).toEqual(expected);
    expect(decodeJwt(token)).toMatchObject({
      iss: 'https://auth.postern.test:8443',
      aud: 'wiki',
      sub: 'u1',
      email: 'ann@example.com',
    });
  });

  it('C4 a token of one application is worth nothing at another', async () => {
    const core = await accessCore();
    const token = await aToken(core, 'wiki');
    expect(await core.tokens.verify(token, 'payroll')).toBeUndefined();
    expect(await core.tokens.verify(token, 'wiki')).toBeDefined();
    expect(await core.tokens.verify(token, 'payroll')).toBeUndefined();
  });

  it('C6 a token that was changed is worth nothing', async () => {
    const core = await accessCore();
    const token = await aToken(core);
    const [head, body, signature = ''] = token.split('.');
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = await exportJWK(publicKey);
    const claims = decodeJwt(token);
    const foreign = new SignJWT(claims).setProtectedHeader({
      alg: 'ES256',
      typ: 'postern-app+jwt',
      kid: decodeProtectedHeader(token).kid ?? '',
      jwk,
      jku: 'https://evil.example/jwks.json',
    });
    const forged = [
      forge(token, 1, { aud: 'payroll' }),
      forge(token, 1, { sid: 'another' }),
      forge(token, 1, { exp: 9_999_999_999 }),
      `${forge(token, 0, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`,
      `${head}.${body}.`,
      forge(token, 0, { alg: 'HS256' }),
      forge(token, 0, { kid: '../../../dev/null' }),
      forge(token, 0, { kid: 42 }),
      forge(token, 0, { jwk }),
      await foreign.sign(privateKey),
      `${head}.${body}.${signature.toUpperCase()}`,
      '',
      'a.b.c',
      'x'.repeat(1_000_000),
    ];
    for (const text of forged) {
      expect(await core.tokens.verify(text, 'wiki')).toBeUndefined();
      expect(await core.tokens.verify(text, 'payroll')).toBeUndefined();
    }
  });

  it('C7 a token is good across a change of keys, and not after the old key is gone', async () => {
    const core = await accessCore();
    await core.keys.current();
    await core.pass(29 * LIMITS.appTokenMs);
    await core.keys.tend();
    await core.pass(0.9 * LIMITS.appTokenMs);
    const token = await aToken(core);
    await core.pass(0.2 * LIMITS.appTokenMs);
    expect((await core.keys.current()).kid).not.toBe(decodeProtectedHeader(token).kid);
    expect(await core.tokens.verify(token, 'wiki')).toBeDefined();
    const other = new AppTokens(core.keys, core.address, core.clock);
    await core.pass(2 * LIMITS.appTokenMs);
    await core.keys.tend();
    expect(await other.verify(token, 'wiki')).toBeUndefined();
  });

  it('C8 what an origin is told is no token, and a token is no statement for origins', async () => {
    const core = await accessCore();
    const { session } = await core.sessions.create(ANNS_BROWSER);
    const assertion = await core.tokens.assertion({ session }, 'wiki');
    expect(await core.tokens.verify(assertion, 'wiki')).toBeUndefined();
    const { kid } = decodeProtectedHeader(assertion);
    const key = await core.keys.find(kid ?? '');
    const currentDate = new Date(core.clock.wall());
    const { payload, protectedHeader } = await jwtVerify(assertion, key ?? new Uint8Array(), {
      currentDate,
    });
    expect(protectedHeader.typ).toBe('postern-assertion+jwt');
    expect(payload).toMatchObject({ aud: 'wiki', sub: 'u1', groups: ['staff'], idp: 'corp' });
    expect((payload.exp ?? 0) * 1000 - core.clock.wall()).toBe(LIMITS.assertionMs);
    const machine = { id: 'id', name: 'ci' };
    const ofMachine = await core.tokens.assertion({ serviceToken: machine }, 'wiki');
    expect(decodeJwt(ofMachine)).toMatchObject({ sub: 'id', service_token: 'ci', aud: 'wiki' });
    expect(AppTokens.isAppToken(assertion)).toBe(false);
    expect(AppTokens.isAppToken(await aToken(core))).toBe(true);
    expect(AppTokens.isAppToken('eyx')).toBe(false);
  });

  it('a token ends with the session, and after LIMITS.appTokenMs', async () => {
    const core = await accessCore();
    const { session } = await core.sessions.create({ ...ANNS_BROWSER, kind: 'client' });
    const late = { session, application: 'wiki', expiresAt: Infinity };
    const claims = await core.tokens.verify(await core.tokens.mint(late), 'wiki');
    expect(claims?.expiresAt).toBe(
      Math.min(session.expiresAt, core.clock.wall() + LIMITS.appTokenMs),
    );
    const token = await aToken(core);
    expect(await core.tokens.verify(token, 'wiki')).toBeDefined();
    await core.pass(8 * 3_600_000);
    expect(await core.tokens.verify(token, 'wiki')).toBeUndefined();
  });
});
