/**
 * What a tunnel may be called. Names appear in commands, log fields, metric labels and URLs, so they need no quoting
 * anywhere. A name never looks like an id: commands take either, and one tunnel must not pose as another.
 */
import { isId } from './id.ts';
import { LIMITS } from './limits.ts';

const NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;

/** What `isTunnelName` accepts, for an error message. */
export const TUNNEL_NAME_RULE =
  `must be 1 to ${LIMITS.tunnelNameChars} lower-case letters, digits, "-", "_" or ".", ` +
  'begin and end with a letter or digit, and not look like a tunnel id';

/** Whether a new tunnel may have this name. */
export function isTunnelName(text: string): boolean {
  return text.length <= LIMITS.tunnelNameChars && NAME.test(text) && !isId(text);
}
