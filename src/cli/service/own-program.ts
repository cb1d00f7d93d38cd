/** What a service manager starts. */
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../core/package-root.ts';

/** Node and our script. An upgrade leaves them where they are. */
export const OWN_PROGRAM: readonly [string, string] = [
  process.execPath,
  join(PACKAGE_ROOT, 'bin', 'postern.js'),
];
