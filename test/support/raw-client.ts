/** HTTP/1.1 in raw bytes, from the side of the user: what is sent and what comes is seen as it is on the wire. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';

/** A client that says exactly what it is told. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
    cleanup(() => socket.destroy());
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get text(): string {
    return this.#received.toString('latin1');
  }

  get bytes(): Buffer {
    return this.#received;
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes, 'latin1');
    return this;
  }

  /** Waits until this text has come. */
  async sees(text: string | RegExp): Promise<void> {
    const has = (): boolean =>
      typeof text === 'string' ? this.text.includes(text) : text.test(this.text);
    await eventually(has, { what: `${String(text)} in ${JSON.stringify(this.text)}`, everyMs: 2 });
  }

  /** Waits for the end of the connection; returns everything that came. */
  async closed(): Promise<string> {
    const isOver = (): boolean => this.socket.readableEnded || this.socket.destroyed;
    await eventually(isOver, { what: 'the end of the connection', everyMs: 2 });
    return this.text;
  }
}

/** Sends bytes on a connection of their own; returns what came until it closed. */
export async function exchangeBytes(port: number, bytes: string | Buffer): Promise<string> {
  const client = await RawClient.connect(port);
  return client.send(bytes).closed();
}

/** The status of a raw response, 0 where there is none. */
export function statusIn(response: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1] ?? 0);
}

/** The code in a JSON error page. */
export function codeIn(response: string): string | undefined {
  return /"code":"([A-Z_]+)"/.exec(response)?.[1];
}

/** A value for each name in a raw head, names in lower case; repeated ones in order. */
export function fieldsIn(head: string): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of head.split('\r\n\r\n', 1).join('').split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return fields;
}
