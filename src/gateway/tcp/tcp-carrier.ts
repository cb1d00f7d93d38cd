/**
 * Carries the connections of TCP ports: each becomes a stream to the service behind its hostname, now or when its
 * connector has come. design.md §4 "Plain TCP ports".
 *
 * Nothing is kept: bytes go into the stream's window or stay in the kernel. A connection that cannot be carried is reset, so
 * that no client mistakes it for an empty answer.
 */
import type { Socket } from 'node:net';
import type { ClientCertificate } from '../../access/identity.ts';
import { systemClock } from '../../core/clock.ts';
import { formatDuration } from '../../core/duration.ts';
import { PosternError } from '../../core/error.ts';
import type { Stream } from '../../protocol/stream.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Refusal } from '../../telemetry/refusal-log.ts';
import { abortSocket, pumpSocket } from '../../transport/socket-pump.ts';
import type { TcpAccess, TcpGrant, TcpStreamFacts } from '../access/tcp-access.ts';
import type { ReplicaRule } from '../links/connected-replica.ts';
import type { Arrivals } from '../routing/arrivals.ts';
import { signedStream, type StreamSigner } from '../routing/signed-stream.ts';
import type { StreamRouter } from '../routing/stream-router.ts';

export interface TcpCarrierOptions {
  readonly router: StreamRouter;
  readonly arrivals: Pick<Arrivals, 'wait'>;
  readonly access: TcpAccess;
  readonly signer: StreamSigner;
  readonly log: Log;
  /** What the port is called among the listening sockets. */
  readonly name: string;
  readonly onRefused: (refusal: Refusal) => void;
}

/** A connection that has no stream yet. */
export interface OpenConnection {
  readonly socket: Socket;
  readonly client: { readonly address: string; readonly port: number };
  /** Normal form. */
  readonly hostname: string;
  /** Which port of its listener it came to, from 0. */
  readonly portOffset: number;
  /** What TLS has verified of the client. */
  readonly certificate?: ClientCertificate | undefined;
  /** How long it may carry nothing, ms; 0 for ever. */
  readonly idleTimeoutMs: number;
  readonly requestId: string;
  /** Of log lines. */
  readonly fields: Record<string, unknown>;
}

/** A connection with its stream. */
interface CarriedConnection extends OpenConnection {
  readonly stream: Stream;
  readonly grant: TcpGrant;
  readonly facts: TcpStreamFacts;
}

export class TcpCarrier {
  readonly #options: TcpCarrierOptions;

  constructor(options: TcpCarrierOptions) {
    this.#options = options;
  }

  /** Takes a connection over until it ends. */
  carry(connection: OpenConnection): void {
    const { arrivals } = this.#options;
    const { socket, hostname } = connection;
    try {
      this.#open(connection);
    } catch (error) {
      const waiting = arrivals.wait(error, hostname, () => {
        if (!socket.destroyed) this.carry(connection);
      });
      if (waiting === undefined) {
        this.tell(connection, error);
        abortSocket(socket);
      } else socket.once('close', () => waiting.release());
    }
  }

  /** Says why a connection is refused. */
  tell({ fields }: Pick<OpenConnection, 'fields'>, error: unknown): void {
    const { name: listener, onRefused } = this.#options;
    onRefused({ message: 'TCP connection refused', listener, error, fields: () => fields });
  }

  #open(connection: OpenConnection): void {
    const { router, access, signer } = this.#options;
    const { client, hostname, portOffset, certificate, requestId } = connection;
    const { address } = client;
    const grant = access.admit({ hostname, address, requestId, certificate });
    const comer = { application: grant.right.application, address };
    const { replica, rule } = router.route('tcp', hostname, '', { comer });
    checkPort(rule, hostname, portOffset);
    const place = { kind: 'tcp' as const, hostname, rule: rule.id, requestId, client };
    const request = portOffset === 0 ? place : { ...place, portOffset };
    const stream = replica.open(signedStream(signer, rule, request, grant.right));
    const { application } = grant;
    const { tunnel, id } = replica;
    this.#carry({
      ...connection,
      stream,
      grant,
      facts: { hostname, application, address, requestId, replica: id, tunnelName: tunnel.name },
      fields: { ...connection.fields, [FIELD.tunnelName]: tunnel.name, [FIELD.replica]: id },
    });
  }

  #carry(carried: CarriedConnection): void {
    const { log, access } = this.#options;
    const { socket, stream, grant, facts, fields } = carried;
    const since = systemClock.now();
    let idle: PosternError | undefined;
    log.info(fields, 'TCP stream opened');
    access.started(facts);
    const held = grant.hold((error) => stream.reset('ACCESS_REVOKED', error.message));
    onIdle(socket, carried.idleTimeoutMs, (error) => {
      idle = error;
      stream.reset('STREAM_CANCELLED', error.message);
    });
    pumpSocket(socket, stream, {
      onClose: () => {
        const { bytesSent, bytesReceived } = stream;
        const error = idle ?? stream.error;
        const durationMs = Math.round(systemClock.now() - since);
        held.release();
        access.ended(facts, { bytesSent, bytesReceived, durationMs, error });
        const ended = { ...fields, bytesSent, bytesReceived, durationMs };
        log.info({ ...ended, ...(error && { [FIELD.err]: error }) }, 'TCP stream ended');
      },
    });
  }
}

/** Connectors of before do not say how many ports a service has: they know of one. */
function checkPort({ ports = 1 }: ReplicaRule, hostname: string, portOffset: number): void {
  if (portOffset < ports) return;
  const has = ports === 1 ? 'one port' : `${ports} ports`;
  const why = `its service has ${has}, and this is port ${portOffset + 1} of the listener`;
  throw new PosternError('ROUTE_NO_RULE', `Cannot reach "${hostname}": ${why}`);
}

function onIdle(socket: Socket, idleMs: number, end: (error: PosternError) => void): void {
  if (idleMs === 0) return;
  socket.setTimeout(idleMs, () => {
    const why = `nothing was carried for ${formatDuration(idleMs)}`;
    end(new PosternError('TCP_IDLE', `Cannot keep the connection: ${why}`));
  });
}
