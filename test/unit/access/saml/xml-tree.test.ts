import { describe, expect, it } from '@jest/globals';

import {
  childOf,
  parseFile,
  parseMessage,
  textOf,
  walk,
} from '../../../../src/access/saml/xml-tree.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

const MALFORMED = expect.objectContaining({ code: 'ACCESS_SAML_MALFORMED' });

it('parseMessage() gives names without prefix, attributes without namespace, and text', () => {
  const root = parseMessage(
    '<?xml version="1.0"?><a:r xmlns:a="urn:a" ID="1" a:x="2" y=\'"&gt;\'>one<b/><![CDATA[<two>]]>&#33;</a:r>',
  );
  expect(root).toMatchObject({ namespace: 'urn:a', name: 'r', text: 'one<two>!' });
  expect([...root.attributes]).toEqual([
    ['ID', '1'],
    ['y', '">'],
  ]);
  expect(root.children).toEqual([
    { namespace: '', name: 'b', attributes: new Map(), children: [], text: '' },
  ]);
  expect([...walk(root)].map(({ element, parent }) => [element.name, parent?.name])).toEqual([
    ['r', undefined],
    ['b', 'r'],
  ]);
});

describe.each([
  ['nothing', ''],
  ['no markup', 'text'],
  ['a DOCTYPE', '<!DOCTYPE a><a/>'],
  ['a comment', '<a><!-- --></a>'],
  ['a processing instruction', '<a><?x y?></a>'],
  ['a second declaration', '<?xml version="1.0"?><?xml version="1.0"?><a/>'],
  ['an element that is not closed', '<a><b></a>'],
  ['a tag that does not end', '<a'],
  ['a value without quotes', '<a b=c/>'],
  ['an attribute twice', '<a b="1" b="2"/>'],
  ['an attribute without a value', '<a b/>'],
  ['an unknown entity', '<a>&b;</a>'],
  ['a prefix that nobody declared', '<a:b/>'],
  ['two roots', '<a/><b/>'],
  ['text behind the root', '<a/>b'],
  ['a CDATA section that does not end', '<a><![CDATA[</a>'],
  ['a less-than sign in a value', '<a b="<"/>'],
])('%s', (_, xml) => {
  it('parseMessage() refuses it with a code', () => {
    expect(() => parseMessage(xml)).toThrow(MALFORMED);
  });
});

it('parseFile() skips comments and a byte order mark, and refuses a DOCTYPE all the same', () => {
  expect(parseFile('\uFEFF<?xml version="1.0"?>\n<!-- <b> --><a>1<!-- x -->2</a>')).toMatchObject({
    name: 'a',
    text: '12',
  });
  expect(() => parseFile('<!-- --><!DOCTYPE a><a/>')).toThrow(MALFORMED);
});

it('parseMessage() takes as much as the limits say and no more', () => {
  const { samlXmlAttributes, samlXmlDepth, samlXmlElements } = LIMITS;
  const nested = (depth: number): string => '<a>'.repeat(depth) + '</a>'.repeat(depth);
  const wide = (elements: number): string => `<a>${'<b/>'.repeat(elements - 1)}</a>`;
  const rich = (count: number): string =>
    `<a ${Array.from({ length: count }, (_, at) => `a${at}="x"`).join(' ')}/>`;
  for (const [make, limit] of [
    [nested, samlXmlDepth],
    [wide, samlXmlElements],
    [rich, samlXmlAttributes],
  ] as const) {
    expect(parseMessage(make(limit))).toMatchObject({ name: 'a' });
    expect(() => parseMessage(make(limit + 1))).toThrow(MALFORMED);
  }
});

it('childOf() and textOf() refuse what could be read in two ways', () => {
  const root = parseMessage('<a><b>1</b><b>2</b><c><d/>x</c><e> </e></a>');
  expect(() => childOf(root, '', 'b')).toThrow(MALFORMED);
  expect(() => textOf(childOf(root, '', 'c'))).toThrow(MALFORMED);
  expect(textOf(childOf(root, '', 'e'))).toBeUndefined();
  expect(childOf(root, 'urn:a', 'c')).toBeUndefined();
  expect(textOf(undefined)).toBeUndefined();
});
