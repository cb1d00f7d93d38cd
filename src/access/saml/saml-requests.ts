/**
 * The messages that we send, as addresses to send a browser to: the redirect binding, signed with our key.
 *
 * Every message has an id that the caller chose, so that the answer can be told from others. The library makes an object
 * for each, without its own cache, which has a timer.
 */
import { sign } from 'node:crypto';
import { SAML } from '@node-saml/node-saml';
import type { CacheProvider, Profile } from '@node-saml/node-saml';
import { newSecret } from '../../core/id.ts';
import type { NameId } from './assertion.ts';
import type { IdpMetadata } from './idp-metadata.ts';
import type { SpAddresses } from './sp-addresses.ts';

const SIGNATURE_METHOD = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';

/** A cache that keeps nothing: our own store does. */
export const NO_CACHE: CacheProvider = {
  saveAsync: () => Promise.resolve(null),
  getAsync: () => Promise.resolve(null),
  removeAsync: () => Promise.resolve(null),
};

/** A new id for a message: an XML name of 160 bits or more. */
export function newMessageId(): string {
  return `_${newSecret(24)}`;
}

/** Who sends, to whom. */
export interface Correspondents {
  readonly idp: IdpMetadata;
  readonly addresses: SpAddresses;
  /** PKCS #8 PEM. */
  readonly signingKey: string;
}

/** Where to send a browser to sign in. */
export async function authnRequestUrl(
  parties: Correspondents,
  message: { readonly id: string; readonly relayState: string; readonly isSigned: boolean },
): Promise<string> {
  const saml = new SAML(optionsFor(parties, message.id));
  const url = await saml.getAuthorizeUrlAsync(message.relayState, undefined, {});
  return message.isSigned ? signQuery(url, parties.signingKey) : url;
}

/** Where to send a browser to sign out at the IdP too. Always signed. */
export async function logoutRequestUrl(
  parties: Correspondents,
  message: { readonly id: string; readonly nameId: NameId; readonly sessionIndex?: string },
): Promise<string> {
  const logoutUrl = parties.idp.logoutUrl ?? '';
  const saml = new SAML({ ...optionsFor(parties, message.id), logoutUrl });
  const profile = profileOf(message.nameId, message.sessionIndex);
  return signQuery(await saml.getLogoutUrlAsync(profile, '', {}), parties.signingKey);
}

/** Where to send a browser with the answer to a logout request of the IdP. Always signed. */
export async function logoutResponseUrl(
  parties: Correspondents,
  answer: { readonly inResponseTo: string; readonly relayState: string | undefined },
): Promise<string> {
  const logoutUrl = parties.idp.logoutResponseUrl ?? '';
  const saml = new SAML({ ...optionsFor(parties, newMessageId()), logoutUrl });
  const request: Profile = { ...profileOf({ value: '' }), ID: answer.inResponseTo };
  const url = await saml.getLogoutResponseUrlAsync(request, answer.relayState ?? '', {}, true);
  return signQuery(url, parties.signingKey);
}

/**
 * The address with SigAlg and Signature. The library could do it, but signs spaces as `%20` and sends them as `+`, and
 * IdPs verify what was sent.
 */
function signQuery(address: string, key: string): string {
  const url = new URL(address);
  const message = ['SAMLRequest', 'SAMLResponse', 'RelayState'].flatMap((name) => {
    const value = url.searchParams.get(name);
    url.searchParams.delete(name);
    return value === null ? [] : `${name}=${encodeURIComponent(value)}`;
  });
  const signed = [...message, `SigAlg=${encodeURIComponent(SIGNATURE_METHOD)}`].join('&');
  const signature = encodeURIComponent(sign('sha256', Buffer.from(signed), key).toString('base64'));
  const join = url.search === '' ? '?' : '&';
  return `${url.href}${join}${signed}&Signature=${signature}`;
}

function profileOf(nameId: NameId, sessionIndex?: string): Profile {
  return {
    issuer: '',
    nameID: nameId.value,
    nameIDFormat: nameId.format ?? 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified',
    ...(nameId.nameQualifier === undefined ? {} : { nameQualifier: nameId.nameQualifier }),
    ...(nameId.spNameQualifier === undefined ? {} : { spNameQualifier: nameId.spNameQualifier }),
    ...(sessionIndex === undefined ? {} : { sessionIndex }),
  };
}

function optionsFor({ idp, addresses }: Correspondents, id: string) {
  return {
    idpCert: [...idp.signingCertificates],
    issuer: addresses.entityId,
    callbackUrl: addresses.acs,
    entryPoint: idp.signInUrl,
    generateUniqueId: () => id,
    cacheProvider: NO_CACHE,
    // How people sign in there, and what it calls them, is the IdP's business.
    identifierFormat: null,
    disableRequestedAuthnContext: true,
  };
}
