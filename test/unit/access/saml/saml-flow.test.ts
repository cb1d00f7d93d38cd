import { X509Certificate, verify } from 'node:crypto';

import { expect, it } from '@jest/globals';

import { authnRequestUrl } from '../../../../src/access/saml/saml-requests.ts';
import { spAddresses } from '../../../../src/access/saml/sp-addresses.ts';
import { parseIdpMetadata } from '../../../../src/access/saml/idp-metadata.ts';
import { encryptAssertion, readAsk } from '../../../support/hostile-idp.ts';
import { idp, ourKeys, refusal, samlLab } from '../../../support/saml-lab.ts';
import { AUTH_ORIGIN, headerOf } from '../../../support/sign-in.ts';

const OURS = ourKeys.encryption[0]?.certificate ?? '';

it('signs in who the identity provider vouches for, and goes where the ticket leads', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const done = await lab.post(idp.answer(ask, lab.clock.wall()), ask.relayState);
  expect(lab.why()).toBeUndefined();
  expect(done.body).toContain(`url=${AUTH_ORIGIN}/after`);
  const [session] = lab.sessions.all.values();
  expect(session?.identity).toEqual({
    provider: 'okta',
    subject: 'ann-17',
    email: 'ann@example.com',
    name: 'Ann',
    groups: ['staff', 'admins'],
    methods: ['pwd'],
    claims: {},
  });
  expect(session?.provider).toEqual({
    nameId: {
      value: 'ann-17',
      format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    },
    sessionIndex: '_s1',
  });
  expect(lab.audit.map(({ type, actor }) => [type, actor])).toEqual([
    ['login.ok', 'ann@example.com'],
  ]);
});

it('asks with a signed request that names our addresses and a fresh id', async () => {
  const lab = samlLab();
  const [one, two] = [await lab.begin(), await lab.begin()];
  expect(one.id).toMatch(/^_[\w-]{32}$/);
  expect(one.id).not.toBe(two.id);
  expect(one.acs).toBe(`${AUTH_ORIGIN}/.postern/saml/okta/acs`);
  expect(one.audience).toBe(`${AUTH_ORIGIN}/.postern/saml/okta/metadata`);
  const [signed = '', signature = ''] = one.search.split('&Signature=');
  const { publicKey } = new X509Certificate(
    Buffer.from(ourKeys.signing[0]?.certificate ?? '', 'base64'),
  );
  const bytes = Buffer.from(decodeURIComponent(signature), 'base64');
  expect(verify('sha256', Buffer.from(signed), publicKey, bytes)).toBe(true);

  const unsigned = await samlLab({ signRequests: false }).begin();
  expect(unsigned.search).not.toContain('Signature');
});

it('keeps the query that an address of the identity provider has', async () => {
  const metadata = parseIdpMetadata(
    idp.metadata().replaceAll('https://idp.test/sso', 'https://idp.test/sso?tenant=a%20b&amp;x=1'),
  );
  const url = await authnRequestUrl(
    {
      idp: metadata,
      addresses: spAddresses(AUTH_ORIGIN, 'okta', 'urn:postern'),
      signingKey: ourKeys.signing[0]?.privateKey ?? '',
    },
    { id: '_1', relayState: 'r', isSigned: true },
  );
  const { searchParams } = new URL(url);
  expect(searchParams.get('tenant')).toBe('a b');
  expect([...searchParams.keys()]).toEqual([
    'tenant',
    'x',
    'SAMLRequest',
    'RelayState',
    'SigAlg',
    'Signature',
  ]);
  expect(readAsk(url).audience).toBe('urn:postern');
});

it('shows metadata with our addresses, both bindings of logout and our keys', async () => {
  const lab = samlLab({ entityId: 'urn:postern:<&>' });
  const shown = await lab.browser.get('/.postern/saml/okta/metadata');
  expect(headerOf(shown, 'content-type')).toBe('application/samlmetadata+xml');
  const xml = String(shown.body);
  expect(xml).toContain('entityID="urn:postern:&#60;&#38;&#62;"');
  expect(xml).toContain('AuthnRequestsSigned="true" WantAssertionsSigned="true"');
  expect(xml.match(/SingleLogoutService /g)).toHaveLength(2);
  expect(xml.match(/KeyDescriptor use="(signing|encryption)"/g)).toHaveLength(2);
  expect(xml).toContain(OURS);
  expect(xml).not.toContain('PRIVATE');
  const closed = samlLab({ encryptedAssertions: 'refuse' });
  const without = await closed.browser.get('/.postern/saml/okta/metadata');
  expect(without.body).not.toContain('use="encryption"');
});

it.each([
  ['GCM', 'http://www.w3.org/2009/xmlenc11#aes256-gcm'],
  ['CBC', 'http://www.w3.org/2001/04/xmlenc#aes256-cbc'],
])(
  'opens an assertion that is encrypted with AES-%s, signed inside or outside',
  async (_, cipher) => {
    const lab = samlLab({ wantSigned: 'response' });
    const ask = await lab.begin();
    const said = idp.says(ask, lab.clock.wall());
    const inner = encryptAssertion(idp.assertion(said), OURS, { cipher });
    await lab.post(idp.sign(idp.response(said, inner), 'Response'), ask.relayState);
    expect(lab.why()).toBeUndefined();

    const strict = samlLab({ encryptedAssertions: 'require' });
    const again = await strict.begin();
    const content = encryptAssertion(
      idp.sign(idp.assertion(idp.says(again, strict.clock.wall())), 'Assertion'),
      OURS,
      { cipher },
    );
    await strict.post(
      idp.response(idp.says(again, strict.clock.wall()), content),
      again.relayState,
    );
    expect(strict.why()).toBeUndefined();
    expect(strict.subjects()).toEqual(['ann-17']);
  },
);

it.each([
  ['Triple-DES', { cipher: 'http://www.w3.org/2001/04/xmlenc#tripledes-cbc' }],
  ['RSA 1.5', { keyAlgorithm: 'http://www.w3.org/2001/04/xmlenc#rsa-1_5' }],
])('refuses an assertion that is encrypted with %s', async (_, options) => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, lab.clock.wall());
  const signed = idp.sign(idp.assertion(said), 'Assertion');
  const evil = idp.response(said, encryptAssertion(signed, OURS, options));
  expect(await refusal(lab, evil, ask.relayState)).toContain('ACCESS_SAML_ENCRYPTION');
});

it('refuses an assertion that is encrypted for somebody else, damaged or doubled, with one answer', async () => {
  const foreign = ourKeys.signing[0]?.certificate ?? '';
  const breaks: ((text: string) => string)[] = [
    (text) => text.replace(/(<xenc:CipherValue>)(.{8})/, '$1AAAAAAAA'),
    (text) =>
      text.replace(
        /(CipherData><xenc:CipherValue>)(.{40})([^<]*<\/xenc:CipherValue><\/xenc:CipherData><\/xenc:EncryptedData>)/,
        `$1${'A'.repeat(40)}$3`,
      ),
  ];
  const reasons = new Set<string>();
  for (const broken of [
    encryptAssertion('<a/>', foreign),
    ...breaks.map((damage) => damage(encryptAssertion('<a/>', OURS))),
  ]) {
    const lab = samlLab();
    // oxlint-disable-next-line no-await-in-loop
    const ask = await lab.begin();
    const evil = idp.response(idp.says(ask, lab.clock.wall()), broken);
    // oxlint-disable-next-line no-await-in-loop
    reasons.add(await refusal(lab, evil, ask.relayState));
  }
  expect([...reasons]).toEqual([expect.stringContaining('cannot be decrypted')]);
});

it('encryption is refused or wanted where the configuration says so', async () => {
  const open = samlLab({ encryptedAssertions: 'require' });
  const ask = await open.begin();
  const plain = idp.answer(ask, open.clock.wall());
  expect(await refusal(open, plain, ask.relayState)).toContain('not encrypted');
  const closed = samlLab({ encryptedAssertions: 'refuse' });
  const again = await closed.begin();
  const said = idp.says(again, closed.clock.wall());
  const content = encryptAssertion(idp.sign(idp.assertion(said), 'Assertion'), OURS);
  expect(await refusal(closed, idp.response(said, content), again.relayState)).toContain(
    'is encrypted',
  );
});

it('a provider without a logout service ends the session here alone', async () => {
  const lab = samlLab({}, idp.metadata().replace(/<md:SingleLogoutService[^>]*>/, ''));
  const ask = await lab.begin();
  await lab.post(idp.answer(ask, lab.clock.wall()), ask.relayState);
  await lab.browser.post('/.postern/logout', {});
  expect(lab.subjects()).toEqual([]);
  const slo = `${AUTH_ORIGIN}/.postern/saml/okta/slo`;
  const request = idp.logoutRequest(slo, lab.clock.wall());
  const answer = await lab.browser.get(`${slo}?${idp.redirected('SAMLRequest', request)}`);
  expect(headerOf(answer, 'location')).toBe(`${AUTH_ORIGIN}/.postern/signed-out`);
});

it('verifies a signature whose canonicalization takes prefixes along', async () => {
  const lab = samlLab({ wantSigned: 'response' });
  const ask = await lab.begin();
  const said = idp.says(ask, lab.clock.wall());
  const options = { inclusive: ['saml', 'samlp', 'xs'] };
  const whole = idp.sign(idp.response(said, idp.assertion(said)), 'Response', options);
  expect(whole).toContain('PrefixList="saml samlp xs"');
  await lab.post(whole, ask.relayState);
  expect(lab.why()).toBeUndefined();
});
