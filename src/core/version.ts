/** The version of this Postern, read once from its package.json. */
import { readFileSync } from 'node:fs';

/** Two levels up both from src/core and from dist/core. */
const file = new URL('../../package.json', import.meta.url);

export const VERSION = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
