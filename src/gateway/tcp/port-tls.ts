/**
 * What a TCP listener needs where TLS ends at it: a certificate, and the authorities of users' certificates where these are
 * required.
 *
 * A session that was agreed on elsewhere is worth nothing at a listener that wants certificates: tickets of all listeners are
 * sealed with the same keys, so the context in which they hold is another for each set of authorities.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TlsOptions } from 'node:tls';
import type { TcpTls } from '../../config/tcp-listener.ts';
import { loadCertificate, type ServerCertificate } from '../tls/load-certificate.ts';
import type { SharedTickets } from '../tls/shared-tickets.ts';

/** PEM texts. */
export interface PortTls extends Pick<ServerCertificate, 'cert' | 'key'> {
  /** Authorities, of which everybody must have a certificate; absent: nobody is asked for one. */
  readonly clientCa?: string | undefined;
}

/** What the files of a listener hold; empty without any. Throws CONFIG_TLS or CONFIG_UNREADABLE. */
export async function readPortFiles(tls: TcpTls | undefined): Promise<Partial<PortTls>> {
  if (tls?.mode !== 'terminate') return {};
  const { files, clientCaFile } = tls;
  const { cert, key } = files === undefined ? {} : await loadCertificate(files);
  const clientCa = clientCaFile === undefined ? undefined : await readFile(clientCaFile, 'utf8');
  return {
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(clientCa !== undefined && { clientCa }),
  };
}

/** For `tls.createServer` and `setSecureContext`. Whether a certificate came is the listener's to check, and to say. */
export function tlsOptions({ cert, key, clientCa }: PortTls, tickets: SharedTickets): TlsOptions {
  if (clientCa === undefined) return { cert, key, ...tickets };
  // OpenSSL takes 32 bytes.
  const sessionIdContext = createHash('sha256').update(clientCa).digest('hex').slice(0, 32);
  const asked = { ca: clientCa, requestCert: true, rejectUnauthorized: false };
  return { cert, key, ...asked, ...tickets, sessionIdContext };
}
