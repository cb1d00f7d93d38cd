/** Where this Postern is installed: what a service manager starts, and what an upgrade replaces. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of our package.json. Three levels up both from src/cli/service and from dist/cli/service. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** Node and our script. An upgrade leaves them where they are. */
export const OWN_PROGRAM: readonly [string, string] = [
  process.execPath,
  join(PACKAGE_ROOT, 'bin', 'postern.js'),
];
