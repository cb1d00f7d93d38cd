/**
 * Accepts links: turns an upgrade request on the link path into a WsFrameChannel, or answers it with an HTTP error.
 *
 * Everything it reads comes from strangers: it never throws because of it, answers shortly, and closes what it refuses. Who
 * the peer is, is found out later, on the link; until then `hasRoom` bounds how many there are. See docs/protocol.md §2.
 */
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type ServerOptions } from 'ws';
import { LIMITS } from '../core/limits.ts';
import {
  LINK_PATH,
  LINK_SUBPROTOCOL,
  webSocketOptions,
  WsFrameChannel,
} from './ws-frame-channel.ts';

export interface ChannelAccepterOptions {
  /** Whether one more link that has not registered may come in. Asked once for each request that is otherwise right. */
  readonly hasRoom: () => boolean;
  /** Default `/.postern/link`. */
  readonly path?: string;
}

interface Refusal {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ChannelAccepter {
  readonly #hasRoom: () => boolean;
  readonly #path: string;
  readonly #server: WebSocketServer;

  constructor({ hasRoom, path = LINK_PATH }: ChannelAccepterOptions) {
    this.#hasRoom = hasRoom;
    this.#path = path;
    const options: ServerOptions = { ...webSocketOptions, noServer: true, clientTracking: false };
    this.#server = new WebSocketServer({ ...options, handleProtocols: () => LINK_SUBPROTOCOL });
  }

  /**
   * Answers an `upgrade` event of an HTTP server. Calls `onChannel` before it returns, or not at all; the channel reads nothing
   * before its `events` are set. Do not keep `req` beside the channel: it holds the head of the request for as long.
   */
  handleUpgrade(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    onChannel: (channel: WsFrameChannel) => void,
  ): void {
    // Only a server that was handed something else than connections has any other Duplex here.
    if (!(socket instanceof Socket)) throw new TypeError('A link needs a socket under it');
    const refusal = this.#refusalOf(req);
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    this.#server.handleUpgrade(req, socket, head, (ws) => {
      onChannel(new WsFrameChannel({ ws, socket, masking: 'none' }));
    });
  }

  /** What is wrong with the request, the cheapest checks first; undefined when nothing is. */
  #refusalOf(req: IncomingMessage): Refusal | undefined {
    const path = (req.url ?? '').split('?', 1)[0];
    if (path !== this.#path) return { status: 404, text: 'No links are taken on this path' };
    if (req.httpVersion !== '1.1') return { status: 505, text: 'A link starts with HTTP/1.1' };
    if (req.method !== 'GET') {
      return { status: 405, text: 'A link starts with GET', headers: { Allow: 'GET' } };
    }
    const refusal = malformed(req.headers) ?? unwelcome(req.headers);
    if (refusal !== undefined) return refusal;
    if (this.#hasRoom()) return undefined;
    const text = 'Too many links wait to be registered; try again';
    return { status: 503, text, headers: { 'Retry-After': '1' } };
  }
}

type Headers = IncomingMessage['headers'];

/** What RFC 6455 §4.2.1 asks for. `ws` checks most of it as well, but answers in HTML and takes more versions. */
function malformed(headers: Headers): Refusal | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    const text = 'A link is a WebSocket';
    return { status: 426, text, headers: { Upgrade: 'websocket' } };
  }
  if (headers['sec-websocket-version'] !== '13') {
    const text = 'A link is a WebSocket of version 13';
    return { status: 426, text, headers: { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' } };
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    return { status: 400, text: 'Sec-WebSocket-Key is missing or malformed' };
  }
  // What a body leaves behind would be read as frames.
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') {
    return { status: 400, text: 'An upgrade has no body' };
  }
  return undefined;
}

function unwelcome(headers: Headers): Refusal | undefined {
  // Browsers always send Origin with a WebSocket, and no browser has business here.
  if (headers.origin !== undefined || headers['sec-websocket-origin'] !== undefined) {
    return { status: 403, text: 'Links are not for browsers' };
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (offered.includes(LINK_SUBPROTOCOL)) return undefined;
  return { status: 400, text: `A link speaks the subprotocol ${LINK_SUBPROTOCOL}` };
}

/** Sends a short plain answer and closes, at the latest when the peer has not taken it for a while. */
function refuseUpgrade(socket: Socket, { status, text, headers }: Refusal): void {
  const body = `${text}\n`;
  const lines = Object.entries({
    ...headers,
    Connection: 'close',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.setTimeout(LIMITS.closeMs, () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}
