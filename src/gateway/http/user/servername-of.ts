/** What a TLS connection said about whom it is for. */
import type { Socket } from 'node:net';

/** The name a user asked TLS for; undefined without TLS or without a name. */
export function servernameOf(socket: Socket): string | undefined {
  if (!('servername' in socket)) return undefined;
  const { servername } = socket;
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}
