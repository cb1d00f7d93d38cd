/**
 * TLS between the connector and an origin, over a socket that is connected already.
 *
 * Fails closed (case K9): a certificate that is not trusted or not for the expected name is an error, unless the rule
 * says `noTLSVerify`. Never tries again without TLS.
 */
import { isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect, type SecureContext, type TLSSocket } from 'node:tls';
import { normaliseHostname } from '../../config/hostname-pattern.ts';
import type { OriginRequest } from '../../config/connector/origin-request.ts';
import { tlsError } from './origin-error.ts';

export interface TlsTarget {
  /** For messages. */
  readonly origin: string;
  /** Whom the certificate has to name: a name, sent as SNI, or an IP address, which TLS cannot send. */
  readonly name: string;
  readonly verification: OriginRequest['tlsVerification'];
  /** Undefined: Node's authorities. */
  readonly trust: SecureContext | undefined;
  /** Protocols offered; empty for none. */
  readonly alpn: readonly string[];
}

/**
 * The TLS socket, handshake done, half-open allowed. `socket` belongs to it from now on and is destroyed on failure.
 * Rejects with ORIGIN_TLS, and with the reason of `signal`.
 */
export function secureOrigin(
  target: TlsTarget,
  socket: Socket,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const name = isIP(target.name) === 0 ? normaliseHostname(target.name) : target.name;
  return new Promise((resolve, reject) => {
    const secured = connect({
      socket,
      ...(target.alpn.length > 0 && { ALPNProtocols: [...target.alpn] }),
      rejectUnauthorized: target.verification !== 'none',
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      ...(isIP(name) === 0 && { servername: name }),
      ...(target.trust && { secureContext: target.trust }),
    });
    const stop = (): void => fail(signal.reason);
    const fail = (error: unknown): void => {
      signal.removeEventListener('abort', stop);
      secured.destroy();
      socket.destroy();
      reject(error);
    };
    const failHandshake = (cause: unknown): void => fail(tlsError(target.origin, name, cause));
    secured.on('error', failHandshake);
    secured.once('secureConnect', () => {
      // An error before the next owner listens must not end the process.
      secured.on('error', () => undefined).off('error', failHandshake);
      signal.removeEventListener('abort', stop);
      resolve(secured);
    });
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
