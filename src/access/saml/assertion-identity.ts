/**
 * The identity that an assertion stands for. Pure.
 *
 * NameID is the subject, kept as it is. Address, name and groups come from the attributes that the configuration names, else
 * from those that Entra ID, Okta, ADFS, Keycloak and Shibboleth send under their usual names.
 */
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Identity } from '../identity.ts';
import { canonicalEmail } from '../sign-in/canonical-email.ts';
import type { Assertion, NameId } from './assertion.ts';
import { FORMAT_EMAIL } from './saml-names.ts';

/** Which attributes to read; absent: the usual ones. */
export interface AttributeNames {
  readonly email?: string | undefined;
  readonly name?: string | undefined;
  readonly groups?: string | undefined;
}

const WS_CLAIMS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
const MS_CLAIMS = 'http://schemas.microsoft.com/ws/2008/06/identity/claims';

/** The first that is there is used. */
const USUAL = {
  email: [
    'email',
    'mail',
    'emailAddress',
    `${WS_CLAIMS}/emailaddress`,
    'urn:oid:0.9.2342.19200300.100.1.3',
    'urn:oid:1.2.840.113549.1.9.1',
  ],
  name: [
    'displayName',
    'name',
    'http://schemas.microsoft.com/identity/claims/displayname',
    'urn:oid:2.16.840.1.113730.3.1.241',
    'cn',
    'urn:oid:2.5.4.3',
    `${WS_CLAIMS}/name`,
  ],
  groups: [
    'groups',
    'group',
    'memberOf',
    `${MS_CLAIMS}/groups`,
    'http://schemas.xmlsoap.org/claims/Group',
    'isMemberOf',
    'urn:oid:1.3.6.1.4.1.5923.1.5.1.1',
  ],
} as const;

const CONTEXT = 'urn:oasis:names:tc:SAML:2.0:ac:classes:';

/** What authentication contexts and Entra ID's methods are called in RFC 8176. */
const METHODS: ReadonlyMap<string, string> = new Map([
  [`${CONTEXT}Password`, 'pwd'],
  [`${CONTEXT}PasswordProtectedTransport`, 'pwd'],
  [`${CONTEXT}TimeSyncToken`, 'otp'],
  [`${CONTEXT}Smartcard`, 'sc'],
  [`${CONTEXT}SmartcardPKI`, 'sc'],
  [`${CONTEXT}X509`, 'swk'],
  [`${CONTEXT}TLSClient`, 'swk'],
  [`${CONTEXT}SoftwarePKI`, 'swk'],
  [`${CONTEXT}MobileTwoFactorUnregistered`, 'mfa'],
  [`${CONTEXT}MobileTwoFactorContract`, 'mfa'],
  [`${CONTEXT}Kerberos`, 'wia'],
  ['urn:federation:authentication:windows', 'wia'],
  ['https://refeds.org/profile/mfa', 'mfa'],
  ['http://schemas.microsoft.com/claims/multipleauthn', 'mfa'],
  [`${MS_CLAIMS.replace('/claims', '')}/authenticationmethod/password`, 'pwd'],
  [`${MS_CLAIMS.replace('/claims', '')}/authenticationmethod/x509`, 'swk'],
  [`${MS_CLAIMS.replace('/claims', '')}/authenticationmethod/smartcard`, 'sc'],
  [`${MS_CLAIMS.replace('/claims', '')}/authenticationmethod/hardwaretoken`, 'hwk'],
]);

/** Entra ID lists here with what somebody authenticated, beside the one context that SAML has room for. */
const METHOD_ATTRIBUTE = 'http://schemas.microsoft.com/claims/authnmethodsreferences';

/** The identity. Throws ACCESS_SAML_IDENTITY where there is nobody, or more than we keep. */
export function identityOf(
  provider: string,
  assertion: Assertion,
  names: AttributeNames = {},
): Identity {
  const { attributes, nameId } = assertion;
  if (nameId === undefined) throw noIdentity('it names nobody');
  const keyOf = (what: keyof typeof USUAL): string | undefined =>
    pick(attributes, names[what], USUAL[what]);
  const [emailKey, nameKey, groupsKey] = [keyOf('email'), keyOf('name'), keyOf('groups')];
  const valuesOf = (key = ''): readonly string[] => attributes.get(key) ?? [];
  const email = canonicalEmail(valuesOf(emailKey)[0] ?? emailInName(nameId, names.email));
  const name = valuesOf(nameKey)[0]?.slice(0, LIMITS.samlNameChars);
  const others = [...attributes].filter(([key]) => ![emailKey, nameKey, groupsKey].includes(key));
  const identity: Identity = {
    provider,
    subject: nameId.value,
    ...(email === undefined ? {} : { email }),
    ...(name === undefined ? {} : { name }),
    groups: [...new Set(valuesOf(groupsKey))],
    methods: methodsOf(assertion),
    claims: Object.fromEntries(
      others.map(([key, values]) => [key, values.length === 1 ? values[0] : values]),
    ),
  };
  if (Buffer.byteLength(JSON.stringify(identity)) > LIMITS.identityBytes) {
    throw noIdentity('it says more than is kept; let the provider send fewer attributes or groups');
  }
  return identity;
}

/** The attribute to read: the configured one, or the first usual one that has a value. */
function pick(
  attributes: Assertion['attributes'],
  configured: string | undefined,
  usual: readonly string[],
): string | undefined {
  return configured ?? usual.find((name) => (attributes.get(name)?.length ?? 0) > 0);
}

/** An address in place of a name, where the configuration does not say that it is elsewhere. */
function emailInName(
  { value, format }: NameId,
  configured: string | undefined,
): string | undefined {
  return configured === undefined && format === FORMAT_EMAIL ? value : undefined;
}

function methodsOf({ authentication, attributes }: Assertion): string[] {
  const said = [authentication?.contextClass ?? '', ...(attributes.get(METHOD_ATTRIBUTE) ?? [])];
  return [...new Set(said.flatMap((each) => METHODS.get(each) ?? []))];
}

function noIdentity(why: string): PosternError {
  return new PosternError(
    'ACCESS_SAML_IDENTITY',
    `Cannot make an identity of the assertion: ${why}`,
  );
}
