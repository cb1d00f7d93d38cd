/**
 * Addresses of gateways, as files and flags write them: `https://gateway.example.com[:port]`, and nothing behind it.
 */
import { PosternError } from '../core/error.ts';
import { show, withoutUser } from './field.ts';

/** The origin of a gateway's address; undefined when it is none, or more than one. */
export function gatewayOrigin(address: string): string | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isOrigin = url !== undefined && `${url.pathname}${url.search}${url.hash}` === '/';
  const hasUser = url?.username !== '' || url.password !== '';
  return isOrigin && !hasUser && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}

/** The same for a single address. Throws CONFIG_INVALID for what is none. */
export function parseGatewayUrl(address: string): string {
  const origin = gatewayOrigin(address);
  if (origin !== undefined) return origin;
  const problem = 'must be https://gateway.example.com or the like, without path and user';
  throw new PosternError('CONFIG_INVALID', `${problem}; found ${show(withoutUser(address))}`);
}
