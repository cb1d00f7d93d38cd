/**
 * Messages of single logout, verified: by the raw query where the redirect binding is used, by XML signature where a form is.
 *
 * The library checks next to nothing of these (cases S34a to S34f), so none of it is used here. What comes out was signed by the
 * IdP, for this address, and lately. SAML bindings 3.4.4.1; SAML profiles 4.4.
 */
import { verify } from 'node:crypto';
import { DOMParser, type DomNode } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';
import { PosternError, isPosternError, messageOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { issuerOf, nameIdOf, timeOf } from './assertion.ts';
import type { NameId } from './assertion.ts';
import { checkStatus, refused } from './check-assertion.ts';
import { checkSenders } from './check-sender.ts';
import { decode, formFields, fromBase64, fromDeflated, rawFields } from './saml-message.ts';
import type { SamlFields } from './saml-message.ts';
import { NS } from './saml-names.ts';
import { SIGNATURE_HASHES, checkSignatures, isSigned } from './signature-rules.ts';
import { childrenOf, malformed, parseMessage, textOf } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

export type LogoutMessage = LogoutRequest | LogoutResponse;

/** The IdP ends sessions. */
export interface LogoutRequest {
  readonly kind: 'request';
  readonly id: string;
  readonly nameId: NameId;
  /** None: all of this person. */
  readonly sessionIndexes: readonly string[];
  /** To be sent back with the answer. */
  readonly relayState: string | undefined;
}

/** The IdP's answer to a logout request of ours. */
interface LogoutResponse {
  readonly kind: 'response';
  readonly inResponseTo: string;
  /** Why the IdP could not sign somebody out; undefined when it could. */
  readonly problem: string | undefined;
}

/** What a good message holds. */
export interface ExpectedLogout {
  /** PEM, all of them good. */
  readonly certificates: readonly string[];
  readonly issuer: string;
  /** Our address of single logout. */
  readonly destination: string;
  /** Wall-clock time, ms since 1970. */
  readonly now: number;
  readonly clockSkewMs: number;
}

/** Reads a message of the redirect binding from the raw query. Throws ACCESS_SAML_*. */
export function readRedirected(search: string, expected: ExpectedLogout): LogoutMessage {
  const raw = rawFields(search);
  const [name, value] = messageOfFields(raw);
  // Unpacked only once its sender is known: what is signed is the packed text.
  checkQuerySignature(raw, name, value, expected.certificates);
  const relayState = raw.RelayState === undefined ? undefined : decode(raw.RelayState);
  return readMessage(parseMessage(fromDeflated(value)), name, relayState, expected);
}

/** Reads a message of the POST binding from the body of the form. Throws ACCESS_SAML_*. */
export function readPosted(body: Buffer, expected: ExpectedLogout): LogoutMessage {
  const fields = formFields(body);
  const [name, value] = messageOfFields(fields);
  const xml = fromBase64(value);
  const root = parseMessage(xml);
  checkSignatures(root);
  if (!isSigned(root)) throw unsigned('it is not signed');
  checkSenders([root], expected.certificates);
  const verified = parseMessage(verifyXml(xml, expected.certificates));
  return readMessage(verified, name, fields.RelayState, expected);
}

function messageOfFields(fields: SamlFields): ['SAMLRequest' | 'SAMLResponse', string] {
  const { SAMLRequest: request, SAMLResponse: response } = fields;
  if (request !== undefined && response === undefined) return ['SAMLRequest', request];
  if (response !== undefined && request === undefined) return ['SAMLResponse', response];
  throw malformed('there is not one message');
}

function checkQuerySignature(
  raw: SamlFields,
  name: 'SAMLRequest' | 'SAMLResponse',
  value: string,
  certificates: readonly string[],
): void {
  if (raw.Signature === undefined || raw.SigAlg === undefined) throw unsigned('it is not signed');
  const algorithm = decode(raw.SigAlg);
  const known = SIGNATURE_HASHES.get(algorithm);
  if (known === undefined || known.isPss)
    throw unsigned(`SigAlg "${algorithm.slice(0, 100)}" is not allowed`);
  const relayState = raw.RelayState === undefined ? '' : `&RelayState=${raw.RelayState}`;
  const signed = Buffer.from(`${name}=${value}${relayState}&SigAlg=${raw.SigAlg}`);
  const signature = Buffer.from(decode(raw.Signature), 'base64');
  if (certificates.some((certificate) => verify(known.hash, signed, certificate, signature)))
    return;
  throw unsigned('its signature is wrong');
}

/** The XML that the root's signature covers. Only after `checkSignatures`. */
function verifyXml(xml: string, certificates: readonly string[]): string {
  let problem: unknown;
  for (const certificate of certificates) {
    try {
      const signature = new SignedXml({ publicCert: certificate });
      signature.loadSignature(signatureOfRoot(xml));
      // As the library for responses does: lines end as XML says before anything is digested.
      if (signature.checkSignature(xml.replace(/\r\n?/g, '\n'))) {
        const [verified] = signature.getSignedReferences();
        if (verified !== undefined) return verified;
      }
    } catch (error) {
      problem = error;
    }
  }
  throw unsigned('its signature is wrong', problem);
}

function signatureOfRoot(xml: string): DomNode {
  const root = new DOMParser().parseFromString(xml, 'text/xml').documentElement;
  const found = Array.from(root?.childNodes ?? []).find(
    ({ localName }) => localName === 'Signature',
  );
  if (found === undefined) throw unsigned('it is not signed');
  return found;
}

function readMessage(
  root: XmlElement,
  name: 'SAMLRequest' | 'SAMLResponse',
  relayState: string | undefined,
  expected: ExpectedLogout,
): LogoutMessage {
  const kind = name === 'SAMLRequest' ? 'LogoutRequest' : 'LogoutResponse';
  if (root.name !== kind || root.namespace !== NS.protocol) throw malformed(`it is no ${kind}`);
  checkEnvelope(root, expected);
  if (kind === 'LogoutResponse') {
    const inResponseTo = root.attributes.get('InResponseTo');
    if (inResponseTo === undefined) throw refused('it answers nothing');
    return { kind: 'response', inResponseTo, problem: problemOf(root) };
  }
  const id = root.attributes.get('ID');
  const nameId = nameIdOf(root);
  if (id === undefined || nameId === undefined) throw malformed('it names nobody');
  const sessionIndexes = childrenOf(root, NS.protocol, 'SessionIndex').flatMap(
    (element) => textOf(element) ?? [],
  );
  return { kind: 'request', id, nameId, sessionIndexes, relayState };
}

function problemOf(response: XmlElement): string | undefined {
  try {
    checkStatus(response);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function checkEnvelope(root: XmlElement, expected: ExpectedLogout): void {
  const { attributes } = root;
  const { now, clockSkewMs, issuer, destination } = expected;
  if (attributes.get('Version') !== '2.0') throw refused('it is not of SAML 2.0');
  if (issuerOf(root) !== issuer) throw refused('it is of another issuer');
  if (attributes.get('Destination') !== destination) throw refused('it is for another address');
  const issued = timeOf(attributes.get('IssueInstant')) ?? Number.NaN;
  const end = timeOf(attributes.get('NotOnOrAfter')) ?? Number.POSITIVE_INFINITY;
  if (!(issued <= now + clockSkewMs)) throw refused('it was issued in the future');
  if (!(issued + LIMITS.samlUnsolicitedMs + clockSkewMs > now)) {
    throw refused('it was issued too long ago');
  }
  if (!(end + clockSkewMs > now)) throw refused('it is no longer valid');
}

function unsigned(why: string, cause?: unknown): PosternError {
  if (isPosternError(cause)) return cause;
  const because = cause === undefined ? '' : ` (${messageOf(cause).slice(0, 200)})`;
  return new PosternError(
    'ACCESS_SAML_SIGNATURE',
    `Cannot verify the SAML message: ${why}${because}`,
    { cause },
  );
}
