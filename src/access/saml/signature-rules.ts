/**
 * What a message must look like before any signature in it is verified.
 *
 * Signature wrapping (cases S4 to S12) lives on documents in which a verified element and the one that is read are not the
 * same. So there is one shape only: one assertion, signatures as direct children of what they sign, each with one reference
 * to its own parent, no id twice; and no algorithm but those listed here (S25). Nothing here is a proof of anything.
 */
import { PosternError } from '../../core/error.ts';
import { NS } from './saml-names.ts';
import { childOf, childrenOf, walk } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

/** How a signature algorithm is verified. */
interface SignatureHash {
  /** Node's name of the digest. */
  readonly hash: string;
  readonly isPss: boolean;
}

/** The signature algorithms that are accepted. */
export const SIGNATURE_HASHES: ReadonlyMap<string, SignatureHash> = new Map([
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', { hash: 'sha256', isPss: false }],
  ['http://www.w3.org/2001/04/xmldsig-more#rsa-sha512', { hash: 'sha512', isPss: false }],
  ['http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1', { hash: 'sha256', isPss: true }],
]);

const DIGEST_METHODS = new Set([
  'http://www.w3.org/2001/04/xmlenc#sha256',
  'http://www.w3.org/2001/04/xmlenc#sha512',
]);

const CANONICALIZATIONS = new Set(['http://www.w3.org/2001/10/xml-exc-c14n#']);

const TRANSFORMS = new Set([
  ...CANONICALIZATIONS,
  'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
]);

/** Which algorithms each element may name, whatever its namespace: the library looks at local names only. */
const ALLOWED: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['SignatureMethod', new Set(SIGNATURE_HASHES.keys())],
  ['DigestMethod', DIGEST_METHODS],
  ['CanonicalizationMethod', CANONICALIZATIONS],
  ['Transform', TRANSFORMS],
]);

/** Throws ACCESS_SAML_SIGNATURE unless the signatures below `root` have the one shape that is allowed. */
export function checkSignatures(root: XmlElement): void {
  const ids = new Set<string>();
  for (const { element, parent } of walk(root)) {
    checkAlgorithm(element, parent);
    for (const id of idsOf(element)) {
      if (ids.has(id)) throw refused('two elements have the same id');
      ids.add(id);
    }
    if (element.name === 'Signature') checkSignature(element, parent);
  }
}

function checkSignature(signature: XmlElement, parent: XmlElement | undefined): void {
  if (signature.namespace !== NS.signature) throw refused('a signature has a foreign namespace');
  const id = parent?.attributes.get('ID');
  if (parent === undefined || id === undefined) throw refused('a signature signs nothing');
  if (childrenOf(parent, NS.signature, 'Signature').length > 1) {
    throw refused('an element has two signatures');
  }
  const allowed = ['SignedInfo', 'SignatureValue', 'KeyInfo'];
  if (signature.children.some(({ name }) => !allowed.includes(name))) {
    throw refused('a signature has more in it than it needs');
  }
  const infos = signature.children.filter(({ name }) => name === 'SignedInfo');
  const [info] = infos;
  if (info === undefined || infos.length > 1) throw refused('a signature has not one SignedInfo');
  const references = childrenOf(info, NS.signature, 'Reference');
  const [reference] = references;
  if (reference === undefined || references.length > 1) {
    throw refused('a signature has not one reference');
  }
  if (reference.attributes.get('URI') !== `#${id}`) {
    throw refused('a signature refers to something else than the element that it is in');
  }
}

function checkAlgorithm(element: XmlElement, parent: XmlElement | undefined): void {
  const allowed = ALLOWED.get(element.name);
  // The digest inside RSA-OAEP is no signature's; decrypt-assertion.ts has its own list.
  if (allowed === undefined || parent?.name === 'EncryptionMethod') return;
  const algorithm = element.attributes.get('Algorithm') ?? '';
  if (allowed.has(algorithm)) return;
  throw refused(`${element.name} "${algorithm.slice(0, 100)}" is not allowed`);
}

function idsOf(element: XmlElement): string[] {
  return ['ID', 'Id', 'id'].flatMap((name) => element.attributes.get(name) ?? []);
}

/** Whether the element has a signature as its own child. */
export function isSigned(element: XmlElement): boolean {
  return childOf(element, NS.signature, 'Signature') !== undefined;
}

function refused(why: string): PosternError {
  return new PosternError('ACCESS_SAML_SIGNATURE', `Cannot accept the SAML message: ${why}`);
}
