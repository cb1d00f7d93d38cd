/**
 * What a verified assertion says, as plain values. SAML core 2.
 *
 * Reads the bytes that the signature covers and nothing else (case S15): never hand it the message as it came. It decides
 * nothing; check-assertion.ts does.
 */
import { FORMAT_ENTITY, NS } from './saml-names.ts';
import { childOf, childrenOf, malformed, parseMessage, textOf } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

/** The name that an IdP has for somebody. */
export interface NameId {
  readonly value: string;
  readonly format?: string | undefined;
  readonly nameQualifier?: string | undefined;
  readonly spNameQualifier?: string | undefined;
}

/** Who may present the assertion, where and until when. Times are ms since 1970; NaN where they are no times. */
export interface SubjectConfirmation {
  readonly method: string;
  readonly recipient: string | undefined;
  readonly inResponseTo: string | undefined;
  readonly notBefore: number | undefined;
  readonly notOnOrAfter: number | undefined;
}

export interface Assertion {
  readonly id: string;
  readonly version: string;
  readonly issueInstant: number;
  readonly issuer: string;
  readonly nameId: NameId | undefined;
  readonly confirmations: readonly SubjectConfirmation[];
  readonly notBefore: number | undefined;
  readonly notOnOrAfter: number | undefined;
  /** One list for each AudienceRestriction; undefined where there are no Conditions. */
  readonly audiences: readonly (readonly string[])[] | undefined;
  /** Conditions that we do not know and so cannot keep. */
  readonly unknownConditions: readonly string[];
  /** undefined where nobody authenticated. */
  readonly authentication: Authentication | undefined;
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

/** How somebody authenticated at the IdP. */
interface Authentication {
  readonly instant: number;
  readonly sessionIndex: string | undefined;
  readonly sessionNotOnOrAfter: number | undefined;
  readonly contextClass: string | undefined;
}

const KNOWN_CONDITIONS = ['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction'];

/** Reads an assertion. Throws ACCESS_SAML_MALFORMED. */
export function readAssertion(xml: string): Assertion {
  const root = parseMessage(xml);
  if (root.name !== 'Assertion' || root.namespace !== NS.assertion) {
    throw malformed('it is no assertion');
  }
  const subject = childOf(root, NS.assertion, 'Subject');
  const conditions = childOf(root, NS.assertion, 'Conditions');
  const restrictions = conditions && childrenOf(conditions, NS.assertion, 'AudienceRestriction');
  return {
    id: root.attributes.get('ID') ?? '',
    version: root.attributes.get('Version') ?? '',
    issueInstant: timeOf(root.attributes.get('IssueInstant')) ?? Number.NaN,
    issuer: issuerOf(root) ?? '',
    nameId: subject && nameIdOf(subject),
    confirmations: subject === undefined ? [] : confirmationsOf(subject),
    notBefore: timeOf(conditions?.attributes.get('NotBefore')),
    notOnOrAfter: timeOf(conditions?.attributes.get('NotOnOrAfter')),
    audiences: restrictions?.map((restriction) => audiencesOf(restriction)),
    unknownConditions: (conditions?.children ?? [])
      .map(({ name }) => name)
      .filter((name) => !KNOWN_CONDITIONS.includes(name)),
    authentication: authenticationOf(root),
    attributes: attributesOf(root),
  };
}

/** Who says it: the text of Issuer, which must be the name of an entity. */
export function issuerOf(element: XmlElement): string | undefined {
  const issuer = childOf(element, NS.assertion, 'Issuer');
  const format = issuer?.attributes.get('Format');
  if (format !== undefined && format !== FORMAT_ENTITY) throw malformed('its issuer is no entity');
  return textOf(issuer);
}

/** A time of XML schema, which SAML wants in UTC, as ms since 1970; undefined where there is none, NaN where it is no time. */
export function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const isUtc = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/.test(
    text,
  );
  return isUtc ? Date.parse(text) : Number.NaN;
}

/** The NameID below `parent`; undefined where there is none. */
export function nameIdOf(parent: XmlElement): NameId | undefined {
  const element = childOf(parent, NS.assertion, 'NameID');
  const value = textOf(element);
  if (element === undefined || value === undefined) return undefined;
  return {
    value,
    format: element.attributes.get('Format'),
    nameQualifier: element.attributes.get('NameQualifier'),
    spNameQualifier: element.attributes.get('SPNameQualifier'),
  };
}

function confirmationsOf(subject: XmlElement): SubjectConfirmation[] {
  return childrenOf(subject, NS.assertion, 'SubjectConfirmation').map((confirmation) => {
    const data = childOf(confirmation, NS.assertion, 'SubjectConfirmationData')?.attributes;
    return {
      method: confirmation.attributes.get('Method') ?? '',
      recipient: data?.get('Recipient'),
      inResponseTo: data?.get('InResponseTo'),
      notBefore: timeOf(data?.get('NotBefore')),
      notOnOrAfter: timeOf(data?.get('NotOnOrAfter')),
    };
  });
}

function audiencesOf(restriction: XmlElement): string[] {
  return childrenOf(restriction, NS.assertion, 'Audience').flatMap((each) => textOf(each) ?? []);
}

function authenticationOf(root: XmlElement): Authentication | undefined {
  const [statement] = childrenOf(root, NS.assertion, 'AuthnStatement');
  if (statement === undefined) return undefined;
  const context = childOf(statement, NS.assertion, 'AuthnContext');
  return {
    instant: timeOf(statement.attributes.get('AuthnInstant')) ?? Number.NaN,
    sessionIndex: statement.attributes.get('SessionIndex'),
    sessionNotOnOrAfter: timeOf(statement.attributes.get('SessionNotOnOrAfter')),
    contextClass: context && textOf(childOf(context, NS.assertion, 'AuthnContextClassRef')),
  };
}

function attributesOf(root: XmlElement): Map<string, string[]> {
  const attributes = new Map<string, string[]>();
  for (const statement of childrenOf(root, NS.assertion, 'AttributeStatement')) {
    for (const attribute of childrenOf(statement, NS.assertion, 'Attribute')) {
      const name = attribute.attributes.get('Name') ?? '';
      // A value may be XML (eduPersonTargetedID has a NameID inside); nobody here could use that.
      const values = childrenOf(attribute, NS.assertion, 'AttributeValue')
        .filter(({ children }) => children.length === 0)
        .flatMap((value) => textOf(value) ?? []);
      attributes.set(name, [...(attributes.get(name) ?? []), ...values]);
    }
  }
  return attributes;
}
