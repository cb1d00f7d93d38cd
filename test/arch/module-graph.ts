/**
 * What each file under `src/` imports, read from its syntax tree: types, re-exports and `import()` count like the rest.
 *
 * Knows syntax and paths only; what is allowed stands in `import-table.ts`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { parseSync } from '@swc/core';

/** The root of the repository. */
export const ROOT = resolve(import.meta.dirname, '../..');

export interface SourceFile {
  /** From the root, with slashes: `src/core/error.ts`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly specifier: string;
  /** `export … from`: the name of another file's export under one's own path. */
  readonly isReExport: boolean;
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Every TypeScript file under `src/`. */
export function sourceFiles(): SourceFile[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.split(sep).join('/'))
    .map((name) => ({
      path: `src/${name}`,
      text: readFileSync(join(ROOT, 'src', name), 'utf8'),
    }));
}

/** What the file imports. An `import()` of something that is no literal has the specifier `?`. */
export function importsOf(file: SourceFile): Import[] {
  const imports: Import[] = [];
  visit(parse(file), (node) => {
    const isReExport = node.type.startsWith('Export');
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration': {
        const specifier = literal(node['source']);
        if (specifier !== undefined) imports.push({ specifier, isReExport });
        break;
      }
      case 'TsImportType':
        imports.push({ specifier: literal(node['argument']) ?? '?', isReExport });
        break;
      case 'CallExpression':
        if (isImportCall(node)) {
          imports.push({ specifier: literal(firstArgument(node)) ?? '?', isReExport });
        }
        break;
      default:
    }
  });
  return imports;
}

/** Whether the file mentions the global `name` anywhere, in comments and strings not. */
export function mentions(file: SourceFile, name: string): boolean {
  let found = false;
  visit(parse(file), (node) => {
    if (node.type === 'Identifier' && node['value'] === name) found = true;
  });
  return found;
}

/** The folder under `src/` that holds the file: `core` for `src/core/error.ts`. */
export function folderOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** The path from the root that a relative specifier means. */
export function resolveFrom(path: string, specifier: string): string {
  return relative(ROOT, join(ROOT, dirname(path), specifier))
    .split(sep)
    .join('/');
}

/** The one specifier by which `path` should name `target`. */
export function shortestSpecifier(path: string, target: string): string {
  const specifier = relative(dirname(path), target).split(sep).join('/');
  return specifier.startsWith('.') ? specifier : `./${specifier}`;
}

function parse(file: SourceFile): unknown {
  try {
    return parseSync(file.text, { syntax: 'typescript', target: 'es2022' });
  } catch (cause) {
    throw new Error(`Cannot parse "${file.path}"`, { cause });
  }
}

function visit(value: unknown, onNode: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, onNode);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (isNode(value)) onNode(value);
  for (const child of Object.values(value)) visit(child, onNode);
}

function isNode(value: object): value is Node {
  return 'type' in value && typeof value.type === 'string';
}

function literal(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !isNode(value)) return undefined;
  const text = value['value'];
  return value.type === 'StringLiteral' && typeof text === 'string' ? text : undefined;
}

function isImportCall(node: Node): boolean {
  const callee = node['callee'];
  return (
    typeof callee === 'object' && callee !== null && isNode(callee) && callee.type === 'Import'
  );
}

function firstArgument(node: Node): unknown {
  const args: unknown = node['arguments'];
  const first: unknown = Array.isArray(args) ? args[0] : undefined;
  return typeof first === 'object' && first !== null && 'expression' in first
    ? first.expression
    : undefined;
}
