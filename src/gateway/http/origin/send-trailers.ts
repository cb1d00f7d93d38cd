/**
 * Puts trailers behind a body in chunks, for which undici's client has no place: it ends every such body by itself.
 *
 * Stands in for the stream's write() while the client is told of the end, which is when it writes the last chunk, and at no
 * other time. Where that chunk does not come, nothing is added: then there is no place for trailers. See docs/decisions/0025.
 */
import type { Duplex } from 'node:stream';

export interface Trailers {
  /** Names and values in turn, at least one pair; those that an origin may have. */
  readonly fields: readonly string[];
  /** Nothing came before them. The head is sent, and says that chunks follow. */
  readonly isBodyEmpty: boolean;
}

/** What the client ends a body with. Bytes of users are never strings here, so it can be nothing else. */
const LAST_CHUNK = '\r\n0\r\n\r\n';

/** What HTTP/1.1 can say. HTTP/2 has characters whose lower byte would end a line. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** Calls `end`, which tells the client at once, and has the trailers sent with what it writes then. */
export function sendTrailers(stream: Duplex, trailers: Trailers, end: () => void): void {
  const section = `0\r\n${linesOf(trailers.fields)}\r\n`;
  // Somebody may stand in for it already: of an empty body the client's own head is still to come, and to be taken away.
  Reflect.deleteProperty(stream, 'write');
  const write = trailers.isBodyEmpty
    ? () => true
    : (chunk: string | Uint8Array, encoding: BufferEncoding): boolean => {
        Reflect.deleteProperty(stream, 'write');
        return stream.write(chunk === LAST_CHUNK ? `\r\n${section}` : chunk, encoding);
      };
  Object.defineProperty(stream, 'write', { value: write, configurable: true, writable: true });
  try {
    end();
  } finally {
    Reflect.deleteProperty(stream, 'write');
  }
  if (trailers.isBodyEmpty && stream.writable) stream.write(section, 'latin1');
}

function linesOf(fields: readonly string[]): string {
  let lines = '';
  for (let index = 0; index < fields.length; index += 2) {
    const [name = '', value = ''] = [fields[index], fields[index + 1]];
    if (NAME.test(name) && VALUE.test(value)) lines += `${name}: ${value}\r\n`;
  }
  return lines;
}
