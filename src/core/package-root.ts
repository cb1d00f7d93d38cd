/** Where this Postern is installed. */
import { fileURLToPath } from 'node:url';

/** The folder of our package.json, without a slash at its end: two levels up from src/core, dist/core and dist/bundle. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
