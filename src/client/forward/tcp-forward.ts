/**
 * A local port whose connections go to a hostname behind the gateway: one stream each, all over the client's one link.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Destination } from '../../config/destination.ts';
import type { ListenAddress } from '../../config/listen-address.ts';
import { isPosternError, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { listenOn } from '../../transport/listen-on.ts';
import { abortSocket, pumpSocket } from '../../transport/socket-pump.ts';
import type { GatewayLink } from '../link/gateway-link.ts';

export interface TcpForwardOptions {
  readonly listen: ListenAddress;
  /** Normal form. */
  readonly hostname: string;
  /** What to reach there, where the service leaves that to its users. */
  readonly destination?: Destination | undefined;
  readonly link: GatewayLink;
  readonly log: Log;
  /** A connection could not be carried, or was cut: for whoever sits at the terminal. */
  onProblem(hostname: string, error: PosternError): void;
}

export class TcpForward {
  readonly #options: TcpForwardOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: TcpForwardOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      void this.#serve(socket);
    });
    this.#server.maxConnections = LIMITS.streamsPerLink;
  }

  /** Opens the port and returns the real address. Throws CONFIG_PORT_IN_USE. */
  async open(): Promise<ListenAddress> {
    return listenOn(this.#server, this.#options.listen);
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Takes no new connections and cuts those that are open. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) abortSocket(socket);
  }

  async #serve(socket: Socket): Promise<void> {
    const { hostname, destination, link, log } = this.#options;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // Until the pump listens an error must not go unheard.
    socket.on('error', (err) => log.debug({ [FIELD.err]: err }, 'socket error'));
    try {
      const stream = await link.open(hostname, destination);
      pumpSocket(socket, stream, {
        onClose: () => {
          const { error } = stream;
          const isOurs = error === undefined || QUIET.has(error.code);
          if (!isOurs) this.#options.onProblem(hostname, error);
        },
      });
    } catch (error) {
      abortSocket(socket);
      this.#options.onProblem(hostname, asProblem(error));
    }
  }
}

/** Ends that are no news to whoever started the connection. */
const QUIET: ReadonlySet<string> = new Set(['STREAM_RESET', 'STREAM_CANCELLED', 'ORIGIN_RESET']);

function asProblem(error: unknown): PosternError {
  if (isPosternError(error)) return error;
  return new PosternError('CLI_FAILED', 'Cannot carry the connection', { cause: error });
}
