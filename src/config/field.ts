/**
 * The kinds of values that configuration files hold, as zod schemas whose messages say what to write instead.
 *
 * Every message is `<what is wrong>; <what to do>`: the file, line and key are put before it by config-source.ts.
 * A default is given where the field is used, and nowhere else.
 */
import { z } from 'zod';
import { formatByteSize, parseByteSize } from '../core/byte-size.ts';
import { parseDuration, formatDuration } from '../core/duration.ts';
import { codeOf, messageOf } from '../core/error.ts';
import { parseListenAddress, parseListenRange } from './listen-address.ts';
import { nearestKey } from './nearest-key.ts';

/** Node's timers hold 2^31 ms, nearly 25 days; a longer wait would end at once. */
const MAX_TIMER_MS = 24 * 86_400_000;

/** 1 TiB: what is larger is a typing error. */
const MAX_BYTES = 2 ** 40;

/**
 * A mapping with these keys and no others; an unknown one is named together with the one that was meant.
 * `what` completes "must be …".
 */
export function mapping<Shape extends z.core.$ZodShape>(shape: Shape, what = 'a mapping of keys') {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return expected(what)(issue);
      const key = String(issue.keys[0]);
      const known = Object.keys(shape);
      const nearest = nearestKey(key, known);
      if (nearest !== undefined) return `unknown key ${show(key)} (did you mean "${nearest}"?)`;
      if (known.length > 12) return `unknown key ${show(key)}; remove it or see docs/config.md`;
      return `unknown key ${show(key)}; known here: ${known.join(', ')}`;
    },
  });
}

/** A list of `item`. */
export function list<Item extends z.ZodType>(item: Item) {
  return z.array(item, { error: expected('a list') });
}

/** One of these words. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, { error: expected(`one of ${words.join(', ')}`) });
}

/** Text that is not empty; `what` completes "must be …". */
export function text(what: string) {
  const error = expected(what);
  return z.string({ error }).min(1, { error });
}

/** `true` or `false`. */
export function flag() {
  return z.boolean({ error: expected('true or false') });
}

/** A whole number in a range; also as text, which is what flags and variables are. */
export function wholeNumber(least: number, most: number) {
  const error = expected(`a whole number from ${least} to ${most}`);
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value),
    z.int({ error }).min(least, { error }).max(most, { error }),
  );
}

/** A number from 0 to 1. */
export function share() {
  const error = expected('a number from 0 to 1');
  return z.number({ error }).min(0, { error }).max(1, { error });
}

/** Text that `parse` turns into a value, or throws a coded error whose message is shown. */
export function parsed<Value>(what: string, parse: (text: string) => Value) {
  return made(z.string({ error: expected(what) }), parse);
}

/** What `schema` reads, made into something else by `make`, which may throw a coded error whose message is shown. */
export function made<Schema extends z.ZodType, Value>(
  schema: Schema,
  make: (written: z.output<Schema>) => Value,
) {
  return schema.transform((written, context) => {
    try {
      return make(written);
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      context.issues.push({ code: 'custom', input: written, message: messageOf(error) });
      return z.NEVER;
    }
  });
}

/** A size such as `16MiB`, or 0; as bytes. `least` defaults to 0 and `most` to 1 TiB. */
export function byteSize(range: { readonly least?: number; readonly most?: number } = {}) {
  const what = 'a size such as 16MiB';
  const { least = 0, most = MAX_BYTES } = range;
  return z
    .union([z.string(), z.literal(0)], { error: expected(what) })
    .transform((value, context) => {
      const bytes = /^0$/.test(String(value)) ? 0 : parseByteSize(String(value));
      let message: string | undefined;
      if (bytes === undefined) message = mustBe(what, value);
      else if (bytes < least)
        message = `must be at least ${formatByteSize(least)}; found ${show(value)}`;
      else if (bytes > most)
        message = `must be at most ${formatByteSize(most)}; found ${show(value)}`;
      if (bytes !== undefined && message === undefined) return bytes;
      context.issues.push({ code: 'custom', input: value, message: message ?? '' });
      return z.NEVER;
    });
}

/** A duration such as `30s`, as ms. `least` defaults to 0 and `most` to what a timer can wait for. */
export function duration(range: { readonly least?: number; readonly most?: number } = {}) {
  const what = 'a duration such as 30s';
  return z
    .union([z.string(), z.literal(0)], { error: expected(what) })
    .transform((value, context) =>
      checkDuration(parseDuration(String(value)), { what, range, value, context }),
    );
}

/** A duration such as `30s`, or cloudflared's whole number of seconds; as ms. */
export function durationOrSeconds(range: { readonly least?: number; readonly most?: number } = {}) {
  const what = 'a duration such as 30s, or a number of seconds';
  return z
    .union([z.string(), z.number()], { error: expected(what) })
    .transform((value, context) => {
      const isSeconds = /^\d{1,9}$/.test(String(value));
      const ms = isSeconds ? Number(value) * 1000 : parseDuration(String(value));
      return checkDuration(ms, { what, range, value, context });
    });
}

/** An address to listen on. */
export function listenAddress() {
  return addressField('host:port such as 127.0.0.1:8443, or :8443 for every address', (value) =>
    parseListenAddress(value),
  );
}

/** An address to listen on, with one port or several. */
export function listenRange() {
  const what = 'host:port such as 127.0.0.1:8443, :8443 for every address, or a range of ports';
  return addressField(`${what} such as :5000-5099`, (value) => parseListenRange(value));
}

function addressField<Address>(what: string, parse: (value: string) => Address | undefined) {
  return z.string({ error: expected(what) }).transform((value, context) => {
    const address = parse(value);
    if (address !== undefined) return address;
    context.issues.push({ code: 'custom', input: value, message: mustBe(what, value) });
    return z.NEVER;
  });
}

/** zod's error function: `is missing` or `is empty` where nothing is, else what it must be and what was found. */
export function expected(what: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => {
    if (input === undefined) return `is missing; it must be ${what}`;
    return input === null ? `is empty; it must be ${what}` : mustBe(what, input);
  };
}

/** A value from a file, quoted, on one line and short. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  const json = JSON.stringify(value) ?? typeof value;
  return json.length > 60 ? `${json.slice(0, 56)}…"` : json;
}

/** A URL without the user and password that somebody put into it: it is about to be printed. */
export function withoutUser(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//…@');
}

function mustBe(what: string, found: unknown): string {
  return `must be ${what}; found ${show(found)}`;
}

interface DurationCheck {
  readonly what: string;
  readonly range: { readonly least?: number; readonly most?: number };
  readonly value: unknown;
  readonly context: z.core.$RefinementCtx;
}

function checkDuration(ms: number | undefined, check: DurationCheck): number {
  const { what, range, value, context } = check;
  const { least = 0, most = MAX_TIMER_MS } = range;
  let message: string | undefined;
  if (ms === undefined) message = mustBe(what, value);
  else if (ms < least) message = `must be at least ${formatDuration(least)}; found ${show(value)}`;
  else if (ms > most) message = `must be at most ${formatDuration(most)}; found ${show(value)}`;
  if (ms !== undefined && message === undefined) return ms;
  context.issues.push({ code: 'custom', input: value, message: message ?? '' });
  return z.NEVER;
}
