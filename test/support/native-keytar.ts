/**
 * Has `keytar` where npm could not build it: a machine without libsecret, when the packages were installed.
 *
 * It is built in a folder of its own, so that nothing else of the installed packages changes, and linked to where the product
 * looks for it.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const PACKAGE = resolve(ROOT, 'node_modules/keytar');
/** Next to where .ci/run keeps another Node. */
const BUILD = resolve(ROOT, '.cache/keytar');
/** How long fetching and building may take, ms. */
const BUILD_MS = 240_000;

/** Whether the product would find it. */
export function hasKeytar(): boolean {
  return existsSync(resolve(PACKAGE, 'build/Release/keytar.node'));
}

/** The Debian packages that building it needs and that are not installed. */
export function packagesForKeytar(): string[] {
  if (existsSync('/usr/include/libsecret-1')) return [];
  return ['libsecret-1-dev', 'pkg-config'];
}

/** Builds it; libsecret's headers are there. Rejects with what npm said. */
export async function buildKeytar(): Promise<void> {
  const manifest: unknown = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'));
  const versions: unknown = Reflect.get(Object(manifest), 'optionalDependencies');
  const version = String(Reflect.get(Object(versions), 'keytar'));
  mkdirSync(BUILD, { recursive: true });
  const own = { name: 'keytar-build', private: true, allowScripts: { keytar: true } };
  writeFileSync(resolve(BUILD, 'package.json'), JSON.stringify(own));
  const args = ['install', '--no-save', '--no-audit', '--no-fund', `keytar@${version}`];
  await promisify(execFile)('npm', args, { cwd: BUILD, timeout: BUILD_MS });
  if (!existsSync(PACKAGE)) symlinkSync(resolve(BUILD, 'node_modules/keytar'), PACKAGE);
}
