/**
 * An HTTP/1.1 origin that keeps every byte that reached it, for tests of what must not: it reads as an origin does that
 * believes whatever a proxy passes on, so a request that was smuggled to it is one more request in its list.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

import { cleanup } from '../cleanup.ts';
import { fieldsIn } from '../raw-client.ts';
import { portOf } from './port.ts';

export interface RecordedRequest {
  /** Which of the origin's connections, from 0. */
  readonly connection: number;
  /** As it arrived, with the empty line. */
  readonly head: string;
  readonly method: string;
  readonly target: string;
  /** By lower-case name. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** What came behind the head and belongs to it, the framing of chunks and trailers included. */
  rest: string;
  /** Whether all of it came. */
  isWhole: boolean;
}

/** Bytes, or what to do with the connection. */
export type Answer = string | ((socket: Socket, request: RecordedRequest) => void);

export interface RecordingOrigin {
  readonly port: number;
  /** The service as an ingress rule names it: `http://127.0.0.1:<port>`. */
  readonly service: string;
  /** All that came, the oldest first. */
  readonly requests: RecordedRequest[];
  /** Connections accepted so far, and what each was sent, framed or not. */
  readonly connections: string[];
  /** Answers requests of a path so; 200 otherwise. `at` the head, or at the end of the request, which is the default. */
  answer(path: string, answer: Answer, at?: 'head' | 'end'): void;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** The last chunk, trailers and the empty line. */
const LAST_CHUNK = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/;

/** Starts it on 127.0.0.1. The clean-up stops it. */
export async function startRecordingOrigin(): Promise<RecordingOrigin> {
  const requests: RecordedRequest[] = [];
  const connections: string[] = [];
  const answers = new Map<string, { answer: Answer; at: 'head' | 'end' }>();
  const sockets = new Set<Socket>();
  const reply = (socket: Socket, request: RecordedRequest, at: 'head' | 'end'): void => {
    const path = request.target.split('?', 1).join();
    const found = answers.get(path) ?? { answer: OK, at: 'end' };
    if (found.at !== at) return;
    if (typeof found.answer === 'string') socket.write(found.answer, 'latin1');
    else found.answer(socket, request);
  };
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = connections.push('') - 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const reader = new RequestReader(connection, {
      onHead: (request) => {
        requests.push(request);
        reply(socket, request, 'head');
      },
      onEnd: (request) => reply(socket, request, 'end'),
    });
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      connections[connection] += text;
      reader.push(text);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const port = portOf(server);
  return {
    port,
    service: `http://127.0.0.1:${port}`,
    requests,
    connections,
    answer: (path, answer, at = 'end') => void answers.set(path, { answer, at }),
  };
}

interface Events {
  onHead(request: RecordedRequest): void;
  onEnd(request: RecordedRequest): void;
}

/** Splits the bytes of one connection into requests. */
class RequestReader {
  readonly #connection: number;
  readonly #events: Events;
  #text = '';
  #open: RecordedRequest | undefined;

  constructor(connection: number, events: Events) {
    this.#connection = connection;
    this.#events = events;
  }

  push(text: string): void {
    this.#text += text;
    // Each round takes a head or the rest of a request.
    while (this.#open === undefined ? this.#takeHead() : this.#takeRest(this.#open));
  }

  #takeHead(): boolean {
    const end = this.#text.indexOf('\r\n\r\n');
    if (end === -1) return false;
    const head = this.#text.slice(0, end + 4);
    this.#text = this.#text.slice(end + 4);
    const [method = '', target = ''] = head.split(' ', 2);
    const about = { connection: this.#connection, head, method, target };
    this.#open = { ...about, fields: fieldsIn(head), rest: '', isWhole: false };
    this.#events.onHead(this.#open);
    return true;
  }

  #takeRest(request: RecordedRequest): boolean {
    const all = request.rest + this.#text;
    const size = lengthOf(request, all);
    request.rest = all.slice(0, size);
    this.#text = all.slice(size ?? all.length);
    if (size === undefined || request.rest.length < size) return false;
    request.isWhole = true;
    this.#open = undefined;
    this.#events.onEnd(request);
    return true;
  }
}

/** How long what follows a head is; undefined where the end has not come. */
function lengthOf({ fields }: RecordedRequest, text: string): number | undefined {
  if (fields.has('transfer-encoding')) {
    const last = LAST_CHUNK.exec(text);
    return last === null ? undefined : last.index + last[0].length;
  }
  return Number(fields.get('content-length')?.[0] ?? 0);
}
