import { expect, it } from '@jest/globals';

import { parseIdpMetadata } from '../../../../src/access/saml/idp-metadata.ts';
import { HostileIdp, idpKey } from '../../../support/hostile-idp.ts';
import { selfSigned } from '../../../support/test-authority.ts';
import { samlLab } from '../../../support/saml-lab.ts';

const idp = new HostileIdp(await idpKey());
const next = await idpKey();
const good = idp.metadata();

it('parseIdpMetadata() reads the name, the addresses and the certificates', () => {
  const metadata = parseIdpMetadata(idp.metadata([next]));
  expect(metadata).toMatchObject({
    entityId: 'https://idp.test/metadata',
    signInUrl: 'https://idp.test/sso',
    logoutUrl: 'https://idp.test/slo',
    logoutResponseUrl: 'https://idp.test/slo/done',
  });
  const bodies = metadata.signingCertificates.map((pem) => pem.replace(/\s/g, ''));
  expect(bodies).toEqual([next, idp.own].map(({ certificate }) => certificate.replace(/\s/g, '')));
});

it('parseIdpMetadata() does without single logout, and finds a provider inside a list', () => {
  const bare = good.replace(/<md:SingleLogoutService[^>]*>/, '').replace(/<\?xml[^>]*>/, '');
  const list = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${bare}<md:EntityDescriptor entityID="sp"><md:SPSSODescriptor/></md:EntityDescriptor></md:EntitiesDescriptor>`;
  expect(parseIdpMetadata(list)).toMatchObject({
    entityId: 'https://idp.test/metadata',
    logoutUrl: undefined,
    logoutResponseUrl: undefined,
  });
});

const body = good.replace(/<\?xml[^>]*>/, '');

it.each([
  ['<!DOCTYPE x>', `<!DOCTYPE x>${good}`, 'is not SAML metadata: it has a DOCTYPE'],
  ['no XML', 'idp: okta', 'is not SAML metadata'],
  ['other XML', '<html/>', 'has no EntityDescriptor with an IDPSSODescriptor'],
  ['two providers', `<x>${body}${body}</x>`, 'has several identity providers'],
  ['no name', good.replace(/ entityID="[^"]*"/, ''), 'without an entityID'],
  ['no redirect', good.replaceAll('HTTP-Redirect', 'SOAP'), 'binding HTTP-Redirect'],
  ['an address of script', good.replace('https://idp.test/sso', 'javascript:x'), 'as its address'],
  [
    'an address with a user',
    good.replace('//idp.test/sso', '//u:p@idp.test/sso'),
    'as its address',
  ],
  [
    'no certificate',
    good.replaceAll('use="signing"', 'use="encryption"'),
    'no signing certificate',
  ],
  ['a damaged certificate', good.replace(/MII/, 'XII'), 'damaged signing certificate (number 1)'],
])('parseIdpMetadata() refuses a file with %s', (_, xml, why) => {
  const problem = expect.objectContaining({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(why),
  });
  expect(() => parseIdpMetadata(xml)).toThrow(problem);
});

it('parseIdpMetadata() refuses keys that are weak or that it cannot verify with', async () => {
  const { cert } = await selfSigned({ dns: ['idp.test'] });
  const elliptic = new HostileIdp({ key: '', certificate: cert });
  expect(() => parseIdpMetadata(elliptic.metadata())).toThrow('not RSA of 2048 bits');
  const small = new HostileIdp(await idpKey(1024));
  expect(() => parseIdpMetadata(small.metadata())).toThrow('not RSA of 2048 bits');
});

it('while a provider changes its key both are good', async () => {
  const lab = samlLab({}, idp.metadata([next]));
  for (const key of [idp.own, next]) {
    // oxlint-disable-next-line no-await-in-loop
    const ask = await lab.begin();
    const said = idp.says(ask, lab.clock.wall());
    const signed = idp.sign(idp.assertion(said), 'Assertion', { with: key });
    // oxlint-disable-next-line no-await-in-loop
    await lab.post(idp.response(said, signed), ask.relayState);
  }
  expect(lab.why()).toBeUndefined();
  expect(lab.subjects()).toEqual(['ann-17', 'ann-17']);
});
