/**
 * Whose a connection is: the address it comes from, or the one that a PROXY header named.
 *
 * The one place that reads addresses of users' sockets, so that policies, limits and logs speak of the same one. An IPv4
 * address looks like one, also on a socket that takes both families.
 */
import type { Socket } from 'node:net';
import { unmappedAddress } from '../../core/unmapped-address.ts';
import { carrierOf } from '../../transport/socket-pump.ts';

/** Where a user is. */
export interface ClientAddress {
  readonly address: string;
  /** 0 where only the address is known. */
  readonly port: number;
}

/** By the TCP connection; of connections with a header only. */
const NAMED = new WeakMap<Socket, ClientAddress>();

/** Remembers what a trusted proxy said of a connection that it passes on. */
export function nameClient(socket: Socket, client: ClientAddress): void {
  NAMED.set(socket, client);
}

/** The client of a connection, or of the TLS on it. `''` for one that has broken meanwhile. */
export function clientOf(socket: Socket): ClientAddress {
  const carrier = carrierOf(socket) ?? socket;
  const named = NAMED.get(carrier);
  if (named !== undefined) return named;
  const { remoteAddress = '', remotePort = 0 } = socket;
  return { address: unmappedAddress(remoteAddress), port: remotePort };
}
