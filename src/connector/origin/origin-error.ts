/**
 * From what Node says about a failed connection to a coded error that says it to the person who runs the connector.
 * Pure. Every code made here travels in a RESET (docs/protocol.md §7), so the gateway can tell them apart to the user.
 */
import type { ErrorCode } from '../../core/error-codes.ts';
import { codeOf, messageOf, PosternError } from '../../core/error.ts';

const CONNECT_REASON: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it closed the connection at once',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  EADDRNOTAVAIL: 'no local address or port can reach it',
  ETIMEDOUT: 'it does not answer',
  ENOENT: 'the socket does not exist',
  EACCES: 'the socket may not be opened by this user',
  EPERM: 'a local firewall does not allow it',
  EMFILE: 'too many files are open in this process',
};

const TLS_REASON: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; trust it with caPool',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate authority is not trusted; name it with caPool',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate authority is not trusted; name it with caPool',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its certificate authority is not trusted; name it with caPool',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate authority is not trusted; name it with caPool',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS on this port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS on this port',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it speaks no version of TLS from 1.2 on',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it speaks no version of TLS from 1.2 on',
  ECONNRESET: 'it closed the connection during the handshake',
  EPIPE: 'it closed the connection during the handshake',
};

/** One error for all addresses of an origin that were tried. `failures` holds what Node said, at least one. */
export function connectError(origin: string, failures: readonly unknown[]): PosternError {
  const cause = mostTelling(failures);
  const reason = CONNECT_REASON[codeOf(cause) ?? ''] ?? messageOf(cause);
  return new PosternError(connectCode(cause), `Cannot connect to "${origin}": ${reason}`, {
    cause,
  });
}

/** The error for a TLS handshake that failed. `name` is whom the certificate had to name. */
export function tlsError(origin: string, name: string, cause: unknown): PosternError {
  const code = codeOf(cause) ?? '';
  const reason =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? `its certificate is not for "${name}"; set originServerName to a name that it has`
      : (TLS_REASON[code] ?? messageOf(cause));
  return new PosternError('ORIGIN_TLS', `Cannot speak TLS with "${origin}": ${reason}`, { cause });
}

/** An origin that refuses says more than one that is silent, and that more than an address family we do not have. */
function mostTelling(failures: readonly unknown[]): unknown {
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT']) {
    const found = failures.find((failure) => codeOf(failure) === code);
    if (found !== undefined) return found;
  }
  return failures[0];
}

function connectCode(cause: unknown): ErrorCode {
  const code = codeOf(cause);
  if (code === 'ECONNREFUSED') return 'ORIGIN_REFUSED';
  if (code === 'ECONNRESET') return 'ORIGIN_RESET';
  return code === 'ETIMEDOUT' ? 'ORIGIN_TIMEOUT' : 'ORIGIN_UNREACHABLE';
}
