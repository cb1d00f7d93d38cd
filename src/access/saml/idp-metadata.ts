/**
 * What an identity provider's metadata file says of it: its name, where to send people, and the keys it signs with.
 *
 * The file is trusted like the configuration that names it: its own signature and its dates are not looked at. Several
 * signing certificates are all good, so that a provider can change its key without a pause. SAML metadata 2.4.
 */
import { X509Certificate } from 'node:crypto';
import { PosternError, messageOf } from '../../core/error.ts';
import { BINDING, NS } from './saml-names.ts';
import { childOf, childrenOf, parseFile, textOf, walk } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

export interface IdpMetadata {
  readonly entityId: string;
  /** Where the redirect binding sends people to sign in. */
  readonly signInUrl: string;
  /** Where the redirect binding sends people to sign out; undefined where the provider has no single logout. */
  readonly logoutUrl: string | undefined;
  /** Where answers to its logout requests go. */
  readonly logoutResponseUrl: string | undefined;
  /** PEM, at least one, RSA of 2,048 bits or more. */
  readonly signingCertificates: readonly string[];
}

/** The least that a signing key may have, bits. */
const LEAST_RSA_BITS = 2048;

/**
 * Reads a metadata file that describes one identity provider. Throws CONFIG_INVALID with a message that completes
 * "file … " and names the element that is wrong.
 */
export function parseIdpMetadata(xml: string): IdpMetadata {
  const entity = onlyProvider(readRoot(xml));
  const id = entity.attributes.get('entityID') ?? '';
  const idp = childOf(entity, NS.metadata, 'IDPSSODescriptor');
  if (id === '' || id.length > 1024) throw invalid('has an EntityDescriptor without an entityID');
  if (idp === undefined) throw invalid(`has no IDPSSODescriptor for "${id}"`);
  const signIn = endpoint(idp, 'SingleSignOnService');
  if (signIn === undefined) {
    throw invalid(`has no SingleSignOnService with the binding HTTP-Redirect for "${id}"`);
  }
  const logout = endpoint(idp, 'SingleLogoutService');
  return {
    entityId: id,
    signInUrl: signIn.location,
    logoutUrl: logout?.location,
    logoutResponseUrl: logout?.responseLocation ?? logout?.location,
    signingCertificates: certificatesOf(idp, id),
  };
}

function readRoot(xml: string): XmlElement {
  try {
    return parseFile(xml);
  } catch (cause) {
    const why = messageOf(cause).replace('Cannot read the SAML message: ', '');
    throw new PosternError('CONFIG_INVALID', `is not SAML metadata: ${why}`, { cause });
  }
}

function onlyProvider(root: XmlElement): XmlElement {
  const [first, second] = [...walk(root)]
    .map(({ element }) => element)
    .filter(({ name, namespace }) => name === 'EntityDescriptor' && namespace === NS.metadata)
    .filter((entity) => childrenOf(entity, NS.metadata, 'IDPSSODescriptor').length > 0);
  if (first === undefined) throw invalid('has no EntityDescriptor with an IDPSSODescriptor');
  if (second === undefined) return first;
  throw invalid('has several identity providers; leave the one that is meant');
}

function endpoint(
  idp: XmlElement,
  name: string,
): { readonly location: string; readonly responseLocation: string | undefined } | undefined {
  const service = childrenOf(idp, NS.metadata, name).find(
    ({ attributes }) => attributes.get('Binding') === BINDING.redirect,
  );
  if (service === undefined) return undefined;
  const response = service.attributes.get('ResponseLocation');
  return {
    location: checkUrl(name, service.attributes.get('Location')),
    responseLocation: response === undefined ? undefined : checkUrl(name, response),
  };
}

function checkUrl(element: string, text = ''): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url !== undefined && /^https?:$/.test(url.protocol);
  if (!isWeb || url.username !== '' || url.password !== '' || url.hash !== '') {
    throw invalid(`has a ${element} with "${text.slice(0, 200)}" as its address`);
  }
  return text;
}

function certificatesOf(idp: XmlElement, id: string): string[] {
  const texts = childrenOf(idp, NS.metadata, 'KeyDescriptor')
    .filter(({ attributes }) => (attributes.get('use') ?? 'signing') === 'signing')
    .flatMap((descriptor) => [...walk(descriptor)])
    .filter(({ element }) => element.name === 'X509Certificate')
    .map(({ element }) => textOf(element) ?? '');
  const certificates = [...new Set(texts)].map((text, at) => checkCertificate(text, at + 1));
  if (certificates.length === 0) throw invalid(`has no signing certificate for "${id}"`);
  return certificates;
}

function checkCertificate(base64: string, number: number): string {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(Buffer.from(base64, 'base64'));
  } catch (cause) {
    const text = `has a damaged signing certificate (number ${number})`;
    throw new PosternError('CONFIG_INVALID', text, { cause });
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= LEAST_RSA_BITS) {
    return certificate.toString();
  }
  throw invalid(
    `has a signing certificate (number ${number}) whose key is not RSA of ${LEAST_RSA_BITS} bits or more`,
  );
}

function invalid(why: string): PosternError {
  return new PosternError('CONFIG_INVALID', why);
}
