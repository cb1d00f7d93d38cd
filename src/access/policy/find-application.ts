/**
 * Which application a hostname and a path belong to: of the most specific hostname the one with the longest path.
 *
 * Where applications share a hostname by path, a path that can be read in several ways belongs to none: it would be one
 * application here and another one at the origin (case P21).
 */
import type { Application } from '../../config/access/application.ts';
import { isBelow, isCanonicalPath } from '../../config/canonical-path.ts';
import { matchesHostname } from '../../config/hostname-pattern.ts';

/** The application, or why there is none. */
export type FoundApplication = Application | 'no-application' | 'path-not-canonical';

/**
 * Finds it. `applications` are the most specific first; `path` is as the user sent it, without the query, and '' for a raw
 * TCP stream, which can reach every path of an origin and so needs a hostname that is not shared.
 */
export function findApplication(
  applications: readonly Application[],
  hostname: string,
  path: string,
): FoundApplication {
  for (const application of applications) {
    if (!matchesHostname(application.hostname, hostname)) continue;
    if (application.path === '/') return application;
    if (!isCanonicalPath(path)) return 'path-not-canonical';
    if (isBelow(application.path, path)) return application;
  }
  return 'no-application';
}
