/** Listens on the sockets that the supervisor holds, in place of binding any. design.md §4. */
import type { Server } from 'node:net';
import type { SupervisorLink } from '../../supervisor/supervisor-link.ts';
import { listenOn, type ListeningSockets, type SocketAddress } from '../../transport/listen-on.ts';

export class HandedSockets implements ListeningSockets {
  readonly #link: SupervisorLink;

  constructor(link: SupervisorLink) {
    this.#link = link;
  }

  async listen(name: string, place: SocketAddress, server: Server): Promise<SocketAddress> {
    const isForOperators = name === 'metrics';
    return listenOn(server, place, async (backlog) => {
      server.listen(await this.#link.openSocket({ name, place, isForOperators }), backlog);
    });
  }
}
