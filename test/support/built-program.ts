/** Whether the program that tests start was made of what is compiled now: `tsc` alone does not make it. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const DIST = join(ROOT, 'dist');
/** Of `dist/`, what is not bundled. */
const LEFT_OUT: ReadonlySet<string> = new Set(['bundle', 'test']);

/** Bundles again where something was compiled since. Says whether it did. */
export function bundleWhenStale(): boolean {
  const modules = readdirSync(DIST, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !LEFT_OUT.has(entry.name))
    .flatMap(({ name }) => filesBelow(join(DIST, name)));
  const newest = Math.max(...modules.map(changedAt));
  if (changedAt(join(DIST, 'bundle', 'postern.js')) >= newest) return false;
  const program = join(ROOT, 'packaging', 'bundle.js');
  execFileSync(process.execPath, [program], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 60_000,
  });
  return true;
}

function filesBelow(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.js')).map((name) => join(dir, name));
}

/** 0 for what is not there. */
function changedAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
