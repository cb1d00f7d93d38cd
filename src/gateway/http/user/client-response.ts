/**
 * The careful ways to end a response: closing so that the user still reads it, cutting it so that nobody takes it for
 * whole, and answering on a connection that the parser has let go of.
 *
 * Knows Node's http server and sockets, and nothing else of Postern.
 */
import { STATUS_CODES, ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { abortSocket } from '../../../transport/socket-pump.ts';
import type { Answer } from '../answer/answer.ts';
import type { UserRequest, UserResponse } from './user-message.ts';

/** How long a connection is read and thrown away after its last response, ms, so that a reset does not eat the response. */
const LINGER_MS = 2_000;

/**
 * Makes this response the last one of its connection. Where the user is still sending, the connection is read on for
 * LINGER_MS after the response: closing at once would reset it, and many clients would never see the answer.
 */
export function closeAfter(request: UserRequest, response: UserResponse): void {
  // An HTTP/2 stream ends alone, and its connection goes on.
  if (!(response instanceof ServerResponse)) return;
  response.shouldKeepAlive = false;
  if (!request.complete) lingerOnClose(request.socket, request);
}

/** Writes a page of ours as the whole response. Does nothing when a response has begun. */
export function sendPage(response: UserResponse, page: Answer, extra: string[] = []): void {
  if (response.headersSent) return;
  const reason = STATUS_CODES[page.status] ?? '';
  response.writeHead(page.status, reason, [...page.headers, ...extra]);
  response.end(page.body);
}

/**
 * Cuts a response that has begun. Where only the end of the connection would tell the user that it is complete, the
 * connection is reset, so that half a response never looks whole.
 */
export function cutResponse(response: UserResponse, contentLength: number | undefined): void {
  if (!(response instanceof ServerResponse)) {
    response.destroy();
    return;
  }
  const { socket } = response;
  const endsWithConnection = !response.chunkedEncoding && contentLength === undefined;
  // The response closes with its socket.
  if (socket !== null && endsWithConnection) abortSocket(socket);
  else response.destroy();
}

/** A response on the socket of an `upgrade` event. It is the last thing the connection carries. */
export function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on('drain', () => response.emit('drain'));
  response.on('finish', () => {
    response.detachSocket(socket);
    // What followed the head was meant for a protocol we did not switch to: it is never parsed (P13).
    socket.resume();
    endAndLinger(socket);
    response.emit('close');
  });
  return response;
}

/** Ends the socket, reads on for a while, and destroys it. */
export function endAndLinger(socket: Socket): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}

function lingerOnClose(socket: Socket, request: UserRequest): void {
  // Node calls this once the last response of a connection is written, and knows no other way to close.
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, 'destroySoon');
    request.resume();
    endAndLinger(socket);
  };
}
