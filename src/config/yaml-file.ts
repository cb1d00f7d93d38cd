/**
 * A YAML file as plain values, with the line of everything in it.
 *
 * Files are read as YAML 1.2 with cloudflared's merge keys (`<<`). What YAML lets through and nobody means is refused:
 * duplicate keys, several documents, unknown tags, alias bombs. Errors are one line: `<file>:<line>: <what>; <remedy>`.
 */
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Alias, Document, Node, YAMLError } from 'yaml';
import { messageOf } from '../core/error.ts';
import type { PosternError } from '../core/error.ts';
import { configError } from './config-error.ts';
import { show } from './field.ts';
import { readTextFile } from './read-text-file.ts';
import { findTooDeep, MAX_DEPTH } from './yaml-depth.ts';

/** Where a value is in a file: keys and list positions, from the top. */
export type KeyPath = readonly (string | number)[];

/** A file that was read and is a mapping. */
export interface YamlFile {
  /** As the user named it. */
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** The line, from 1, of the key or list entry at `path`, or of the nearest thing around it. */
  lineOf(path: KeyPath): number;
}

/** Aliases in one file: two for every ingress rule there may be, and far from a bomb. */
const MAX_ALIASES = 1000;

/** Values that the aliases of one anchor may stand for: aliases of aliases multiply. */
const MAX_EXPANSION = 10_000;

/** Reads a YAML file. Throws CONFIG_UNREADABLE, and CONFIG_SYNTAX for what is not a YAML mapping. */
export async function readYamlFile(name: string): Promise<YamlFile> {
  return parseYaml(name, await readConfigText(name));
}

/** The text of a configuration file. Throws CONFIG_UNREADABLE. */
export async function readConfigText(name: string): Promise<string> {
  try {
    return await readTextFile(name);
  } catch (cause) {
    const text = `${messageOf(cause)}; name the configuration file with --config`;
    throw configError('CONFIG_UNREADABLE', name, text, cause);
  }
}

/** Parses the text of a YAML file. Throws CONFIG_SYNTAX. */
export function parseYaml(name: string, content: string): YamlFile {
  const lines = new LineCounter();
  const fail = (offset: number, what: string, cause?: unknown): PosternError =>
    configError('CONFIG_SYNTAX', `${name}:${lineAt(lines, offset)}`, what, cause);
  const tooDeep = findTooDeep(content);
  if (tooDeep !== undefined) {
    const line = content.slice(0, tooDeep).split('\n').length;
    throw configError(
      'CONFIG_SYNTAX',
      `${name}:${line}`,
      `is nested too deeply; ${MAX_DEPTH} levels are the limit`,
    );
  }
  const document = parseDocument(content, {
    lineCounter: lines,
    merge: true,
    prettyErrors: false,
    // The library compares every key of a mapping with every other; findMistake() does not.
    uniqueKeys: false,
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw fail(problem.pos[0], explain(problem), problem);
  if (document.contents === null) throw fail(0, 'the file is empty; see docs/config.md');
  if (!isMap(document.contents)) {
    throw fail(document.contents.range?.[0] ?? 0, 'is not a mapping; write lines of "key: value"');
  }
  const mistake = findMistake(document);
  if (mistake !== undefined) throw fail(startOf(mistake.node) ?? 0, mistake.text);
  return { name, value: toValue(document, fail), lineOf: (path) => lineOf(document, lines, path) };
}

type Fail = (offset: number, what: string, cause?: unknown) => PosternError;

interface Mistake {
  readonly node: Node;
  readonly text: string;
}

/** What is good YAML and never meant: a key written twice, an alias of nothing, a flood of aliases. */
function findMistake(document: Document): Mistake | undefined {
  let mistake: Mistake | undefined;
  const seen = { anchors: new Set<string>(), aliases: 0 };
  visit(document, {
    Node(_, node) {
      mistake = isAlias(node) ? checkAlias(node, seen) : checkNode(node, seen.anchors);
      return mistake === undefined ? undefined : visit.BREAK;
    },
  });
  return mistake;
}

function checkNode(node: Node, anchors: Set<string>): Mistake | undefined {
  if ('anchor' in node && typeof node.anchor === 'string') anchors.add(node.anchor);
  if (!isMap(node)) return undefined;
  const keys = new Set<string>();
  for (const { key } of node.items) {
    if (!isScalar(key)) {
      const text = 'has a key that is not text; write plain keys';
      return { node: isNode(key) ? key : node, text };
    }
    const name = String(key.value);
    if (keys.has(name)) {
      return { node: key, text: `key ${show(name)} is written twice; keep one` };
    }
    keys.add(name);
  }
  return undefined;
}

function checkAlias(
  node: Alias,
  seen: { anchors: Set<string>; aliases: number },
): Mistake | undefined {
  seen.aliases += 1;
  if (seen.aliases > MAX_ALIASES) {
    return { node, text: `has more than ${MAX_ALIASES} aliases; write the values out` };
  }
  const { source } = node;
  if (seen.anchors.has(source)) return undefined;
  return { node, text: `alias "*${source}" names nothing; write "&${source}" above it` };
}

function toValue(document: Document, fail: Fail): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_EXPANSION });
    return { ...(typeof value === 'object' ? value : {}) };
  } catch (cause) {
    const text = 'has aliases that grow beyond measure or hold themselves; write the values out';
    throw fail(0, text, cause);
  }
}

/** The library's codes in the words of someone who looks at the file. */
const EXPLANATIONS = new Map([
  ['BAD_INDENT', 'the indentation does not fit; check it, and that brackets above are closed'],
  ['TAB_AS_INDENT', 'a tab indents the line; use spaces'],
  ['MULTIPLE_DOCS', 'a second document begins; remove the line "---"'],
  ['TAG_RESOLVE_FAILED', 'a tag such as "!name" is not known; remove it or quote the value'],
  [
    'BLOCK_AS_IMPLICIT_KEY',
    'a key follows where a value belongs; check quotes, and the indentation of the next line',
  ],
  [
    'MULTILINE_IMPLICIT_KEY',
    'a key lacks its ":" or spans lines; check the line and the one above',
  ],
  ['MISSING_CHAR', 'a character is missing; check quotes and brackets, here and above'],
  ['UNEXPECTED_TOKEN', 'something does not belong here; check quotes, brackets and indentation'],
]);

function explain({ code, message }: YAMLError): string {
  const known = EXPLANATIONS.get(code);
  const detail = message.split('\n')[0]?.trim() ?? code;
  return `is not valid YAML: ${known ?? `${detail}; correct or quote it`}`;
}

function lineOf(document: Document, lines: LineCounter, path: KeyPath): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    const step = childOf(node, part);
    if (step === undefined) break;
    offset = startOf(step.mark) ?? offset;
    node = step.value;
  }
  return lineAt(lines, offset);
}

function childOf(
  node: unknown,
  part: string | number,
): { mark: unknown; value: unknown } | undefined {
  if (isSeq(node)) {
    const item = typeof part === 'number' ? node.items[part] : undefined;
    return item === undefined ? undefined : { mark: item, value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
  return pair === undefined ? undefined : { mark: pair.key, value: pair.value };
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function lineAt(lines: LineCounter, offset: number): number {
  return Math.max(1, lines.linePos(offset).line);
}
