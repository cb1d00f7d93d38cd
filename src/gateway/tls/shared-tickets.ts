/**
 * Session tickets of TLS that a predecessor sealed, so that users' browsers resume across a hand-over.
 *
 * Node derives the context of a session from the command line, which differs between a worker and its predecessor; a
 * ticket of another context is refused. Both values must be given again with every renewed certificate.
 */
import type { TlsOptions } from 'node:tls';

/** For `tls.createServer` and `setSecureContext`. */
export type SharedTickets = Pick<TlsOptions, 'ticketKeys' | 'sessionIdContext'>;

/** Seals tickets with these 48 bytes; without, with keys of this process. */
export function sharedTickets(ticketKeys: Buffer | undefined): SharedTickets {
  return ticketKeys === undefined ? {} : { ticketKeys, sessionIdContext: 'postern' };
}
