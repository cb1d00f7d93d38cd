/**
 * Makes the program that is shipped out of the compiled modules: `dist/bundle/postern.js`, which loads few files instead of
 * more than a thousand.
 *
 * A process of Postern starts three times as fast from it, and how long a start takes is how long everybody waits after a
 * crash of the gateway. Commands stay files of their own, read when they are called. See docs/decisions/0032.
 */
import { readdir, rm, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist', 'bundle');

/** Packages with machine code: they are found in node_modules when they are needed. */
const NATIVE = ['better-sqlite3', 'keytar', 'node-pty'];

/** CommonJS packages in the bundle ask for Node's own modules with `require`. */
const REQUIRE = [
  "import { createRequire as createBundleRequire } from 'node:module';",
  'const require = createBundleRequire(import.meta.url);',
].join('\n');

const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: { postern: join(ROOT, 'dist', 'cli', 'main.js') },
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Where a package has both, its modules: what is loaded with import() is then what it is without a bundle.
  mainFields: ['module', 'main'],
  external: NATIVE,
  banner: { js: REQUIRE },
  legalComments: 'inline',
  metafile: true,
  logLevel: 'warning',
});

/** What an earlier build left: its names have other hashes. */
const written = new Set(Object.keys(metafile.outputs).map((file) => basename(file)));
for (const file of await readdir(OUT)) {
  if (!written.has(file)) await rm(join(OUT, file), { recursive: true });
}

/** esbuild leaves a file alone that would be the same. Test set-up asks when it was last made. */
const now = new Date();
await utimes(join(OUT, 'postern.js'), now, now);
