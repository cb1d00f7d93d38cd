/**
 * Connections that were accepted and are nobody's yet: their TLS handshake is under way, or nothing has come on them.
 *
 * A gateway that stops right then would break them off before it knew of them. They came before it stopped accepting, so
 * there are no more of them than that, and none for long.
 */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

export class Newcomers {
  /** By the address of the other side: TLS hands out another socket than the one that was accepted. */
  readonly #open = new Map<string, Socket>();

  get size(): number {
    return this.#open.size;
  }

  /** Follows the connections of a TLS server until their handshake is done, and those of any other until they close. */
  track(server: EventEmitter): void {
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket);
      this.#open.set(peer, socket);
      socket.once('close', () => {
        if (this.#open.get(peer) === socket) this.#open.delete(peer);
      });
    });
    server.on('secureConnection', (socket: Socket) => this.#open.delete(peerOf(socket)));
  }
}

function peerOf({ remoteAddress = '', remotePort = 0, localPort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
