/** The version of this Postern, read once from its package.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from './package-root.ts';

const text = readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8');

export const VERSION = (JSON.parse(text) as { version: string }).version;
