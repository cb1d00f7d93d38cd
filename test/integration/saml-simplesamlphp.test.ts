/** SAML with a real identity provider: Debian's SimpleSAMLphp, which reads our metadata and checks our signatures. */
import { expect, it } from '@jest/globals';

import { LIMITS } from '../../src/core/limits.ts';
import { ForeignSite, type Away, type ForeignPage } from '../support/foreign-site.ts';
import { idpKey } from '../support/hostile-idp.ts';
import { startSimpleSamlPhp, type SimpleSamlPhp } from '../support/real/simplesamlphp.ts';
import { ACS, locationOf, samlLab, SLO, type SamlLab } from '../support/saml-lab.ts';
import { AUTH_ORIGIN, headerOf } from '../support/sign-in.ts';

const key = await idpKey();
const users = {
  ann: { mail: ['Ann@Example.com'], displayName: ['Ann'], groups: ['staff', 'admins'] },
};

/** The provider, and sign-in that knows it, with a clock that shows the time. */
async function start(encrypts: boolean): Promise<{ ssp: SimpleSamlPhp; lab: SamlLab }> {
  const ssp = await startSimpleSamlPhp({ key, encrypts, users });
  const encryptedAssertions = encrypts ? 'require' : 'refuse';
  const lab = samlLab({ encryptedAssertions }, await ssp.metadata());
  lab.clock.setWall(Date.now() - lab.clock.wall());
  const metadata = await lab.browser.get('/.postern/saml/okta/metadata');
  ssp.trust(String(metadata.body));
  return { ssp, lab };
}

/** From our sign-in page to the page that the provider sends back; fills in the password where asked. */
async function signIn(lab: SamlLab, site: ForeignSite): Promise<Away> {
  const sent = await lab.browser.get('/.postern/sign-in/okta');
  const asked = await site.visit(locationOf(sent));
  const isPasswordPage = asked.kind === 'page' && asked.html.includes('name="password"');
  const filled = { username: 'ann', password: 'secret' };
  const answered = isPasswordPage ? await site.submit(asked, filled) : asked;
  return away(await site.submit(answered));
}

function away(page: ForeignPage | Away): Away {
  if (page.kind === 'away') return page;
  throw new Error(`The provider stays at ${page.url}:\n${page.html}`);
}

/** Sends the provider's form to us. */
async function consume(lab: SamlLab, { url, fields = {} }: Away): Promise<void> {
  expect(url).toBe(`${AUTH_ORIGIN}${ACS}`);
  const done = await lab.browser.post(ACS, { ...fields }, { 'sec-fetch-site': 'cross-site' });
  expect(lab.why()).toBeUndefined();
  expect(done.status).toBe(200);
}

it('signs in, signs in again without a password, and signs out at both', async () => {
  const { ssp, lab } = await start(false);
  const site = new ForeignSite(ssp.origin);
  await consume(lab, await signIn(lab, site));
  const [session] = lab.sessions.all.values();
  expect(session?.identity).toEqual({
    provider: 'okta',
    subject: 'ann',
    email: 'ann@example.com',
    name: 'Ann',
    groups: ['staff', 'admins'],
    methods: ['pwd'],
    claims: { uid: 'ann' },
  });

  // Later than another tab of the same sign-in could be.
  lab.clock.run(LIMITS.sameSignInMs);
  // The provider's own session is still there: no password page, straight to the form.
  const sent = await lab.browser.get('/.postern/sign-in/okta');
  const again = away(await site.submit(await site.visit(locationOf(sent))));
  await consume(lab, again);

  const out = await lab.browser.post('/.postern/logout', {});
  expect(lab.subjects()).toEqual([]);
  const back = away(await site.visit(locationOf(out)));
  expect(back.url).toContain(`${AUTH_ORIGIN}${SLO}?SAMLResponse=`);
  const home = await lab.browser.get(back.url);
  expect(headerOf(home, 'location')).toBe(`${AUTH_ORIGIN}/.postern/signed-out`);
  // Gone there too: the password is asked for.
  const fresh = await site.visit(locationOf(await lab.browser.get('/.postern/sign-in/okta')));
  expect(fresh.kind === 'page' && fresh.html).toContain('name="password"');
});

it('opens encrypted assertions', async () => {
  const { ssp, lab } = await start(true);
  const sent = await signIn(lab, new ForeignSite(ssp.origin));
  const xml = Buffer.from(sent.fields?.['SAMLResponse'] ?? '', 'base64').toString();
  expect(xml).toContain('EncryptedAssertion');
  expect(xml).not.toContain('ann@example.com');
  await consume(lab, sent);
  expect(lab.subjects()).toEqual(['ann']);
});

it('is signed out by the provider, which gets an answer that it accepts', async () => {
  const { ssp, lab } = await start(false);
  const site = new ForeignSite(ssp.origin);
  await consume(lab, await signIn(lab, site));
  const page = `${ssp.origin}/simplesaml/saml2/idp/SingleLogoutService.php`;
  const request = away(
    await site.visit(`${page}?ReturnTo=${encodeURIComponent(`${ssp.origin}/simplesaml/`)}`),
  );
  expect(request.url).toContain(`${AUTH_ORIGIN}${SLO}?SAMLRequest=`);
  const answer = await lab.browser.get(request.url);
  expect(lab.why()).toBeUndefined();
  expect(lab.subjects()).toEqual([]);
  const end = await site.visit(locationOf(answer));
  expect(end).toMatchObject({ kind: 'page' });
  expect(ssp.log()).not.toMatch(/exception|UNHANDLED/i);
});
