/**
 * As much of @xmldom/xmldom as we use. Its own types would bring those of browsers into every file, where they contradict
 * Node's; tsconfig.base.json puts these in their place.
 */
export interface DomNode {
  /** 1 element, 3 text, 4 CDATA. */
  readonly nodeType: number;
  readonly nodeValue: string | null;
  readonly localName: string;
  readonly childNodes: ArrayLike<DomNode>;
  readonly firstChild: DomNode | null;
  readonly nextSibling: DomNode | null;
  readonly parentNode: DomNode | null;
  /** Of elements only. */
  readonly attributes?: ArrayLike<DomAttribute>;
  cloneNode(isDeep: boolean): DomNode;
  appendChild(child: DomNode): DomNode;
  removeChild(child: DomNode): DomNode;
  insertBefore(child: DomNode, next: DomNode | null): DomNode;
  replaceChild(child: DomNode, old: DomNode): DomNode;
}

export interface DomAttribute {
  readonly name: string;
  readonly namespaceURI: string | null;
  readonly value: string;
}

export interface DomElement extends DomNode {
  /** With its prefix. */
  readonly tagName: string;
  readonly namespaceURI: string | null;
  readonly attributes: ArrayLike<DomAttribute>;
  readonly ownerDocument: DomDocument;
  textContent: string | null;
  setAttribute(name: string, value: string): void;
  getElementsByTagNameNS(namespace: string, name: string): ArrayLike<DomElement>;
}

export interface DomDocument extends DomNode {
  readonly documentElement: DomElement | null;
  createElementNS(namespace: string, name: string): DomElement;
}

export class DOMParser {
  constructor(options?: {
    readonly locator?: object;
    readonly errorHandler?: (level: string, message: string) => void;
  });
  parseFromString(xml: string, type: 'text/xml'): DomDocument;
}

export class XMLSerializer {
  serializeToString(node: DomNode): string;
}
