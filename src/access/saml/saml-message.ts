/**
 * How messages travel in forms and addresses: base64 in a field that occurs once, deflated where the redirect binding is used.
 *
 * Sizes are checked before anything is unpacked (cases S32, S34f), and a field that occurs twice is refused instead of
 * letting two readers take different ones (S34b). SAML bindings 3.4, 3.5.
 */
import { inflateRawSync } from 'node:zlib';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { malformed } from './xml-tree.ts';

/** The fields of a form or query that SAML knows. Those that are absent are undefined. */
export interface SamlFields {
  readonly SAMLRequest?: string;
  readonly SAMLResponse?: string;
  readonly RelayState?: string;
  readonly SigAlg?: string;
  readonly Signature?: string;
}

const NAMES = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature'] as const;

/** The parts of a query as they were sent, each one at most once. Throws ACCESS_SAML_MALFORMED. */
export function rawFields(query: string): SamlFields {
  const fields: Partial<Record<(typeof NAMES)[number], string>> = {};
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const rawName = equals === -1 ? part : part.slice(0, equals);
    const name = NAMES.find((known) => known.toLowerCase() === decode(rawName).toLowerCase());
    if (name === undefined) continue;
    if (rawName !== name)
      throw malformed(`"${rawName.slice(0, 50)}" is not how ${name} is written`);
    if (fields[name] !== undefined) throw malformed(`${name} occurs twice`);
    fields[name] = part.slice(equals + 1);
  }
  return fields;
}

/** The fields of a form. Throws ACCESS_SAML_MALFORMED, also above LIMITS.samlBodyBytes. */
export function formFields(body: Buffer): SamlFields {
  if (body.length > LIMITS.samlBodyBytes) throw malformed('it is too large');
  const raw = rawFields(body.toString('latin1'));
  return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, decode(value)]));
}

/** The XML in a field of a form. Throws ACCESS_SAML_MALFORMED. */
export function fromBase64(text: string): string {
  return utf8(bytesOf(text));
}

/** The XML in a field of a query, as it was sent. Throws ACCESS_SAML_MALFORMED, above LIMITS.samlInflatedBytes too. */
export function fromDeflated(raw: string): string {
  if (raw.length > LIMITS.samlInflatedBytes) throw malformed('it is too large');
  const deflated = bytesOf(decode(raw));
  try {
    return utf8(inflateRawSync(deflated, { maxOutputLength: LIMITS.samlInflatedBytes }));
  } catch (cause) {
    throw new PosternError(
      'ACCESS_SAML_MALFORMED',
      'Cannot read the SAML message: it cannot be unpacked, or becomes too large',
      { cause },
    );
  }
}

/** A part of a form or query without its escapes. */
export function decode(raw: string): string {
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '));
  } catch (cause) {
    throw new PosternError(
      'ACCESS_SAML_MALFORMED',
      'Cannot read the SAML message: it has an escape that is none',
      { cause },
    );
  }
}

function bytesOf(base64: string): Buffer {
  const text = base64.replace(/[\r\n\t ]/g, '');
  if (text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw malformed('it is not base64');
  return Buffer.from(text, 'base64');
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw new PosternError(
      'ACCESS_SAML_MALFORMED',
      'Cannot read the SAML message: it is not UTF-8 text',
      { cause },
    );
  }
}
