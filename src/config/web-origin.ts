/** Origins of web pages, as browsers write them in the Origin field: scheme, host and port. RFC 6454 §6.2. */
import { PosternError } from '../core/error.ts';
import { show } from './field.ts';

/** The origin in lower case, without a port that is the scheme's own. Throws CONFIG_INVALID. */
export function parseWebOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url?.href === `${url?.origin}/` && !/[*]|\/$/.test(text);
  if (url !== undefined && isOrigin && /^https?:$/.test(url.protocol)) return url.origin;
  const rule = 'write scheme, host and port only, such as https://app.example.com';
  throw new PosternError('CONFIG_INVALID', `${show(text)} is not the origin of a page; ${rule}`);
}
