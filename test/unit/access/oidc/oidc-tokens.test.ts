import { createPublicKey } from 'node:crypto';

import { expect, it } from '@jest/globals';
import {
  exportSPKI,
  generateKeyPair,
  importJWK,
  SignJWT,
  UnsecuredJWT,
  type CryptoKey,
} from 'jose';

import type { Malformations } from '../../../support/hostile-oidc-provider.ts';
import { lastReason, oidcLab, signIn, type OidcLab } from '../../../support/oidc-lab.ts';

const SECRET = 'client-secret-of-forty-characters-and-more';

type Signs = NonNullable<Malformations['sign']>;

async function refusedWith(malform: Malformations, reason = 'invalid-response'): Promise<OidcLab> {
  const lab = await oidcLab();
  lab.provider.malform = malform;
  expect((await signIn(lab)).status).toBe(400);
  expect(lastReason(lab)).toBe(reason);
  expect(lab.sessions.all.size).toBe(0);
  return lab;
}

const seconds = () => Math.floor(Date.now() / 1000);

it('O6 an ID token without the nonce, or with another, is refused', async () => {
  await refusedWith({ claims: (claims) => ({ ...claims, nonce: undefined }) });
  await refusedWith({ claims: (claims) => ({ ...claims, nonce: 'another' }) });
});

it('O12 an ID token of another issuer is refused', async () => {
  await refusedWith({ claims: (claims) => ({ ...claims, iss: 'https://other.example' }) });
});

it('O13 an ID token for another client is refused', async () => {
  await refusedWith({ claims: (claims) => ({ ...claims, aud: 'other' }) });
  await refusedWith({ claims: (claims) => ({ ...claims, aud: ['postern', 'other'] }) });
  await refusedWith({
    claims: (claims) => ({ ...claims, aud: ['postern', 'other'], azp: 'other' }),
  });
  await refusedWith({ claims: (claims) => ({ ...claims, azp: 'other' }) });
});

it('O14 an unsigned ID token is refused, also where the provider says that it signs nothing', async () => {
  const sign: Signs = (_, claims) => new UnsecuredJWT(claims).encode();
  await refusedWith({ sign });
  await refusedWith({
    sign,
    metadata: (metadata) => ({ ...metadata, id_token_signing_alg_values_supported: ['none'] }),
  });
});

it('O15 an ID token signed with a shared key is refused: the client secret, or the public key', async () => {
  const hmac =
    (key: Uint8Array): Signs =>
    (header, claims) =>
      new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(key);
  const offersHmac: Malformations['metadata'] = (metadata) => ({
    ...metadata,
    id_token_signing_alg_values_supported: ['RS256', 'HS256'],
  });
  await refusedWith({ sign: hmac(Buffer.from(SECRET)) });
  await refusedWith({ sign: hmac(Buffer.from(SECRET)), metadata: offersHmac });

  const lab = await oidcLab();
  const [key] = lab.provider.keys;
  const publicKey = (await importJWK(key?.jwk ?? { kty: 'RSA' }, 'RS256')) as CryptoKey;
  const pem = Buffer.from(await exportSPKI(publicKey));
  expect(createPublicKey(pem).asymmetricKeyType).toBe('rsa');
  lab.provider.malform = { sign: hmac(pem), metadata: offersHmac };
  expect((await signIn(lab)).status).toBe(400);
  expect(lab.sessions.all.size).toBe(0);
});

it('O16 an ID token signed by a foreign key is refused', async () => {
  const { privateKey } = await generateKeyPair('RS256');
  await refusedWith({
    sign: (header, claims) =>
      new SignJWT(claims).setProtectedHeader({ ...header, alg: 'RS256' }).sign(privateKey),
  });
});

it('O17 an unknown key id is refused, and so is none where there are several keys', async () => {
  const lab = await refusedWith({ header: (header) => ({ ...header, kid: 'unknown' }) });
  expect(lab.provider.jwksRequests).toBe(1);

  const several = await oidcLab();
  await several.provider.addKey('key-2');
  several.provider.malform = { header: (header) => ({ ...header, kid: undefined }) };
  expect((await signIn(several)).status).toBe(400);
  several.provider.malform = {};
  expect((await signIn(several)).status).toBe(303);
});

it('A2 keys are asked for once a minute at most, whatever key ids tokens name', async () => {
  const lab = await oidcLab();
  for (let count = 0; count < 10; count += 1) {
    lab.provider.malform = { header: (header) => ({ ...header, kid: `random-${count}` }) };
    // oxlint-disable-next-line no-await-in-loop
    expect((await signIn(lab)).status).toBe(400);
  }
  expect(lab.provider.jwksRequests).toBe(1);
});

it('O18 metadata of another issuer, and addresses without TLS, are refused', async () => {
  const down = async (metadata: Malformations['metadata']) => {
    const lab = await oidcLab();
    lab.provider.malform = metadata === undefined ? {} : { metadata };
    expect((await lab.browser.get('/.postern/sign-in/corp')).status).toBe(503);
    expect(lastReason(lab)).toBe('provider-down');
  };
  await down((metadata) => ({ ...metadata, issuer: 'https://other.example' }));

  for (const endpoint of ['jwks_uri', 'token_endpoint', 'userinfo_endpoint']) {
    // oxlint-disable-next-line no-await-in-loop
    const lab = await oidcLab();
    lab.provider.malform = {
      metadata: (metadata) => ({ ...metadata, [endpoint]: 'http://192.0.2.1/x' }),
    };
    // oxlint-disable-next-line no-await-in-loop
    expect((await signIn(lab)).status).toBe(503);
    expect(lab.sessions.all.size).toBe(0);
  }
});

it('O19 an ID token that ended 20 s ago is accepted, one that ended 40 s ago is not', async () => {
  const lab = await oidcLab();
  lab.provider.malform = { claims: (claims) => ({ ...claims, exp: seconds() - 20 }) };
  expect((await signIn(lab)).status).toBe(303);
  await refusedWith({ claims: (claims) => ({ ...claims, exp: seconds() - 40 }) });
});

it('O20 an ID token from the future is refused', async () => {
  await refusedWith({
    claims: (claims) => ({ ...claims, iat: seconds() + 3600, exp: seconds() + 7200 }),
  });
});

it('O21 UserInfo about somebody else is refused', async () => {
  await refusedWith({ userInfo: (claims) => ({ ...claims, sub: 'user-2' }) });
});

it('O22 an address that is not verified is not taken over', async () => {
  const lab = await oidcLab();
  lab.provider.user['email_verified'] = false;
  expect((await signIn(lab)).status).toBe(303);
  const [session] = lab.sessions.all.values();
  expect(session?.identity.email).toBeUndefined();
  expect(session?.identity.subject).toBe('user-1');
});

it('A8 no token reaches the log, the audit log or a page', async () => {
  const lab = await oidcLab();
  lab.provider.malform = {
    claims: (claims) => ({ ...claims, canary: 'canary-5d1e' }),
    tokens: (answer) => ({ ...answer, access_token: 'canary-5d1e', expires_in: 'never' }),
  };
  const answer = await signIn(lab);
  expect(answer.status).toBe(400);
  expect(JSON.stringify([lab.audit, lab.log, answer])).not.toMatch(/canary-5d1e|refresh-|eyJ/);
});
