/**
 * From the text of a response to an assertion that its IdP signed for us.
 *
 * First the shape (signature-rules.ts), then the library with real keys, then the checks (check-assertion.ts) on the bytes that
 * the library verified. What is outside of those bytes can make a response refused and nothing else (cases S1 to S29).
 */
import { SAML, ValidateInResponseTo } from '@node-saml/node-saml';
import { PosternError, isPosternError, messageOf } from '../../core/error.ts';
import { readAssertion } from './assertion.ts';
import type { Assertion } from './assertion.ts';
import { checkAssertion, checkResponse, checkStatus, refused } from './check-assertion.ts';
import type { Expected } from './check-assertion.ts';
import { checkSenders } from './check-sender.ts';
import { decryptAssertion } from './decrypt-assertion.ts';
import { NS } from './saml-names.ts';
import { NO_CACHE } from './saml-requests.ts';
import { checkSignatures, isSigned } from './signature-rules.ts';
import { malformed, parseMessage, walk } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

/** What a response must come with. */
export interface ResponseRules {
  /** PEM, all of them good. */
  readonly certificates: readonly string[];
  /** PEM, what assertions are encrypted for; each is tried. */
  readonly decryptionKeys: readonly string[];
  readonly wantSigned: 'assertion' | 'response' | 'both';
  readonly encryptedAssertions: 'allow' | 'require' | 'refuse';
}

/** An assertion that holds, and until when it has to be remembered, ms since 1970. */
export interface VerifiedAssertion {
  readonly assertion: Assertion;
  readonly rememberUntil: number;
}

/** Verifies a response. Throws ACCESS_SAML_* with what did not hold, for the log. */
export async function verifyResponse(
  xml: string,
  rules: ResponseRules,
  expected: Expected,
): Promise<VerifiedAssertion> {
  const response = readResponse(xml);
  const { element, decryptionKey } = openAssertion(response, rules);
  checkSenders(decryptionKey === undefined ? [response] : [response, element], rules.certificates);
  checkResponse(response, expected);
  const verified = await verifySignatures(xml, {
    ...rules,
    decryptionKey,
    // A signature that is there must hold, whether we asked for it or not.
    wantsResponse: rules.wantSigned !== 'assertion' || isSigned(response),
    wantsAssertion: rules.wantSigned !== 'response' || isSigned(element),
    audience: expected.audience,
  });
  const assertion = readAssertion(verified);
  if (assertion.id !== element.attributes.get('ID')) {
    throw refused('the assertion that is signed is another one');
  }
  return { assertion, rememberUntil: checkAssertion(assertion, expected) };
}

/** The root of a response with exactly one assertion, wherever that may be. */
function readResponse(xml: string): XmlElement {
  const response = parseMessage(xml);
  if (response.name !== 'Response' || response.namespace !== NS.protocol) {
    throw malformed('it is no response');
  }
  const assertions = [...walk(response)].filter(({ element: { name } }) => isAssertion(name));
  // An IdP that signs nobody in says why; that is worth more in the log than the missing assertion.
  if (assertions.length === 0) checkStatus(response);
  const [found] = assertions;
  if (found === undefined || assertions.length > 1 || found.parent !== response) {
    throw malformed('it has not exactly one assertion');
  }
  checkSignatures(response);
  return response;
}

function isAssertion(name: string): boolean {
  return name === 'Assertion' || name === 'EncryptedAssertion';
}

/** The assertion as it came or as it was encrypted, not verified, and the key that opened it. */
function openAssertion(
  response: XmlElement,
  rules: ResponseRules,
): { readonly element: XmlElement; readonly decryptionKey: string | undefined } {
  const element = response.children.find(({ name }) => isAssertion(name));
  if (element?.namespace !== NS.assertion) throw malformed('its assertion has a foreign namespace');
  if (element.name === 'Assertion') {
    if (rules.encryptedAssertions !== 'require') return { element, decryptionKey: undefined };
    throw refused('the assertion is not encrypted');
  }
  if (rules.encryptedAssertions === 'refuse') throw refused('the assertion is encrypted');
  const { xml, decryptionKey } = decryptWithAny(element, rules.decryptionKeys);
  const inner = parseMessage(xml);
  const isOne = [...walk(inner)].filter(({ element: { name } }) => isAssertion(name)).length === 1;
  if (inner.name !== 'Assertion' || inner.namespace !== NS.assertion || !isOne) {
    throw malformed('what is encrypted is not one assertion');
  }
  checkSignatures(inner);
  return { element: inner, decryptionKey };
}

function decryptWithAny(
  encrypted: XmlElement,
  keys: readonly string[],
): { readonly xml: string; readonly decryptionKey: string } {
  let problem: unknown = refused('there is no key to decrypt it with');
  for (const decryptionKey of keys) {
    try {
      return { xml: decryptAssertion(encrypted, decryptionKey), decryptionKey };
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

/** The XML of the assertion as it was signed. */
async function verifySignatures(
  xml: string,
  options: {
    readonly certificates: readonly string[];
    readonly decryptionKey: string | undefined;
    readonly wantsResponse: boolean;
    readonly wantsAssertion: boolean;
    readonly audience: string;
  },
): Promise<string> {
  const saml = new SAML({
    idpCert: [...options.certificates],
    issuer: options.audience,
    audience: options.audience,
    callbackUrl: 'https://unused.invalid',
    wantAuthnResponseSigned: options.wantsResponse,
    wantAssertionsSigned: options.wantsAssertion,
    // Requests and times are checked against our own store and clock; -1 leaves the times out here.
    validateInResponseTo: ValidateInResponseTo.never,
    cacheProvider: NO_CACHE,
    acceptedClockSkewMs: -1,
    ...(options.decryptionKey === undefined ? {} : { decryptionPvk: options.decryptionKey }),
  });
  try {
    const SAMLResponse = Buffer.from(xml).toString('base64');
    const { profile } = await saml.validatePostResponseAsync({ SAMLResponse });
    const verified = profile?.getAssertionXml?.();
    if (verified !== undefined) return verified;
  } catch (cause) {
    if (isPosternError(cause)) throw cause;
    throw new PosternError(
      'ACCESS_SAML_SIGNATURE',
      `Cannot verify the SAML message: ${messageOf(cause).slice(0, 200)}`,
      { cause },
    );
  }
  throw new PosternError('ACCESS_SAML_SIGNATURE', 'Cannot verify the SAML message: no assertion');
}
