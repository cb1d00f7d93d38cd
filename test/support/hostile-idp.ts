/**
 * A SAML identity provider that can answer well and in every wrong way: each part of what it says can be changed or left out
 * before it is signed, and it signs with whatever it is told to.
 */
import {
  constants,
  createCipheriv,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  sign,
} from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

import { SignedXml } from 'xml-crypto';

import { createKeyCertificate } from '../../src/gateway/tls/make-certificate.ts';

export const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';
const NAMESPACES =
  'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"';
const STATUS = 'urn:oasis:names:tc:SAML:2.0:status:';

/** A key and its certificate, PEM. */
export interface IdpKey {
  readonly key: string;
  readonly certificate: string;
}

/** A new RSA key with a certificate. Takes a tenth of a second: once a file. */
export async function idpKey(bits = 2048): Promise<IdpKey> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { key, certificate: await createKeyCertificate(key, 'Test IdP', Date.now()) };
}

/** What an AuthnRequest asks for, as the redirect carries it. */
export interface Ask {
  readonly id: string;
  readonly acs: string;
  readonly audience: string;
  readonly relayState: string;
  /** The query of the redirect, without `?`. */
  readonly search: string;
  readonly xml: string;
}

/** What a response says. `undefined`: that part is left out. Times are ms since 1970. */
export interface Said {
  readonly responseId: string;
  readonly assertionId: string;
  readonly issueInstant: number;
  readonly destination: string | undefined;
  /** On the response. */
  readonly inResponseTo: string | undefined;
  readonly responseIssuer: string | undefined;
  readonly status: string;
  readonly issuer: string | undefined;
  /** XML inside NameID. */
  readonly nameId: string | undefined;
  readonly nameIdFormat: string;
  readonly confirmationMethod: string | undefined;
  readonly recipient: string | undefined;
  readonly confirms: string | undefined;
  readonly confirmationEnd: number | undefined;
  readonly notBefore: number | undefined;
  readonly notOnOrAfter: number | undefined;
  readonly audience: string | undefined;
  readonly hasConditions: boolean;
  /** XML inside Conditions. */
  readonly conditions: string;
  readonly sessionIndex: string | undefined;
  readonly sessionEnd: number | undefined;
  readonly context: string;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
}

/** How something is signed. */
export interface Signing {
  readonly algorithm?: string;
  readonly digest?: string;
  readonly with?: IdpKey;
  /** Prefixes of InclusiveNamespaces in its CanonicalizationMethod. */
  readonly inclusive?: string[];
}

/** Reads the request in the address that a browser is sent to. */
export function readAsk(location: string): Ask {
  const url = new URL(location);
  const deflated = Buffer.from(url.searchParams.get('SAMLRequest') ?? '', 'base64');
  const xml = inflateRawSync(deflated).toString();
  const read = (name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(xml)?.[1] ?? '';
  return {
    id: read('ID'),
    acs: read('AssertionConsumerServiceURL'),
    audience: /<saml:Issuer[^>]*>([^<]*)</.exec(xml)?.[1] ?? '',
    relayState: url.searchParams.get('RelayState') ?? '',
    search: url.search.slice(1),
    xml,
  };
}

export class HostileIdp {
  readonly entityId = 'https://idp.test/metadata';
  readonly signInUrl = 'https://idp.test/sso';
  readonly logoutUrl = 'https://idp.test/slo';
  readonly own: IdpKey;

  constructor(own: IdpKey) {
    this.own = own;
  }

  /** Its metadata, with these certificates beside its own. */
  metadata(others: readonly IdpKey[] = []): string {
    const keys = [...others, this.own].map(
      ({ certificate }) =>
        `<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n${body(certificate)}\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
    );
    const redirect = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
    return `<?xml version="1.0"?>
<!-- made for tests -->
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="${this.entityId}">
  <md:IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    ${keys.join('\n    ')}
    <md:SingleLogoutService Binding="${redirect}" Location="${this.logoutUrl}" ResponseLocation="${this.logoutUrl}/done"/>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.test/post"/>
    <md:SingleSignOnService Binding="${redirect}" Location="${this.signInUrl}"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
`;
  }

  /** What a good answer to `ask` says at `now`, with changes. */
  says(ask: Ask, now: number, changes: Partial<Said> = {}): Said {
    return {
      responseId: `_r${randomBytes(8).toString('hex')}`,
      assertionId: `_a${randomBytes(8).toString('hex')}`,
      issueInstant: now,
      destination: ask.acs,
      inResponseTo: ask.id,
      responseIssuer: this.entityId,
      status: 'Success',
      issuer: this.entityId,
      nameId: 'ann-17',
      nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
      confirmationMethod: 'urn:oasis:names:tc:SAML:2.0:cm:bearer',
      recipient: ask.acs,
      confirms: ask.id,
      confirmationEnd: now + 300_000,
      notBefore: now - 5_000,
      notOnOrAfter: now + 300_000,
      audience: ask.audience,
      hasConditions: true,
      conditions: '',
      sessionIndex: '_s1',
      sessionEnd: undefined,
      context: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
      attributes: { mail: ['Ann@Example.com'], displayName: ['Ann'], groups: ['staff', 'admins'] },
      ...changes,
    };
  }

  /** An assertion without a signature. */
  assertion(said: Said): string {
    const { audience, nameId, issuer, sessionIndex, sessionEnd } = said;
    const data = `<saml:SubjectConfirmationData${attribute('Recipient', said.recipient)}${attribute('InResponseTo', said.confirms)}${time('NotOnOrAfter', said.confirmationEnd)}/>`;
    const confirmation =
      said.confirmationMethod === undefined
        ? ''
        : `<saml:SubjectConfirmation Method="${said.confirmationMethod}">${data}</saml:SubjectConfirmation>`;
    const name =
      nameId === undefined
        ? ''
        : `<saml:NameID Format="${said.nameIdFormat}">${nameId}</saml:NameID>`;
    const restriction =
      audience === undefined
        ? ''
        : `<saml:AudienceRestriction><saml:Audience>${audience}</saml:Audience></saml:AudienceRestriction>`;
    const conditions = said.hasConditions
      ? `<saml:Conditions${time('NotBefore', said.notBefore)}${time('NotOnOrAfter', said.notOnOrAfter)}>${restriction}${said.conditions}</saml:Conditions>`
      : '';
    const attributes = Object.entries(said.attributes).map(
      ([key, values]) =>
        `<saml:Attribute Name="${key}">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`,
    );
    return (
      `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${said.assertionId}" Version="2.0"${time('IssueInstant', said.issueInstant)}>` +
      `${issuer === undefined ? '' : `<saml:Issuer>${issuer}</saml:Issuer>`}<saml:Subject>${name}${confirmation}</saml:Subject>${conditions}` +
      `<saml:AuthnStatement${time('AuthnInstant', said.issueInstant)}${attribute('SessionIndex', sessionIndex)}${time('SessionNotOnOrAfter', sessionEnd)}>` +
      `<saml:AuthnContext><saml:AuthnContextClassRef>${said.context}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
      `<saml:AttributeStatement>${attributes.join('')}</saml:AttributeStatement></saml:Assertion>`
    );
  }

  /** A response without a signature of its own, around whatever is given. */
  response(said: Said, content: string): string {
    const issuer =
      said.responseIssuer === undefined ? '' : `<saml:Issuer>${said.responseIssuer}</saml:Issuer>`;
    return (
      `<samlp:Response ${NAMESPACES} ID="${said.responseId}" Version="2.0"${time('IssueInstant', said.issueInstant)}${attribute('Destination', said.destination)}${attribute('InResponseTo', said.inResponseTo)}>` +
      `${issuer}<samlp:Status><samlp:StatusCode Value="${STATUS}${said.status}"/></samlp:Status>${content}</samlp:Response>`
    );
  }

  /** A good response to `ask`, with changes before signing; only the assertion is signed. */
  answer(ask: Ask, now: number, changes: Partial<Said> = {}): string {
    const said = this.says(ask, now, changes);
    return this.response(said, this.sign(this.assertion(said), 'Assertion'));
  }

  /** The same, with the response signed as a whole and the assertion not. */
  answerSignedWhole(ask: Ask, now: number, changes: Partial<Said> = {}): string {
    const said = this.says(ask, now, changes);
    return this.sign(this.response(said, this.assertion(said)), 'Response');
  }

  /** Signs the outermost element of that name. */
  sign(xml: string, element: string, signing: Signing = {}): string {
    const { key, certificate } = signing.with ?? this.own;
    const signature = new SignedXml({
      privateKey: key,
      publicCert: certificate,
      signatureAlgorithm: signing.algorithm ?? RSA_SHA256,
      canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
      inclusiveNamespacesPrefixList: signing.inclusive ?? [],
    });
    if (signing.algorithm?.includes('hmac') === true) {
      // What an attacker has: the public certificate, taken for a secret.
      signature.enableHMAC();
      signature.privateKey = certificate;
    }
    const xpath = `//*[local-name(.)='${element}']`;
    signature.addReference({
      xpath,
      transforms: [
        'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
        'http://www.w3.org/2001/10/xml-exc-c14n#',
      ],
      digestAlgorithm: signing.digest ?? SHA256,
    });
    const issuer = `${xpath}/*[local-name(.)='Issuer']`;
    const hasIssuer = new RegExp(`<\\w+:${element} [^>]*><\\w+:Issuer`).test(xml);
    signature.computeSignature(xml, {
      prefix: 'ds',
      location: hasIssuer
        ? { reference: issuer, action: 'after' }
        : { reference: xpath, action: 'prepend' },
    });
    return signature.getSignedXml();
  }

  /** A logout request for somebody, not signed. */
  logoutRequest(
    destination: string,
    now: number,
    changes: {
      readonly id?: string;
      readonly nameId?: string;
      readonly issuer?: string;
      readonly sessionIndex?: string;
      readonly end?: number;
    } = {},
  ): string {
    const { id = `_l${randomBytes(8).toString('hex')}`, nameId = 'ann-17' } = changes;
    const index =
      changes.sessionIndex === undefined
        ? ''
        : `<samlp:SessionIndex>${changes.sessionIndex}</samlp:SessionIndex>`;
    return (
      `<samlp:LogoutRequest ${NAMESPACES} ID="${id}" Version="2.0"${time('IssueInstant', now)}${time('NotOnOrAfter', changes.end)} Destination="${destination}">` +
      `<saml:Issuer>${changes.issuer ?? this.entityId}</saml:Issuer><saml:NameID>${nameId}</saml:NameID>${index}</samlp:LogoutRequest>`
    );
  }

  /** An answer to a logout request of ours, not signed. */
  logoutResponse(
    destination: string,
    now: number,
    inResponseTo: string,
    status = 'Success',
  ): string {
    return (
      `<samlp:LogoutResponse ${NAMESPACES} ID="_p${randomBytes(8).toString('hex')}" Version="2.0"${time('IssueInstant', now)} Destination="${destination}" InResponseTo="${inResponseTo}">` +
      `<saml:Issuer>${this.entityId}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${STATUS}${status}"/></samlp:Status></samlp:LogoutResponse>`
    );
  }

  /** A query of the redirect binding. `hash`: Node's name of the digest that really signs. */
  redirected(
    name: 'SAMLRequest' | 'SAMLResponse',
    xml: string,
    options: {
      readonly relayState?: string;
      readonly sigAlg?: string;
      readonly hash?: string;
      readonly with?: IdpKey;
    } = {},
  ): string {
    const { relayState, sigAlg = RSA_SHA256, hash = 'sha256', with: { key } = this.own } = options;
    const relay = relayState === undefined ? '' : `&RelayState=${encodeURIComponent(relayState)}`;
    const message = encodeURIComponent(deflateRawSync(xml).toString('base64'));
    const signed = `${name}=${message}${relay}&SigAlg=${encodeURIComponent(sigAlg)}`;
    const signature = sign(hash, Buffer.from(signed), key).toString('base64');
    return `${signed}&Signature=${encodeURIComponent(signature)}`;
  }
}

/** Encrypts an assertion for the key of a certificate (base64 of DER), as `EncryptedAssertion`. */
export function encryptAssertion(
  assertion: string,
  certificate: string,
  options: { readonly cipher?: string; readonly keyAlgorithm?: string } = {},
): string {
  const { cipher = 'http://www.w3.org/2009/xmlenc11#aes256-gcm' } = options;
  const { keyAlgorithm = 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p' } = options;
  const isGcm = cipher.endsWith('gcm');
  const key = randomBytes(32);
  const iv = randomBytes(isGcm ? 12 : 16);
  const parts: Buffer[] = [iv];
  if (isGcm) {
    const encryption = createCipheriv('aes-256-gcm', key, iv);
    parts.push(encryption.update(assertion, 'utf8'), encryption.final(), encryption.getAuthTag());
  } else {
    const encryption = createCipheriv('aes-256-cbc', key, iv);
    parts.push(encryption.update(assertion, 'utf8'), encryption.final());
  }
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----`;
  const isOaep = keyAlgorithm.includes('oaep');
  const padding = isOaep ? constants.RSA_PKCS1_OAEP_PADDING : constants.RSA_PKCS1_PADDING;
  const wrapped = publicEncrypt({ key: pem, padding }, key).toString('base64');
  const data = Buffer.concat(parts).toString('base64');
  return (
    `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element">` +
    `<xenc:EncryptionMethod Algorithm="${cipher}"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="${keyAlgorithm}"/>` +
    `<xenc:CipherData><xenc:CipherValue>${wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>` +
    `<xenc:CipherData><xenc:CipherValue>${data}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>`
  );
}

function attribute(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}="${value}"`;
}

function time(name: string, at: number | undefined): string {
  return at === undefined ? '' : ` ${name}="${new Date(at).toISOString()}"`;
}

function body(pem: string): string {
  return pem.replace(/-----[A-Z ]+-----/g, '').trim();
}
