/**
 * One end of a link as nothing but a WebSocket and bytes: it sends what no honest peer would, frame by frame, and keeps what
 * it is told. For either side: a stranger who dials a gateway, and a gateway that was taken over.
 */
import { connect, type TLSSocket } from 'node:tls';

import { WebSocket, type ClientOptions } from 'ws';

import type { ControlMessage } from '../../src/protocol/message/control-message.ts';
import { decodeFrame, encodeJson, type Frame } from '../../src/protocol/frame.ts';
import { LINK_PATH, LINK_SUBPROTOCOL } from '../../src/transport/ws-frame-channel.ts';
import { cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import type { Gateway } from './gateway.ts';

/** How the other side ended the WebSocket. 1006: without a close message. */
export interface LinkClose {
  readonly code: number;
  readonly reason: string;
}

export class LinkBytes {
  readonly socket: WebSocket;
  /** Every frame that came, oldest first. */
  readonly frames: Frame[] = [];
  readonly closed: Promise<LinkClose>;
  readonly #openedAt = performance.now();
  #closedAt = NaN;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      if (Buffer.isBuffer(data)) this.frames.push(decodeFrame(data));
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#closedAt = performance.now();
        resolve({ code, reason: reason.toString() });
      });
    });
    cleanup(() => socket.terminate());
  }

  /** How long it was open, ms; NaN while it is. */
  get lastedMs(): number {
    return this.#closedAt - this.#openedAt;
  }

  /** The control messages that came, oldest first. */
  get controls(): ControlMessage[] {
    return this.frames.flatMap((frame) =>
      frame.type === 'CONTROL' ? [JSON.parse(frame.json.toString())] : [],
    );
  }

  /** Sends one message: a frame in hex, or any bytes. Text goes out as a text message. */
  send(message: Uint8Array | { readonly hex: string } | { readonly text: string }): void {
    if (message instanceof Uint8Array) this.socket.send(message);
    else if ('hex' in message) this.socket.send(Buffer.from(message.hex, 'hex'));
    else this.socket.send(message.text);
  }

  /** Sends a control message of any content. */
  control(message: object): void {
    this.send(encodeJson('CONTROL', 0, message));
  }

  /** The first frame of that type, also one that came already. */
  async frame<T extends Frame['type']>(type: T): Promise<Extract<Frame, { type: T }>> {
    const is = (frame: Frame): frame is Extract<Frame, { type: T }> => frame.type === type;
    let found: Extract<Frame, { type: T }> | undefined;
    await eventually(
      () => {
        found = this.frames.find(is);
        return found !== undefined;
      },
      { what: `a frame ${type}` },
    );
    if (found === undefined) throw new Error('unreachable');
    return found;
  }
}

/** `hello` of an honest peer. */
export const HELLO = {
  type: 'hello',
  versions: [1],
  features: [],
  software: 'stranger/1',
  process: 'a-stranger',
} as const;

/** `register` of an honest connector, but for its token. */
export const REGISTER = {
  type: 'register',
  role: 'connector',
  token: 'pst_not-a-token',
  link: 0,
  replica: { hostname: 'strange-host', platform: 'linux/x64', startedAt: 0 },
  rules: [],
} as const;

export interface DialOptions {
  /** Default: the one of links. */
  readonly subprotocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** A TLS session to resume, which is cheap for both sides. */
  readonly session?: Buffer | undefined;
}

/** Dials the link path. Rejects with the status in its message when the upgrade is refused. */
export function dialLink(gateway: Gateway, options: DialOptions = {}): Promise<LinkBytes> {
  const { subprotocols = [LINK_SUBPROTOCOL], headers = {}, session } = options;
  const { host, port, ca } = gateway.connectOptions('');
  const how: ClientOptions & { session?: Buffer } = { ca, headers, perMessageDeflate: false };
  if (session !== undefined) how.session = session;
  const socket = new WebSocket(`wss://${host}:${port}${LINK_PATH}`, [...subprotocols], how);
  const link = new LinkBytes(socket);
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(link));
    socket.once('error', reject);
  });
}

/** What an HTTPS listener answers to these bytes, until it closes the connection. */
export async function exchangeBytes(gateway: Gateway, bytes: string): Promise<string> {
  const socket = connectTls(gateway);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(bytes);
  await closed;
  return answer;
}

/** A TLS connection to the HTTPS listener, with nothing said on it yet. Its errors are the test's subject. */
export function connectTls(gateway: Gateway): TLSSocket {
  const { host, port, ca } = gateway.connectOptions('');
  const socket = connect({ host, port, ca });
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  return socket;
}
