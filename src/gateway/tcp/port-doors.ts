/** The listening sockets of a TCP listener: one for each of its ports, opened and closed together. */
import { createServer, type Server, type Socket } from 'node:net';
import { addressesOf, type ListenAddress, type ListenRange } from '../../config/listen-address.ts';
import type { ListeningSockets } from '../../transport/listen-on.ts';

export interface PortDoorsOptions {
  /** What the first is called among the listening sockets; the others have their offset behind it. */
  readonly name: string;
  readonly sockets: ListeningSockets;
  readonly listen: ListenRange;
  /** Takes connections; `offset` says to which of the ports they came, from 0. */
  onConnection(socket: Socket, offset: number): void;
}

interface Door {
  readonly name: string;
  readonly address: ListenAddress;
  readonly server: Server;
}

export class PortDoors {
  readonly #options: PortDoorsOptions;
  readonly #doors: readonly Door[];

  constructor(options: PortDoorsOptions) {
    this.#options = options;
    this.#doors = addressesOf(options.listen).map((address, offset) => ({
      name: offset === 0 ? options.name : `${options.name}+${offset}`,
      address,
      server: createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        options.onConnection(socket, offset),
      ),
    }));
  }

  /** Opens all and returns the real addresses. Throws CONFIG_PORT_IN_USE, and then some may be open. */
  async open(): Promise<ListenRange> {
    const { sockets, listen } = this.#options;
    const opened: ListenAddress[] = [];
    for (const { name, address, server } of this.#doors) {
      // One after the other: the first address that cannot be opened is the one that is told.
      // oxlint-disable-next-line no-await-in-loop
      opened.push(await sockets.listen(name, address, server));
    }
    const [first = listen] = opened;
    const last = opened.at(-1)?.port ?? first.port;
    return last === first.port ? first : { ...first, lastPort: last };
  }

  /** Takes no new connections. Safe to call twice. */
  close(): void {
    for (const { server } of this.#doors) server.close();
  }
}
