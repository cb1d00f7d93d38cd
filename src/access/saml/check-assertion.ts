/**
 * Whether a verified response is for us, for this sign-in and for now. SAML profiles 4.1.4.
 *
 * Pure: the verified assertion, the response around it, and what was asked for. Each refusal says in the log what did not
 * hold. The library checks some of this; none of it is left to it.
 */
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { issuerOf } from './assertion.ts';
import type { Assertion, SubjectConfirmation } from './assertion.ts';
import { METHOD_BEARER, NS, STATUS_SUCCESS } from './saml-names.ts';
import { childOf } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

/** What a good response holds. */
export interface Expected {
  /** The IdP's entityID. */
  readonly issuer: string;
  /** Our entityID. */
  readonly audience: string;
  /** Our assertion consumer service. */
  readonly recipient: string;
  /** The request it answers; undefined for one that nobody asked for. */
  readonly requestId: string | undefined;
  /** Wall-clock time, ms since 1970. */
  readonly now: number;
  readonly clockSkewMs: number;
}

/** Checks what surrounds the assertion. It may be unsigned, so it can only refuse. */
export function checkResponse(response: XmlElement, expected: Expected): void {
  const { attributes } = response;
  const issuer = issuerOf(response);
  if (attributes.get('Version') !== '2.0') throw refused('the response is not of SAML 2.0');
  const destination = attributes.get('Destination');
  if (destination !== undefined && destination !== expected.recipient) {
    throw refused(`its Destination is ${show(destination)}`);
  }
  if (issuer !== undefined && issuer !== expected.issuer) {
    throw refused(`the response is of issuer ${show(issuer)}`);
  }
  checkInResponseTo('the response', attributes.get('InResponseTo'), expected);
  checkStatus(response);
}

/** Throws ACCESS_SAML_STATUS unless the IdP says that it did what was asked. */
export function checkStatus(response: XmlElement): void {
  const status = childOf(response, NS.protocol, 'Status');
  const code = status && childOf(status, NS.protocol, 'StatusCode');
  const value = code?.attributes.get('Value');
  if (value === STATUS_SUCCESS) return;
  const second = code && childOf(code, NS.protocol, 'StatusCode')?.attributes.get('Value');
  const names = [value, second].flatMap((each) => each?.split(':').at(-1)?.slice(0, 60) ?? []);
  const text = `Cannot do what was asked: the identity provider answers ${names.join(', ') || 'without a status'}`;
  throw new PosternError('ACCESS_SAML_STATUS', text);
}

/**
 * Checks an assertion whose signature was verified. Returns until when it could be used again, ms since 1970: so long it
 * must be remembered. Throws ACCESS_SAML_REFUSED.
 */
export function checkAssertion(assertion: Assertion, expected: Expected): number {
  const { now, clockSkewMs } = expected;
  if (assertion.version !== '2.0' || assertion.id === '') throw refused('it is not of SAML 2.0');
  if (assertion.issuer !== expected.issuer) {
    throw refused(`the assertion is of issuer ${show(assertion.issuer)}`);
  }
  if (!(assertion.issueInstant <= now + clockSkewMs)) throw refused('it was issued in the future');
  if (assertion.nameId === undefined) throw refused('it names nobody');
  const ends = [checkConditions(assertion, expected), checkConfirmations(assertion, expected)];
  checkAuthentication(assertion, expected);
  // Nobody asked, so nothing but its age says that it belongs to what happens now.
  const isStale = assertion.issueInstant + LIMITS.samlUnsolicitedMs + clockSkewMs <= now;
  if (expected.requestId === undefined && isStale) throw refused('it was issued too long ago');
  const end = Math.min(...ends) + clockSkewMs;
  if (end > now + LIMITS.samlAssertionMs) throw refused('it is valid for too long');
  return end;
}

/** Returns when they end; Infinity where they do not. */
function checkConditions(assertion: Assertion, { audience, now, clockSkewMs }: Expected): number {
  const { audiences, notBefore, notOnOrAfter, unknownConditions } = assertion;
  if (audiences === undefined || audiences.length === 0) throw refused('it is for no audience');
  if (!audiences.every((list) => list.includes(audience))) {
    throw refused(`it is for the audience ${show(audiences.flat().join(', '))}`);
  }
  const [unknown] = unknownConditions;
  if (unknown !== undefined) throw refused(`it has the condition ${show(unknown)}`);
  if (notBefore !== undefined && !(notBefore <= now + clockSkewMs)) {
    throw refused('it is not valid yet');
  }
  if (notOnOrAfter !== undefined && !(notOnOrAfter + clockSkewMs > now)) {
    throw refused('it is no longer valid');
  }
  return notOnOrAfter ?? Number.POSITIVE_INFINITY;
}

/** Returns when the one that holds ends. */
function checkConfirmations({ confirmations }: Assertion, expected: Expected): number {
  let problem = 'nobody may present it';
  for (const confirmation of confirmations) {
    const wrong = problemOf(confirmation, expected);
    if (wrong === undefined) return confirmation.notOnOrAfter ?? 0;
    problem = wrong;
  }
  throw refused(problem);
}

function problemOf(confirmation: SubjectConfirmation, expected: Expected): string | undefined {
  const { method, recipient, inResponseTo, notBefore, notOnOrAfter } = confirmation;
  const { now, clockSkewMs, requestId } = expected;
  if (method !== METHOD_BEARER) return `it is confirmed by ${show(method)}`;
  if (recipient !== expected.recipient) return `its Recipient is ${show(recipient ?? '')}`;
  if (inResponseTo !== requestId) return 'its confirmation answers another request';
  if (notOnOrAfter === undefined) return 'its confirmation has no end';
  if (!(notOnOrAfter + clockSkewMs > now)) return 'its confirmation is no longer valid';
  if (notBefore !== undefined && !(notBefore <= now + clockSkewMs)) {
    return 'its confirmation is not valid yet';
  }
  return undefined;
}

function checkAuthentication({ authentication }: Assertion, expected: Expected): void {
  const { now, clockSkewMs } = expected;
  if (authentication === undefined) throw refused('nobody authenticated for it');
  const { instant, sessionNotOnOrAfter } = authentication;
  if (!(instant <= now + clockSkewMs)) throw refused('it was authenticated in the future');
  if (sessionNotOnOrAfter !== undefined && !(sessionNotOnOrAfter + clockSkewMs > now)) {
    throw refused('the session at the identity provider is over');
  }
}

function checkInResponseTo(what: string, id: string | undefined, { requestId }: Expected): void {
  if (requestId === undefined && id !== undefined) throw refused(`${what} answers a request`);
  // Who signs only the assertion may leave it out here; the assertion itself must have it.
  if (requestId !== undefined && id !== undefined && id !== requestId) {
    throw refused(`${what} answers another request`);
  }
}

/** A response that is sound and still not what was asked for. */
export function refused(why: string): PosternError {
  return new PosternError('ACCESS_SAML_REFUSED', `Cannot accept the SAML message: ${why}`);
}

/** Text from outside for the log, short. */
function show(text: string): string {
  return `"${text.slice(0, 200)}"`;
}
