/**
 * One request said twice, to the origin itself and through Postern, and what the documented differences do not explain.
 */
import type { ClientHttp2Session } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import type { Gateway } from '../gateway.ts';
import { eventually } from '../eventually.ts';
import { requestBytes, responseBytes, type Case } from './corpus.ts';
import { DIFFERENCES, type Difference } from './differences.ts';
import { asEither, sayOverHttp2 } from './http2-user.ts';
import { read, type Message } from './message.ts';
import { APP } from './requests.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';

/** Longest wait for an answer, ms. */
const ANSWER_MS = 30_000;

export class Comparison {
  /** Differences that changed something so far. */
  readonly used = new Set<string>();
  readonly #gateway: Gateway;
  readonly #origin: ScriptedOrigin;
  #count = 0;

  constructor(gateway: Gateway, origin: ScriptedOrigin) {
    this.#gateway = gateway;
    this.#origin = origin;
  }

  /** Both sides of a case, the first as the second should be. */
  async compare(one: Case): Promise<{ readonly expected: unknown; readonly actual: unknown }> {
    const direct = await this.#sayTo(one, async () => this.#toOrigin());
    const through = await this.#sayTo(one, async () => this.toGateway());
    return {
      expected: {
        origin: this.#explained('origin', 'direct', direct.origin, one),
        user: this.#explained('user', 'direct', direct.user, one),
      },
      actual: {
        origin: this.#explained('origin', 'through', through.origin, one),
        user: this.#explained('user', 'through', through.user, one),
      },
    };
  }

  /** The same where the user of Postern speaks HTTP/2: without what only one of the protocols can say. */
  async compareHttp2(
    session: ClientHttp2Session,
    one: Case,
  ): Promise<{ readonly expected: unknown; readonly actual: unknown }> {
    const direct = await this.#sayTo(one, async () => this.#toOrigin());
    const through = await this.#say(one, async (id) => sayOverHttp2(session, one.request, id));
    return {
      expected: {
        origin: asEither(this.#explained('origin', 'direct', direct.origin, one)),
        user: asEither(this.#explained('user', 'direct', direct.user, one)),
      },
      actual: {
        origin: asEither(this.#explained('origin', 'through', through.origin, one)),
        user: asEither(this.#explained('user', 'through', through.user, one)),
      },
    };
  }

  /** What Postern answers to these bytes, and what of them reached the origin. */
  async refusal(
    bytes: (fields: string) => string,
  ): Promise<{ readonly status: number; readonly reached: number }> {
    const id = this.#nextId();
    const socket = await this.toGateway();
    const message = await answerTo(socket, bytes(`X-Case: ${id}\r\n`), false);
    const status = Number(message.start.split(' ')[1]);
    return { status, reached: this.#origin.seen.get(id)?.length ?? 0 };
  }

  /** A connection to Postern, over TLS. */
  async toGateway(): Promise<Socket> {
    const { host, port, ca } = this.#gateway.connectOptions(APP);
    const ours = { host, port, ca, servername: '', checkServerIdentity: () => undefined };
    return connected(connectTls(ours), 'secureConnect');
  }

  async #toOrigin(): Promise<Socket> {
    const { port } = this.#origin;
    return connected(connect({ port, host: '127.0.0.1' }), 'connect');
  }

  async #sayTo(
    one: Case,
    dial: () => Promise<Socket>,
  ): Promise<{ readonly origin: Message; readonly user: Message }> {
    const isHead = one.request.method === 'HEAD';
    return this.#say(one, async (id) =>
      answerTo(await dial(), requestBytes(one.request, id), isHead),
    );
  }

  async #say(
    one: Case,
    ask: (id: string) => Promise<Message>,
  ): Promise<{ readonly origin: Message; readonly user: Message }> {
    const id = this.#nextId();
    const { request, response } = one;
    const endsConnection = response.body.framing === 'close';
    this.#origin.answers.set(id, {
      bytes: responseBytes(response, request.method),
      endsConnection,
    });
    const user = await ask(id);
    const [origin, ...more] = this.#origin.seen.get(id) ?? [];
    if (origin === undefined || more.length > 0)
      throw new Error(`it reached the origin ${more.length} times; the user got ${user.start}`);
    this.#origin.answers.delete(id);
    this.#origin.seen.delete(id);
    const fields = origin.fields.filter(([name]) => name.toLowerCase() !== 'x-case');
    return { origin: { ...origin, fields }, user };
  }

  #explained(
    side: Difference['side'],
    which: 'direct' | 'through',
    message: Message,
    one: Case,
  ): Message {
    let now = message;
    for (const difference of DIFFERENCES.filter((candidate) => candidate.side === side)) {
      const before = now;
      now = difference[which]?.(before, one) ?? before;
      if (JSON.stringify(now) !== JSON.stringify(before)) this.used.add(difference.id);
    }
    return now;
  }

  #nextId(): string {
    this.#count += 1;
    return `c${this.#count}`;
  }
}

async function connected(socket: Socket, event: string): Promise<Socket> {
  await new Promise<void>((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** Sends bytes and reads one response; the connection ends with it. */
async function answerTo(socket: Socket, bytes: string, isHead: boolean): Promise<Message> {
  let text = '';
  let isClosed = false;
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('close', () => (isClosed = true));
  socket.on('end', () => (isClosed = true));
  const [head, body] = untilAsked(bytes);
  socket.write(head, 'latin1');
  try {
    if (body !== '') {
      await eventually(() => text !== '', { deadlineMs: ANSWER_MS, everyMs: 1, what: 'a word' });
      socket.write(body, 'latin1');
    }
    return await eventually(
      () => {
        const found = read(text, { kind: 'response', isHead, isClosed });
        if (found === undefined) throw new Error(`so far ${JSON.stringify(text.slice(0, 500))}`);
        return found.message;
      },
      { deadlineMs: ANSWER_MS, everyMs: 1, what: 'an answer' },
    );
  } finally {
    socket.destroy();
  }
}

/** A user who asks whether the body is wanted waits before it. */
function untilAsked(bytes: string): [head: string, body: string] {
  const end = bytes.indexOf('\r\n\r\n') + 4;
  const isAsking = /\r\nexpect: 100-continue\r\n/i.test(bytes.slice(0, end));
  return isAsking ? [bytes.slice(0, end), bytes.slice(end)] : [bytes, ''];
}
