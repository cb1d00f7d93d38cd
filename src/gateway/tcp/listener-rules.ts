/** Who a TCP listener takes, by address and by the name that TLS asks for. Pure: each throws why a connection is refused. */
import { isInAny } from '../../config/access/ip-range.ts';
import { matchesHostname } from '../../config/hostname-pattern.ts';
import type { TcpListener } from '../../config/tcp-listener.ts';
import { PosternError } from '../../core/error.ts';
import type { ClientHello } from './client-hello.ts';

/** Throws TCP_DENIED for an address that is in `deny`, or not in an `allow` that names any. */
export function checkAddress(
  { allow, deny }: Pick<TcpListener, 'allow' | 'deny'>,
  address: string,
): void {
  if (isInAny(deny, address)) throw refusal('TCP_DENIED', `${address} is in deny`);
  if (allow.length > 0 && !isInAny(allow, address))
    throw refusal('TCP_DENIED', `${address} is not in allow`);
}

/** The hostname that a client asks for. Throws TCP_NAME when it is none of the listener's. */
export function hostnameFor(
  { hostnames }: Pick<TcpListener, 'hostnames'>,
  { name, hasHiddenName }: ClientHello,
): string {
  if (name !== undefined && hostnames.some((pattern) => matchesHostname(pattern, name)))
    return name;
  const asked = name === undefined ? 'it names no server' : `"${name}" is not one of its names`;
  const hidden = ', and if another name is hidden (ECH), it cannot be read here';
  throw refusal('TCP_NAME', `${asked}${hasHiddenName ? hidden : ''}`);
}

function refusal(code: 'TCP_DENIED' | 'TCP_NAME', why: string): PosternError {
  return new PosternError(code, `Cannot take the connection: ${why}`);
}
