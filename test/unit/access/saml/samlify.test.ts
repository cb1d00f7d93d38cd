/** SAML with a second implementation as the identity provider: it reads our metadata and requests, and we its answers. */
import { randomBytes } from 'node:crypto';

import { expect, it } from '@jest/globals';
import { IdentityProvider, ServiceProvider, setSchemaValidator } from 'samlify';

import { HostileIdp, idpKey } from '../../../support/hostile-idp.ts';
import { ACS, locationOf, samlLab, SLO, type SamlLab } from '../../../support/saml-lab.ts';
import { AUTH_ORIGIN, headerOf } from '../../../support/sign-in.ts';

// It wants one; what we send is checked by the other tests.
setSchemaValidator({ validate: async () => 'valid' });

/** Only for its metadata and its key. */
const partner = new HostileIdp(await idpKey());
const USER = { email: 'ann-17' };

type Idp = ReturnType<typeof IdentityProvider>;
type Sp = ReturnType<typeof ServiceProvider>;

/** The provider, what it knows of us, and sign-in that knows it, with a clock that shows the time. */
async function start(isAssertionEncrypted: boolean): Promise<{ lab: SamlLab; other: Idp; us: Sp }> {
  const metadata = partner.metadata();
  const other = IdentityProvider({
    metadata,
    privateKey: partner.own.key,
    isAssertionEncrypted,
    wantLogoutRequestSigned: true,
    generateID: () => `_${randomBytes(16).toString('hex')}`,
  });
  const lab = samlLab(
    { encryptedAssertions: isAssertionEncrypted ? 'require' : 'allow' },
    metadata,
  );
  lab.clock.setWall(Date.now() - lab.clock.wall());
  const ours = await lab.browser.get('/.postern/saml/okta/metadata');
  return {
    lab,
    other,
    us: ServiceProvider({ metadata: String(ours.body), wantLogoutResponseSigned: true }),
  };
}

/** A query as it expects one. */
function queryOf(location: string) {
  const { search, searchParams } = new URL(location);
  const octetString = search.slice(1).replace(/&Signature=.*/, '');
  return { query: Object.fromEntries(searchParams), octetString };
}

/** Fills in its template. */
function fill(requestId: string, metadata: string) {
  return (template: string) => {
    const now = new Date().toISOString();
    const later = new Date(Date.now() + 300_000).toISOString();
    const values: Record<string, string> = {
      ID: `_r${randomBytes(8).toString('hex')}`,
      AssertionID: `_a${randomBytes(8).toString('hex')}`,
      IssueInstant: now,
      ConditionsNotBefore: now,
      ConditionsNotOnOrAfter: later,
      SubjectConfirmationDataNotOnOrAfter: later,
      Destination: AUTH_ORIGIN + ACS,
      SubjectRecipient: AUTH_ORIGIN + ACS,
      Audience: metadata,
      Issuer: partner.entityId,
      InResponseTo: requestId,
      StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success',
      NameIDFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
      NameID: USER.email,
      AuthnStatement: `<saml:AuthnStatement AuthnInstant="${now}" SessionIndex="_s1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`,
      AttributeStatement: '',
    };
    const context = template.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
    return { id: values['ID'] ?? '', context };
  };
}

it.each([
  ['signed', false],
  ['signed and encrypted', true],
])('signs in with an assertion that is %s', async (_, isEncrypted) => {
  const { lab, other, us } = await start(isEncrypted);
  const sent = locationOf(await lab.browser.get('/.postern/sign-in/okta'));
  const parsed = await other.parseLoginRequest(us, 'redirect', queryOf(sent));
  const changed = { ...queryOf(sent), octetString: 'SAMLRequest=x' };
  await expect(other.parseLoginRequest(us, 'redirect', changed)).rejects.toThrow(/SIGNATURE/);
  expect(parsed.extract).toMatchObject({ issuer: us.entityMeta.getEntityID() });
  const { id } = (parsed.extract as { request: { id: string } }).request;
  const { context } = await other.createLoginResponse(
    us,
    { extract: parsed.extract },
    'post',
    USER,
    {
      customTagReplacement: fill(id, us.entityMeta.getEntityID()),
    },
  );
  const relayState = new URL(sent).searchParams.get('RelayState') ?? '';
  const xml = Buffer.from(context, 'base64').toString();
  expect(xml.includes('EncryptedAssertion')).toBe(isEncrypted);
  await lab.post(xml, relayState);
  expect(lab.why()).toBeUndefined();
  expect(lab.subjects()).toEqual(['ann-17']);

  const out = locationOf(await lab.browser.post('/.postern/logout', {}));
  const logout = await other.parseLogoutRequest(us, 'redirect', queryOf(out));
  expect(logout.extract).toMatchObject({ nameID: 'ann-17' });
  const answer = other.createLogoutResponse(us, { extract: logout.extract }, 'redirect', '');
  const home = await lab.browser.get(answer.context);
  expect(answer.context).toContain(`${AUTH_ORIGIN}${SLO}?`);
  expect(lab.why()).toBeUndefined();
  expect(headerOf(home, 'location')).toBe(`${AUTH_ORIGIN}/.postern/signed-out`);
});
