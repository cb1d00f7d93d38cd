/** The user's side of an Upgrade to WebSocket that came over HTTP/1.1: a socket that the parser has let go of. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { responseHeaders } from '../fields/response-headers.ts';
import type { RequestRecord } from '../record/request-record.ts';
import { responseOn } from '../user/client-response.ts';
import type { UserResponse } from '../user/user-message.ts';
import { LiveUpgrade } from './live-upgrade.ts';
import type { PendingUpgrade } from './pending-upgrade.ts';

export class SocketUpgrade implements PendingUpgrade {
  onAbort: (() => void) | undefined;
  onEnd: (() => void) | undefined;
  readonly #request: IncomingMessage;
  readonly #socket: Socket;
  readonly #head: Buffer;
  #isSettled = false;

  /** `head` is what came behind the head of the request. */
  constructor(request: IncomingMessage, socket: Socket, head: Buffer) {
    this.#request = request;
    this.#socket = socket;
    this.#head = head;
    socket.on('close', this.#aborted);
    // Without somebody reading, a user who leaves would not be noticed. What has been read stays in the buffer.
    socket.on('end', this.#aborted);
    socket.on('readable', this.#lookForEnd);
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Over HTTP/1.1 only 101 is. */
  // oxlint-disable-next-line class-methods-use-this
  looksAccepted(): boolean {
    return false;
  }

  /** Its user checks it. */
  // oxlint-disable-next-line class-methods-use-this
  problemWith(): undefined {
    return undefined;
  }

  respond(): UserResponse {
    this.#settle();
    const response = responseOn(this.#request, this.#socket);
    response.once('close', () => this.onEnd?.());
    return response;
  }

  accept(fields: readonly Buffer[], origin: Duplex, record: RequestRecord): LiveUpgrade {
    this.#settle();
    const socket = this.#socket;
    socket.write(switchingHead(fields), 'latin1');
    socket.setTimeout(0);
    if (this.#head.length > 0) socket.unshift(this.#head);
    const user = {
      stream: socket,
      endedWell: () => socket.readableEnded && socket.errored === null,
      cut: () => void socket.destroy(),
    };
    return new LiveUpgrade(user, origin, record);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#socket.off('close', this.#aborted);
    this.#socket.off('end', this.#aborted);
    this.#socket.off('readable', this.#lookForEnd);
  }

  readonly #aborted = (): void => {
    if (this.#isSettled) return;
    this.#settle();
    this.#socket.destroy();
    this.onAbort?.();
    this.onEnd?.();
  };

  readonly #lookForEnd = (): void => {
    if (this.#socket.readableLength === 0) this.#socket.read();
  };
}

/** The head of a 101: the origin's fields, and the two that make it one. */
function switchingHead(raw: readonly Buffer[]): string {
  const { headers } = responseHeaders(raw);
  let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  for (let index = 0; index < headers.length; index += 2) {
    head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return `${head}\r\n`;
}
