/**
 * A YAML file as plain values, with the line of everything in it.
 *
 * Files are read as YAML 1.2 with cloudflared's merge keys (`<<`). What YAML lets through and nobody means is refused:
 * duplicate keys, several documents, unknown tags, alias bombs. Errors are one line: `<file>:<line>: <what>; <remedy>`.
 */
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Alias, Document, YAMLError } from 'yaml';
import { messageOf, PosternError } from '../core/error.ts';
import { readTextFile } from './read-text-file.ts';

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

/** Aliases resolved in one file: generous for people, far from a bomb. */
const MAX_ALIASES = 100;

/** Reads a YAML file. Throws CONFIG_UNREADABLE, and CONFIG_SYNTAX for what is not a YAML mapping. */
export async function readYamlFile(name: string): Promise<YamlFile> {
  let content: string;
  try {
    content = await readTextFile(name);
  } catch (cause) {
    const message = `${name}: ${messageOf(cause)}; name the configuration file with --config`;
    throw new PosternError('CONFIG_UNREADABLE', message, { cause });
  }
  return parseYaml(name, content);
}

/** Parses the text of a YAML file. Throws CONFIG_SYNTAX. */
export function parseYaml(name: string, content: string): YamlFile {
  const lines = new LineCounter();
  const fail = (offset: number, what: string, cause?: unknown): PosternError =>
    new PosternError('CONFIG_SYNTAX', `${name}:${lineAt(lines, offset)}: ${what}`, { cause });
  let document: Document;
  try {
    document = parseDocument(content, { lineCounter: lines, merge: true, prettyErrors: false });
  } catch (cause) {
    // The parser recurses; a file of nothing but brackets ends its stack.
    throw fail(0, 'cannot be parsed; nest it less deeply', cause);
  }
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw fail(problem.pos[0], explain(problem, content), problem);
  if (document.contents === null) throw fail(0, 'the file is empty; see docs/config.md');
  if (!isMap(document.contents)) {
    throw fail(document.contents.range?.[0] ?? 0, 'is not a mapping; write lines of "key: value"');
  }
  return { name, value: toValue(document, fail), lineOf: (path) => lineOf(document, lines, path) };
}

function toValue(document: Document, fail: Fail): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { ...(typeof value === 'object' ? value : {}) };
  } catch (cause) {
    const stray = strayAlias(document);
    if (stray === undefined) {
      throw fail(0, 'uses aliases too often or in a circle; write the values out', cause);
    }
    const text = `alias "*${stray.source}" names nothing; write "&${stray.source}" above it`;
    throw fail(stray.range?.[0] ?? 0, text, cause);
  }
}

function strayAlias(document: Document): Alias | undefined {
  let stray: Alias | undefined;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      stray = alias;
      return visit.BREAK;
    },
  });
  return stray;
}

type Fail = (offset: number, what: string, cause?: unknown) => PosternError;

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

function explain({ code, message, pos: [offset] }: YAMLError, content: string): string {
  if (code === 'DUPLICATE_KEY') {
    const key = /^["']?([^\s:"']*)/.exec(content.slice(offset, offset + 80))?.[1] ?? '';
    return `key "${key}" is written twice; keep one`;
  }
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
