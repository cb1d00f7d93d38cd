/**
 * XML as a small read-only tree, and the only door through which XML from outside enters.
 *
 * What is refused: DOCTYPE and with it every entity (case S31), processing instructions, anything not well-formed, and more
 * elements, attributes or depth than LIMITS allows (S32), each before the parser sees it, in time linear in the text.
 * Comments are refused in messages, because they split texts in two (S13); metadata that people edit may have them.
 */
import { DOMParser, type DomElement } from '@xmldom/xmldom';
import { PosternError, isPosternError, messageOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

export interface XmlElement {
  readonly namespace: string;
  /** Without prefix. */
  readonly name: string;
  /** Those in no namespace, which are all that SAML has. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Its own text, without that of its children. */
  readonly text: string;
}

/** What each element was made of, for canonicalization. */
const nodes = new WeakMap<XmlElement, DomElement>();

/** The parser's own node of an element. */
export function domOf(element: XmlElement): DomElement {
  const node = nodes.get(element);
  if (node === undefined) throw malformed('an element was not read from it');
  return node;
}

/** The root of a message. Throws ACCESS_SAML_MALFORMED, whose message completes "Cannot …: ". */
export function parseMessage(xml: string): XmlElement {
  return parse(xml, 'refused');
}

/** The root of a file that people may have edited: as `parseMessage`, but comments are skipped. */
export function parseFile(xml: string): XmlElement {
  // A byte order mark is what some editors of XML write.
  return parse(xml.startsWith('\uFEFF') ? xml.slice(1) : xml, 'skipped');
}

/** The children with this name. */
export function childrenOf(parent: XmlElement, namespace: string, name: string): XmlElement[] {
  return parent.children.filter((child) => child.name === name && child.namespace === namespace);
}

/** The one child with this name, or undefined. Throws ACCESS_SAML_MALFORMED where there are several. */
export function childOf(
  parent: XmlElement,
  namespace: string,
  name: string,
): XmlElement | undefined {
  const [first, second] = childrenOf(parent, namespace, name);
  if (second !== undefined) throw malformed(`<${parent.name}> has more than one <${name}>`);
  return first;
}

/** The text of an element that must hold nothing else, without blanks around it; undefined where there is none. */
export function textOf(element: XmlElement | undefined): string | undefined {
  if (element === undefined) return undefined;
  if (element.children.length > 0) throw malformed(`<${element.name}> has more than text in it`);
  const text = element.text.trim();
  return text === '' ? undefined : text;
}

/** The element and everything below it, each with its parent. */
export function* walk(
  element: XmlElement,
  parent?: XmlElement,
): Generator<{ readonly element: XmlElement; readonly parent: XmlElement | undefined }> {
  yield { element, parent };
  for (const child of element.children) yield* walk(child, element);
}

/** A message that is not what SAML allows, or more than we look at. */
export function malformed(why: string): PosternError {
  return new PosternError('ACCESS_SAML_MALFORMED', `Cannot read the SAML message: ${why}`);
}

function parse(xml: string, comments: 'refused' | 'skipped'): XmlElement {
  checkMarkup(xml, comments);
  try {
    const parser = new DOMParser({ locator: {}, errorHandler: refuse });
    const root = parser.parseFromString(xml, 'text/xml').documentElement;
    if (root === null) throw malformed('it is empty');
    return toTree(root);
  } catch (error) {
    if (isPosternError(error)) throw error;
    throw malformed(messageOf(error).slice(0, 200));
  }
}

/** What the parser calls for errors and for what it would only warn of. */
function refuse(level: string, message: string): never {
  throw malformed(`${level}: ${message.split('\n')[0]?.slice(0, 200) ?? ''}`);
}

function toTree(element: DomElement): XmlElement {
  const { namespaceURI: namespace, localName, tagName } = element;
  if ((namespace ?? '') === '' && tagName !== localName) throw malformed('a prefix is unknown');
  const attributes = new Map<string, string>();
  for (const { namespaceURI, name, value } of Array.from(element.attributes)) {
    if ((namespaceURI ?? '') === '' && !name.includes(':')) attributes.set(name, value);
  }
  const children: XmlElement[] = [];
  let text = '';
  for (let node = element.firstChild; node !== null; node = node.nextSibling) {
    // 1 element, 3 text, 4 CDATA.
    if (node.nodeType === 1) children.push(toTree(node as DomElement));
    else if (node.nodeType === 3 || node.nodeType === 4) text += node.nodeValue ?? '';
  }
  const tree = { namespace: namespace ?? '', name: localName, attributes, children, text };
  nodes.set(tree, element);
  return tree;
}

/** A start tag with its attributes; each part ends where the next begins, so that matching never goes back. */
const START_TAG = /<[^\s<>"'/!?][^<>"']*(?:(?:"[^"<]*"|'[^'<]*')[^<>"']*)*>/y;
const ATTRIBUTE_VALUE = /"[^"]*"|'[^']*'/g;

/** One pass over the markup that knows nothing of XML but where tags begin and end. */
function checkMarkup(xml: string, comments: 'refused' | 'skipped'): void {
  let [depth, elements] = [0, 0];
  let end = xml.startsWith('<?xml ') ? after(xml, '?>', 0) : 0;
  for (let at = xml.indexOf('<', end); at !== -1; at = xml.indexOf('<', end)) {
    if (depth === 0) checkOutside(xml.slice(end, at));
    if (xml.startsWith('<![CDATA[', at)) end = after(xml, ']]>', at);
    else if (xml.startsWith('<!--', at) && comments === 'skipped') end = after(xml, '-->', at);
    else if (xml.startsWith('<!--', at)) throw malformed('it has a comment');
    else if (xml.startsWith('<!', at)) throw malformed('it has a DOCTYPE');
    else if (xml.startsWith('<?', at)) throw malformed('it has a processing instruction');
    else if (xml.startsWith('</', at)) {
      depth -= 1;
      end = after(xml, '>', at);
    } else {
      const tag = startTag(xml, at);
      elements += 1;
      if (!tag.endsWith('/>')) depth += 1;
      if (elements > LIMITS.samlXmlElements) throw malformed('it has too many elements');
      if (depth > LIMITS.samlXmlDepth) throw malformed('its elements are nested too deeply');
      end = at + tag.length;
    }
  }
  checkOutside(xml.slice(end));
}

/** Nothing but blanks may stand before and behind the root. */
function checkOutside(text: string): void {
  if (text.trim() !== '') throw malformed('it has text outside of its root');
}

function startTag(xml: string, at: number): string {
  START_TAG.lastIndex = at;
  const tag = START_TAG.exec(xml)?.[0];
  if (tag === undefined) throw malformed('a tag has no end');
  const attributes = tag.match(ATTRIBUTE_VALUE)?.length ?? 0;
  if (attributes > LIMITS.samlXmlAttributes) {
    throw malformed('an element has too many attributes');
  }
  return tag;
}

function after(xml: string, end: string, from: number): number {
  const at = xml.indexOf(end, from);
  if (at === -1) throw malformed(`"${end}" is missing`);
  return at + end.length;
}
