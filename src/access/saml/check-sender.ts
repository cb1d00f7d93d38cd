/**
 * Whether the identity provider made the signatures of a message at all, before anything expensive is done with it.
 *
 * Looks at each SignedInfo alone: the digests in it, and so the message, are verified afterwards by the libraries, which need seconds for
 * documents that were made for it. Whoever has no signature of the provider is refused here, in a millisecond. XML signature 3.2.2.
 */
import { constants, verify } from 'node:crypto';
import type { DomNode } from '@xmldom/xmldom';
import { ExclusiveCanonicalization } from 'xml-crypto';
import { PosternError, messageOf } from '../../core/error.ts';
import { NS } from './saml-names.ts';
import { SIGNATURE_HASHES } from './signature-rules.ts';
import { childOf, domOf, textOf, walk } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

/**
 * Throws ACCESS_SAML_SIGNATURE unless there is a signature below the roots and every one was made with the key of one of the
 * certificates (PEM). Only after `checkSignatures`.
 */
export function checkSenders(roots: readonly XmlElement[], certificates: readonly string[]): void {
  const signatures = roots
    .flatMap((root) => [...walk(root)])
    .filter(({ element }) => element.name === 'Signature');
  if (signatures.length === 0) throw unsigned('it is not signed');
  for (const { element } of signatures) {
    if (!isMadeWith(element, certificates)) throw unsigned('its signature is wrong');
  }
}

function isMadeWith(signature: XmlElement, certificates: readonly string[]): boolean {
  const info = childOf(signature, NS.signature, 'SignedInfo');
  const method = info && childOf(info, NS.signature, 'SignatureMethod');
  const known = SIGNATURE_HASHES.get(method?.attributes.get('Algorithm') ?? '');
  if (info === undefined || known === undefined) return false;
  const value = textOf(childOf(signature, NS.signature, 'SignatureValue')) ?? '';
  const bytes = Buffer.from(value, 'base64');
  const signed = Buffer.from(canonical(domOf(info)));
  const options = known.isPss
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
  return certificates.some((key) => verify(known.hash, signed, { key, ...options }, bytes));
}

function canonical(node: DomNode): string {
  const ancestorNamespaces = namespacesAround(node);
  try {
    return new ExclusiveCanonicalization().process(node, { ancestorNamespaces });
  } catch (cause) {
    throw unsigned(`its signature cannot be read: ${messageOf(cause).slice(0, 200)}`);
  }
}

/** Prefixes that are declared further out, the nearest first: InclusiveNamespaces may name them. */
function namespacesAround(node: DomNode): { prefix: string; namespaceURI: string }[] {
  const found: { prefix: string; namespaceURI: string }[] = [];
  for (let outer = node.parentNode; outer !== null; outer = outer.parentNode) {
    for (const { name, value } of Array.from(outer.attributes ?? [])) {
      const prefix = name.startsWith('xmlns:') ? name.slice(6) : '';
      const isKnown = found.some((known) => known.prefix === prefix);
      if (prefix !== '' && !isKnown) found.push({ prefix, namespaceURI: value });
    }
  }
  return found;
}

function unsigned(why: string): PosternError {
  return new PosternError('ACCESS_SAML_SIGNATURE', `Cannot verify the SAML message: ${why}`);
}
