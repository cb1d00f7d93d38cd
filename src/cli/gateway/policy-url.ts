/**
 * The hostname and path of a URL as policies see them: the path as it is written, because what a URL parser makes of
 * `/a/../admin` or `/%61dmin` is not what a user can send.
 */
import type { Ask } from '../../access/policy/decide.ts';
import { normaliseHostname } from '../../config/hostname-pattern.ts';
import { PosternError } from '../../core/error.ts';

/** Reads `https://host/path`, `host/path`, or another scheme for a raw TCP stream. Throws CLI_USAGE. */
export function parsePolicyUrl(text: string): Ask {
  const [, scheme = 'https', rest = text] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  const [, host = '', path = ''] = /^([^/?#\\]*)([^?#]*)/.exec(rest) ?? [];
  const hostname = normaliseHostname(host);
  if (!/^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/.test(hostname)) {
    const remedy = 'write it like https://wiki.example.com/page';
    throw new PosternError('CLI_USAGE', `Cannot read URL "${text}": it has no hostname; ${remedy}`);
  }
  const isHttp = /^(?:https?|wss?)$/i.test(scheme);
  return { hostname, path: isHttp && path === '' ? '/' : path };
}
