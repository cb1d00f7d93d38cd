/** A user who says a request of the corpus over HTTP/2, and what it looks like when neither protocol can be told. */
import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';

import { cleanup } from '../cleanup.ts';
import type { Gateway } from '../gateway.ts';
import { valuesIn, type Field, type Message } from './message.ts';
import type { Case } from './corpus.ts';
import { APP, type Request } from './requests.ts';

/** Fields that HTTP/2 does not have. */
const NEVER = /^(?:connection|keep-alive|proxy-connection|upgrade|te)$/i;

/** Longest wait for an answer, ms. */
const ANSWER_MS = 30_000;

/** Whether request and answer can be said over HTTP/2. */
export function isSayable({ request, response }: Case): boolean {
  const { target, fields, version } = request;
  if (version === '1.0' || !target.startsWith('/') || response.line > '600') return false;
  return !fields.some(([name]) => NEVER.test(name));
}

/** A connection for any number of requests. */
export async function openHttp2(gateway: Gateway): Promise<ClientHttp2Session> {
  const { host, port, ca } = gateway.connectOptions(APP);
  const session = connect(`https://${host}:${port}`, {
    ca,
    servername: APP,
    maxHeaderListPairs: 1_000,
    maxReservedRemoteStreams: 0,
    settings: { enablePush: false },
  });
  session.on('error', () => undefined);
  cleanup(() => session.destroy());
  await once(session, 'connect');
  return session;
}

/** Says it, and returns the answer as HTTP/1.1 would have it. */
export async function sayOverHttp2(
  session: ClientHttp2Session,
  { method, target, fields, body }: Request,
  id: string,
): Promise<Message> {
  const { framing, chunks, trailers = [] } = body;
  const head = grouped([...fields, ['X-Case', id]]);
  if (framing === 'length') head['content-length'] = [String(chunks.join('').length)];
  const single = Object.entries(head).map(([name, values]) => [
    name,
    values.length === 1 ? values[0] : values,
  ]);
  const stream = session.request(
    {
      ':method': method,
      ':scheme': 'https',
      ':authority': APP,
      ':path': target,
      ...Object.fromEntries(single),
    },
    { endStream: framing === 'none', waitForTrailers: trailers.length > 0 },
  );
  stream.setTimeout(ANSWER_MS, () => stream.close());
  stream.on('wantTrailers', () => stream.sendTrailers(grouped(trailers)));
  const found = { start: '', fields: [] as Field[], trailers: [] as Field[] };
  const informed: Message['informed'][number][] = [];
  const onHead = (into: (start: string, raw: Field[]) => void) => {
    return (...args: unknown[]): void => {
      // Node's types do not know of the last.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const raw = pairs(args[2] as string[]);
      const [status = ''] = valuesIn(raw, ':status');
      into(
        `HTTP/1.1 ${status}`,
        raw.filter(([name]) => !name.startsWith(':')),
      );
    };
  };
  stream.on(
    'headers',
    onHead((start, raw) => informed.push({ start, fields: raw })),
  );
  stream.on(
    'response',
    onHead((start, raw) => Object.assign(found, { start, fields: raw })),
  );
  stream.on(
    'trailers',
    onHead((_start, raw) => found.trailers.push(...raw)),
  );
  const received: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => received.push(chunk));
  stream.on('error', () => undefined);
  const closed = once(stream, 'close');
  if (framing !== 'none') {
    if (head['expect'] !== undefined && chunks.join('') !== '') await once(stream, 'continue');
    for (const chunk of chunks) stream.write(chunk, 'latin1');
    stream.end();
  }
  await closed;
  if (stream.rstCode !== 0) throw new Error(`the stream broke off with ${stream.rstCode}`);
  return { ...found, framing: 'none', body: Buffer.concat(received).toString('latin1'), informed };
}

/** A message without what only one of the two protocols can say: spelling, order of names, reason, framing. */
export function asEither(message: Message): unknown {
  const { start, fields, body, trailers, informed } = message;
  return {
    start: withoutReason(start),
    fields: sorted(fields),
    body,
    trailers: sorted(trailers),
    informed: informed.map((one) => [withoutReason(one.start), sorted(one.fields)]),
  };
}

function withoutReason(start: string): string {
  return start.replace(/^(HTTP\/1\.1 \d{3}).*$/, '$1');
}

/** Values by name. Cookies come one by one or in one field. */
function grouped(fields: readonly Field[]): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const [name, value] of fields) (groups[name.toLowerCase()] ??= []).push(value);
  return groups;
}

function sorted(fields: readonly Field[]): [string, string[]][] {
  const groups = grouped(fields);
  if (groups['cookie'] !== undefined) groups['cookie'] = [groups['cookie'].join('; ')];
  return Object.entries(groups).toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function pairs(flat: readonly string[]): Field[] {
  const found: Field[] = [];
  for (let at = 0; at < flat.length; at += 2) found.push([flat[at] ?? '', flat[at + 1] ?? '']);
  return found;
}
