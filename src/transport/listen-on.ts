/**
 * Opens listening sockets, and says clearly why one cannot be opened.
 *
 * The only place that binds what carries traffic. What listens asks a ListeningSockets, so that a supervisor may hand
 * sockets over that it bound itself (design.md §4).
 */
import { once } from 'node:events';
import { isIPv6, type AddressInfo, type Server } from 'node:net';
import { codeOf, PosternError } from '../core/error.ts';

/** Connections the kernel queues while the process is busy or being replaced. */
const BACKLOG = 4_096;

/** `host` is '' for every address of the machine. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** Who opens the listening sockets of a process. */
export interface ListeningSockets {
  /**
   * Has `server` accept connections to what is called `name` (`https`, `http`, `metrics`, `tcp[0]`) and returns the real
   * address. Asked again for a server that was closed, when a drain is taken back: it gets the same address.
   * Throws CONFIG_PORT_IN_USE.
   */
  listen(name: string, address: SocketAddress, server: Server): Promise<SocketAddress>;
}

/** Binds every socket itself. */
export class BoundSockets implements ListeningSockets {
  /** Ports that the system chose, by name. */
  readonly #ports = new Map<string, number>();

  async listen(
    name: string,
    { host, port }: SocketAddress,
    server: Server,
  ): Promise<SocketAddress> {
    const bound = await listenOn(server, { host, port: port || (this.#ports.get(name) ?? 0) });
    this.#ports.set(name, bound.port);
    return bound;
  }
}

/**
 * Binds `server` and returns the real address; `begin` has it listen in another way, such as on a socket that is there.
 * Throws CONFIG_PORT_IN_USE.
 */
export async function listenOn(
  server: Server,
  address: SocketAddress,
  begin: (backlog: number) => unknown = (backlog) => {
    // An empty host means every address: IPv6 with IPv4 mapped into it, as Node does when no host is given.
    server.listen({ port: address.port, backlog, ...(address.host && { host: address.host }) });
  },
): Promise<SocketAddress> {
  const { host } = address;
  const shown = `${isIPv6(host) ? `[${host}]` : host}:${address.port}`;
  const listening = once(server, 'listening');
  listening.catch(() => undefined);
  try {
    await begin(BACKLOG);
    await listening;
  } catch (cause) {
    const why = REASONS[codeOf(cause) ?? ''] ?? codeOf(cause) ?? 'unknown reason';
    throw new PosternError('CONFIG_PORT_IN_USE', `Cannot listen on ${shown}: ${why}`, { cause });
  }
  const bound = server.address() as AddressInfo;
  return { host: address.host === '' ? '' : bound.address, port: bound.port };
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this address; stop it or choose another port',
  // A supervisor's: held-sockets.ts.
  EADDRHELD: 'the running gateway has this port at another address; restart it to change that',
  EACCES: 'ports below 1024 need CAP_NET_BIND_SERVICE; grant it or choose another port',
  EADDRNOTAVAIL:
    'this machine has no such address; name one of its own, or write :PORT for all of them',
  ENOTFOUND: 'the name cannot be resolved; write an address',
};
