/**
 * A TLS client whose TCP connection stays in sight: Node's own TLS sockets do not tell a reset behind data from an end.
 */
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

import { cleanup } from './cleanup.ts';

export interface TlsClient {
  readonly socket: TLSSocket;
  /** The connection below. Look at how it ends with `whenPeerEnds`; reset it to break the client off. */
  readonly carrier: Socket;
}

/** Dials a port of this machine; half-open on both levels. How it breaks is the test's to look at, never a crash. */
export function dialTls(port: number, options: ConnectionOptions): TlsClient {
  const carrier = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  carrier.on('error', () => undefined);
  // Between the two stands a stream that is no socket, or the TLS socket would take the connection for itself.
  const between = streamOver(carrier);
  const socket = connectTls({ ...options, socket: between });
  socket.on('error', () => undefined);
  cleanup(() => {
    socket.destroy();
    carrier.destroy();
  });
  return { socket, carrier };
}

function streamOver(carrier: Socket): Duplex {
  const stream = new Duplex({
    read: () => carrier.resume(),
    write: (chunk: Buffer, _encoding, done) => carrier.write(chunk, done),
    final: (done) => carrier.end(done),
    destroy: (error, done) => {
      carrier.destroy();
      done(error);
    },
  });
  carrier.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) carrier.pause();
  });
  carrier.on('end', () => stream.push(null));
  carrier.on('error', (error) => stream.destroy(error));
  stream.on('error', () => undefined);
  return stream;
}
