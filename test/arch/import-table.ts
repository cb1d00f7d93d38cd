/**
 * Who may import whom. This table is the rule; docs/architecture.md explains it and the tsconfig references repeat it.
 *
 * A new arrow or package needs a decision in docs/decisions/.
 */
import {
  type SourceFile,
  folderOf,
  importsOf,
  resolveFrom,
  shortestSpecifier,
} from './module-graph.ts';

interface Layer {
  /** Other folders under `src/`. */
  readonly folders: readonly string[];
  /** Packages, by name. */
  readonly packages: readonly string[];
  /** Built-in modules that are forbidden although built-ins are allowed elsewhere. */
  readonly forbidden?: readonly string[];
}

/** Everything that reaches outside the process. */
const EFFECTS =
  'net tls dgram dns dns/promises http https http2 fs fs/promises child_process cluster worker_threads module'
    .split(' ')
    .map((name) => `node:${name}`);

export const LAYERS: Readonly<Record<string, Layer>> = {
  core: { folders: [], packages: [] },
  telemetry: { folders: ['core'], packages: ['pino', 'pino-pretty', 'prom-client'] },
  supervisor: { folders: ['core', 'telemetry'], packages: [] },
  config: { folders: ['core'], packages: ['zod', 'yaml', 're2js'] },
  protocol: { folders: ['core'], packages: [], forbidden: EFFECTS },
  transport: {
    folders: ['core', 'protocol', 'telemetry'],
    packages: ['ws'],
  },
  store: { folders: ['core', 'telemetry'], packages: ['kysely', 'better-sqlite3'] },
  access: {
    folders: ['core', 'store', 'telemetry', 'config'],
    packages: [
      'openid-client',
      '@node-saml/node-saml',
      'xml-crypto',
      '@xmldom/xmldom',
      'jose',
      'mmdb-lib',
    ],
  },
  connector: {
    folders: ['core', 'protocol', 'transport', 'config', 'telemetry'],
    packages: ['jose'],
  },
  gateway: {
    folders: ['core', 'protocol', 'transport', 'config', 'store', 'access', 'telemetry'],
    // reflect-metadata is what @peculiar/x509 needs to be imported first.
    packages: ['undici', 'http2-wrapper', '@peculiar/x509', 'reflect-metadata'],
  },
  admin: {
    folders: ['core', 'config', 'store', 'access', 'gateway', 'telemetry'],
    packages: [],
  },
  client: {
    folders: ['core', 'protocol', 'transport', 'config', 'telemetry'],
    packages: ['keytar', 'jose', 'open'],
  },
  cli: {
    folders:
      'core telemetry supervisor config protocol transport store access connector gateway admin client'.split(
        ' ',
      ),
    packages: ['yargs'],
  },
};

/** What the imports of the files break, one line each. `exists` says whether a path from the root is a file. */
export function violations(
  files: readonly SourceFile[],
  exists: (path: string) => boolean,
): string[] {
  return files.flatMap((file) => {
    const layer = LAYERS[folderOf(file.path)];
    if (layer === undefined) return [`${file.path}: its folder is not in the table`];
    return importsOf(file).flatMap(({ specifier, isReExport }) => {
      const why = specifier.startsWith('.')
        ? whyNotFile(file.path, specifier, isReExport, layer, exists)
        : whyNotModule(specifier, layer);
      return why === undefined ? [] : [`${file.path} -> ${specifier}: ${why}`];
    });
  });
}

function whyNotFile(
  path: string,
  specifier: string,
  isReExport: boolean,
  layer: Layer,
  exists: (path: string) => boolean,
): string | undefined {
  const target = resolveFrom(path, specifier);
  if (!target.startsWith('src/') || !exists(target)) return 'no such file under src/';
  if (shortestSpecifier(path, target) !== specifier) return 'not its own path';
  const folder = folderOf(target);
  if (folder === folderOf(path)) return undefined;
  if (isReExport) return 'a file of another folder is imported from where it is, not passed on';
  return layer.folders.includes(folder) ? undefined : `may not import ${folder}`;
}

function whyNotModule(specifier: string, layer: Layer): string | undefined {
  if (specifier === '?') return 'what it imports cannot be checked';
  if (specifier.startsWith('node:')) {
    return layer.forbidden?.includes(specifier) === true
      ? 'may not import this built-in'
      : undefined;
  }
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  return layer.packages.includes(name) ? undefined : `may not import package ${name}`;
}
