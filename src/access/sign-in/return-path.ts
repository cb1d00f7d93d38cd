/**
 * Where a browser may be sent after signing in: a path of the same host, and nothing that a browser could take for anything else
 * (case O24). Pure.
 *
 * Browsers read `//host`, `/\host` and paths with tabs or line breaks inside as other hosts. What is kept is taken apart and put together
 * as a browser does, so that what was checked is what it visits.
 */
import { LIMITS } from '../../core/limits.ts';

/** The path with its query, as a browser would write it; `/` for everything that is not plainly a path of this host. */
export function returnPath(wanted: string | undefined): string {
  if (wanted === undefined || wanted.length > LIMITS.returnPathChars) return '/';
  // Printable ASCII only: browsers remove tabs and line breaks and write the rest differently.
  if (!/^\/[\u0021-\u007e]*$/.test(wanted)) return '/';
  if (/^\/[/\\]/.test(wanted) || wanted.includes('\\')) return '/';
  const base = 'https://return.invalid';
  if (!URL.canParse(wanted, base)) return '/';
  const url = new URL(wanted, base);
  if (url.origin !== base) return '/';
  const path = url.pathname + url.search;
  // Dots may have been folded into one more slash: /.//host.
  return path.startsWith('//') ? '/' : path;
}
