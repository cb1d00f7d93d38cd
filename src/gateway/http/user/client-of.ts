/** The address of a user, from their connection. */
import type { Socket } from 'node:net';
import type { ClientAddress } from '../origin/origin-opener.ts';

/** Where a connection comes from. An IPv4 address looks like one, also on a socket that takes both families. */
export function clientOf(socket: Socket): ClientAddress {
  const { remoteAddress = '', remotePort = 0 } = socket;
  return { address: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''), port: remotePort };
}
