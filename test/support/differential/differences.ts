/**
 * Everything that Postern changes on the way, one rule each; docs/http.md has a row for each rule, and a test compares both.
 *
 * A rule says what becomes of a message that was sent directly, or checks and takes away what Postern added. What is left
 * must be the same.
 */
import type { Case } from './corpus.ts';
import { valuesIn, type Field, type Message } from './message.ts';
import { APP } from './requests.ts';

export interface Difference {
  readonly id: string;
  /** Of what reaches the origin, or of what the user gets. */
  readonly side: 'origin' | 'user';
  /** What Postern makes of a message. */
  readonly direct?: (message: Message, one: Case) => Message;
  /** The message without what Postern added; throws where that is not as it should be. */
  readonly through?: (message: Message, one: Case) => Message;
}

const HOP = new Set(
  'connection http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
);
const OWNED =
  /^(?:x-forwarded-.*|postern-.*|cf-access-.*|forwarded|proxy|x-request-id|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|cf-connecting-ip|x-original-url|x-rewrite-url)$/;
const HEAD_ONLY = new Set(['set-cookie', 'content-length', 'authorization', 'host']);

const isOwned = (lowerName: string): boolean =>
  OWNED.test(lowerName.replaceAll(/[^a-z0-9-]/g, '-'));

const without = (
  message: Message,
  drops: (lowerName: string, value: string) => boolean,
): Message => ({
  ...message,
  fields: message.fields.filter(([name, value]) => !drops(name.toLowerCase(), value)),
});

const replaced = (message: Message, change: (field: Field) => Field[]): Message => ({
  ...message,
  fields: message.fields.flatMap(change),
});

function listedIn(fields: readonly Field[]): Set<string> {
  const lists = valuesIn(fields, 'connection').flatMap((value) => value.split(','));
  return new Set(lists.map((name) => name.trim().toLowerCase()).filter((name) => name !== 'close'));
}

function dropHops(message: Message): Message {
  const listed = listedIn(message.fields);
  return without(message, (name) => name !== 'te' && (HOP.has(name) || listed.has(name)));
}

/** Checks an added field and takes it away. */
function taken(message: Message, lowerName: string, expected: RegExp): Message {
  const values = valuesIn(message.fields, lowerName);
  if (values.length !== 1 || !expected.test(values[0] ?? ''))
    throw new Error(`${lowerName} is ${JSON.stringify(values)}`);
  return without(message, (name) => name === lowerName);
}

const escaped = APP.replaceAll('.', String.raw`\.`);

/** In the order in which they are applied. */
export const DIFFERENCES: readonly Difference[] = [
  {
    id: 'te',
    side: 'origin',
    direct: (message) => {
      const wants = valuesIn(message.fields, 'te').some((value) => value.includes('trailers'));
      const rest = without(message, (name) => name === 'te');
      return wants ? { ...rest, fields: [...rest.fields, ['TE', 'trailers']] } : rest;
    },
  },
  { id: 'hop-by-hop', side: 'origin', direct: dropHops, through: dropHops },
  {
    id: 'owned',
    side: 'origin',
    direct: (message) => without(message, isOwned),
  },
  {
    id: 'added',
    side: 'origin',
    through: (message) => {
      let rest = taken(message, 'x-forwarded-for', /^127\.0\.0\.1$/);
      rest = taken(rest, 'x-forwarded-host', new RegExp(`^${escaped}$`, 'i'));
      rest = taken(rest, 'x-forwarded-proto', /^https$/);
      return taken(rest, 'x-request-id', /^[0-9a-f]{16}$/);
    },
  },
  {
    id: 'own-cookies',
    side: 'origin',
    direct: (message) =>
      replaced(message, ([name, value]) => {
        if (name.toLowerCase() !== 'cookie') return [[name, value]];
        const kept = value.split('; ').filter((cookie) => !cookie.startsWith('__Host-postern-'));
        return kept.length === 0 ? [] : [[name, kept.join('; ')]];
      }),
  },
  {
    id: 'host-first',
    side: 'origin',
    direct: (message) => lowerFirst(message),
    through: (message) => lowerFirst(message),
  },
  {
    id: 'target',
    side: 'origin',
    direct: (message) => ({
      ...message,
      start: message.start.replace(/ https:\/\/[^/ ]*/i, ' ').replace(/^(\S+) {2}/, '$1 / '),
    }),
  },
  {
    id: 'version',
    side: 'origin',
    direct: (message) => ({ ...message, start: message.start.replace(/1\.0$/, '1.1') }),
  },
  {
    id: 'empty-body',
    side: 'origin',
    direct: withoutEmptyFraming,
    through: withoutEmptyFraming,
  },
  { id: 'expect', side: 'origin', direct: expectLast, through: expectLast },
  {
    id: 'length-last',
    side: 'origin',
    direct: lengthLast,
    through: lengthLast,
  },
  {
    id: 'request-trailers',
    side: 'origin',
    direct: (message) => {
      const listed = listedIn(message.fields);
      const trailers = message.trailers.filter(([name]) => {
        const lowerName = name.toLowerCase();
        return (
          !HEAD_ONLY.has(lowerName) &&
          !HOP.has(lowerName) &&
          !isOwned(lowerName) &&
          !listed.has(lowerName)
        );
      });
      return { ...message, trailers };
    },
  },
  { id: 'response-hop-by-hop', side: 'user', direct: dropHops, through: dropHops },
  {
    id: 'date',
    side: 'user',
    through: (message, { response }) =>
      valuesIn(response.fields, 'date').length > 0
        ? message
        : taken(message, 'date', /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/),
  },
  {
    id: 'response-framing',
    side: 'user',
    direct: withoutFraming,
    through: withoutFraming,
  },
  {
    id: 'response-cookies',
    side: 'user',
    direct: (message) =>
      without(
        message,
        (name, value) => name === 'set-cookie' && value.startsWith('__Host-postern-'),
      ),
  },
  {
    id: 'response-trailers',
    side: 'user',
    direct: (message, { request }) => ({
      ...message,
      trailers:
        request.version === '1.0'
          ? []
          : message.trailers.filter(([name]) => !HEAD_ONLY.has(name.toLowerCase())),
    }),
  },
  {
    id: 'informational',
    side: 'user',
    direct: (message) => ({
      ...message,
      informed: message.informed.filter(
        ({ start, fields }) =>
          / 10[02] /.test(start) ||
          (start.includes(' 103 ') && valuesIn(fields, 'link').length > 0),
      ),
    }),
  },
];

/** Host by itself: how it is spelled, and where it stands, is the HTTP client's affair. */
function lowerFirst(message: Message): Message {
  const hosts = valuesIn(message.fields, 'host');
  const rest = without(message, (name) => name === 'host');
  return { ...rest, fields: [...hosts.map((host): Field => ['host', host]), ...rest.fields] };
}

function withoutEmptyFraming(message: Message): Message {
  if (message.body !== '') return message;
  return { ...without(message, (name) => name === 'content-length'), framing: 'none' };
}

function expectLast(message: Message): Message {
  const asked = valuesIn(message.fields, 'expect');
  const rest = without(message, (name) => name === 'expect');
  const last = message.body === '' ? [] : asked.map((value): Field => ['expect', value]);
  return { ...rest, fields: [...rest.fields, ...last] };
}

function lengthLast(message: Message): Message {
  const lengths = valuesIn(message.fields, 'content-length');
  const rest = without(message, (name) => name === 'content-length');
  const last = lengths.map((length): Field => ['content-length', length]);
  return { ...rest, fields: [...rest.fields, ...last] };
}

/** A body that the connection ends comes in chunks, and one in chunks ends a connection of HTTP/1.0. */
function withoutFraming(message: Message): Message {
  return message.framing === 'length' ? message : { ...message, framing: 'none' };
}
