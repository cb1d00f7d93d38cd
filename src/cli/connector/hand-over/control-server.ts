/**
 * The control socket of a connector: `postern tunnel reload` waits there for what becomes of it. docs/decisions/0022.
 *
 * Whoever may open the socket may do what it offers: mode 0600, in a folder for its user alone. Few at a time, one short line each.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { listenPrivately } from '../../../core/listen-privately.ts';
import { LIMITS } from '../../../core/limits.ts';
import {
  formatAnswer,
  formatFailure,
  LineBuffer,
  parseCall,
  type ControlCall,
} from './control-message.ts';

/** Carries out a call; what it rejects with is told to whoever asked. */
export type ControlHandler = (call: ControlCall) => Promise<unknown>;

export interface ControlServer {
  /** Takes no more calls, removes the socket, and hangs up on those who wait. Safe to call twice. */
  close(): Promise<void>;
}

/** Opens the socket; there is none of this name yet. Rejects with the system's error. */
export async function startControlServer(
  path: string,
  handle: ControlHandler,
): Promise<ControlServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, handle);
  });
  server.maxConnections = LIMITS.controlConnections;
  await listenPrivately(server, path);
  // What is asked of a process must not keep it.
  server.unref();
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const done = once(server, 'close');
    server.close();
    // What was said last is on its way already.
    for (const socket of sockets) socket.destroySoon();
    await done;
  };
  return { close: () => (closed ??= close()) };
}

function serve(socket: Socket, handle: ControlHandler): void {
  const line = new LineBuffer();
  const answer = (text: string): void => void socket.end(text);
  const fail = (error: unknown): void => answer(formatFailure(error));
  socket.on('error', () => undefined);
  socket.setTimeout(LIMITS.controlRequestMs, () => socket.destroy());
  const read = (chunk: Buffer): void => {
    try {
      const text = line.push(chunk);
      if (text === undefined) return;
      socket.off('data', read);
      socket.setTimeout(0);
      // Whatever else it says is passed over, and its end frees its place.
      socket.resume();
      handle(parseCall(text)).then((result) => answer(formatAnswer(result)), fail);
    } catch (error) {
      socket.off('data', read);
      fail(error);
    }
  };
  socket.on('data', read);
}
