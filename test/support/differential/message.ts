/**
 * HTTP/1.1 messages as texts of bytes: written as a test wants them, and read as strictly as an origin should.
 *
 * Knows no field but those that frame. Used on both sides of a comparison, so that whatever it does wrong it does twice.
 */

export type Field = readonly [name: string, value: string];

export interface Body {
  /** `close`: of a response, it ends with the connection. */
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly chunks: readonly string[];
  /** Behind each chunk's size. */
  readonly extension?: string;
  readonly trailers?: readonly Field[];
}

/** One message, as it was read. */
export interface Message {
  readonly start: string;
  readonly fields: readonly Field[];
  readonly framing: Body['framing'];
  readonly body: string;
  readonly trailers: readonly Field[];
  /** Of a response: those before it. */
  readonly informed: readonly { readonly start: string; readonly fields: readonly Field[] }[];
}

/** A head and a body as bytes. The field that frames is added. */
export function write(start: string, fields: readonly Field[], body: Body): string {
  const { framing, chunks, extension = '', trailers = [] } = body;
  const text = chunks.join('');
  const frame: Field[] = [];
  if (framing === 'length') frame.push(['Content-Length', String(text.length)]);
  if (framing === 'chunked') frame.push(['Transfer-Encoding', 'chunked']);
  const head = `${start}\r\n${lines([...fields, ...frame])}\r\n`;
  if (framing !== 'chunked') return head + text;
  const pieces = chunks.filter((chunk) => chunk !== '');
  const sized = pieces.map((chunk) => `${chunk.length.toString(16)}${extension}\r\n${chunk}\r\n`);
  return `${head}${sized.join('')}0${extension}\r\n${lines(trailers)}\r\n`;
}

export interface ReadHow {
  readonly kind: 'request' | 'response';
  /** The response is to HEAD. */
  readonly isHead?: boolean;
  /** Nothing more comes. */
  readonly isClosed?: boolean;
}

/** The first whole message in a text, and how long it is; undefined while there is none. */
export function read(
  text: string,
  how: ReadHow,
): { readonly message: Message; readonly length: number } | undefined {
  const informed: { start: string; fields: Field[] }[] = [];
  let at = 0;
  for (;;) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end === -1) return undefined;
    const [start = '', ...rest] = text.slice(at, end).split('\r\n');
    const fields = rest.map(fieldOf);
    at = end + 4;
    if (how.kind === 'response' && /^HTTP\/1\.1 1\d\d/.test(start)) {
      informed.push({ start, fields });
    } else {
      const found = readBody(text, at, framingOf(start, fields, how), how);
      if (found === undefined) return undefined;
      const { framing, body, trailers, length } = found;
      return { message: { start, fields, framing, body, trailers, informed }, length };
    }
  }
}

/** Fields as lines of text, without the last line break. */
export function fieldsOf(text: string): Field[] {
  return text === '' ? [] : text.split('\n').map(fieldOf);
}

/** The values of all fields with this name. */
export function valuesIn(fields: readonly Field[], lowerName: string): string[] {
  return fields.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value);
}

interface Framing {
  readonly framing: Body['framing'];
  readonly bytes: number;
}

function framingOf(start: string, fields: readonly Field[], how: ReadHow): Framing {
  const isResponse = how.kind === 'response';
  if (isResponse && (how.isHead === true || /^HTTP\/1\.1 (?:204|304)/.test(start)))
    return { framing: 'none', bytes: 0 };
  if (valuesIn(fields, 'transfer-encoding').length > 0) return { framing: 'chunked', bytes: 0 };
  const [length] = valuesIn(fields, 'content-length');
  if (length !== undefined) return { framing: 'length', bytes: Number(length) };
  return { framing: isResponse ? 'close' : 'none', bytes: 0 };
}

interface ReadBody {
  readonly framing: Body['framing'];
  readonly body: string;
  readonly trailers: readonly Field[];
  readonly length: number;
}

function readBody(
  text: string,
  from: number,
  { framing, bytes }: Framing,
  how: ReadHow,
): ReadBody | undefined {
  if (framing === 'chunked') return readChunks(text, from);
  if (framing === 'close') {
    if (how.isClosed !== true) return undefined;
    return { framing, body: text.slice(from), trailers: [], length: text.length };
  }
  const length = from + bytes;
  if (text.length < length) return undefined;
  return { framing, body: text.slice(from, length), trailers: [], length };
}

function readChunks(text: string, from: number): ReadBody | undefined {
  let at = from;
  let body = '';
  for (;;) {
    const end = text.indexOf('\r\n', at);
    if (end === -1) return undefined;
    const size = Number.parseInt(text.slice(at, end), 16);
    at = end + 2;
    if (size === 0) break;
    if (text.length < at + size + 2) return undefined;
    body += text.slice(at, at + size);
    at += size + 2;
  }
  const trailers: Field[] = [];
  for (;;) {
    const end = text.indexOf('\r\n', at);
    if (end === -1) return undefined;
    const line = text.slice(at, end);
    at = end + 2;
    if (line === '') return { framing: 'chunked', body, trailers, length: at };
    trailers.push(fieldOf(line));
  }
}

function fieldOf(line: string): Field {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function lines(fields: readonly Field[]): string {
  return fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}
