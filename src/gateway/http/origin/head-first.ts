/**
 * Sends the head of a request before its body has begun, which undici's client does not: it writes both together.
 *
 * The client goes on as if nothing had happened: what it writes up to the end of its head is taken away, and where it was
 * asked with Expect, so is the origin's `100 Continue`, at which the client would hang up. Acts on one stream by standing in
 * for its write() and read(), for as long as that takes and no longer. See docs/decisions/0025.
 */
import type { Duplex } from 'node:stream';
import { LIMITS } from '../../../core/limits.ts';

export interface HeadFirst {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, Host the first, as the client was given them. */
  readonly headers: readonly string[];
  /** Where the origin is to say whether it wants the body: called for each time it does. */
  readonly onContinue?: (() => void) | undefined;
}

const END_OF_HEAD = '\r\n\r\n';
const INFORMATION = /^HTTP\/1\.[01] 1\d\d[ \r]/;
const CONTINUE = /^HTTP\/1\.[01] 100/;
const SHORTEST = 'HTTP/1.1 100 '.length;

/** Sends it. The client must have taken the request and not yet a byte of its body. */
export function sendHeadFirst(stream: Duplex, request: HeadFirst): void {
  const isChunked = !request.headers.some(isContentLength);
  stream.write(headOf(request, isChunked), 'latin1');
  dropHead(stream, isChunked);
  if (request.onContinue !== undefined) dropContinue(stream, request.onContinue);
}

function headOf({ method, path, headers, onContinue }: HeadFirst, isChunked: boolean): string {
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    head += `${headers[index]}: ${headers[index + 1]}\r\n`;
    if (index === 0) head += 'connection: keep-alive\r\n';
  }
  if (onContinue !== undefined) head += 'expect: 100-continue\r\n';
  if (isChunked) head += 'transfer-encoding: chunked\r\n';
  return `${head}\r\n`;
}

/** Takes away what the client writes, up to the empty line. */
function dropHead(stream: Duplex, isChunked: boolean): void {
  let text = '';
  const write = (chunk: string | Uint8Array): boolean => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1');
    const end = text.indexOf(END_OF_HEAD);
    if (end === -1) return true;
    Reflect.deleteProperty(stream, 'write');
    const rest = text.slice(end + END_OF_HEAD.length);
    // Of a body that ends without a byte the client says that there is none; we have said that it comes in chunks.
    const isEmpty =
      isChunked && !/\r\ntransfer-encoding: chunked\r\n/i.test(text.slice(0, end + 2));
    return stream.write(isEmpty ? '0\r\n\r\n' : rest, 'latin1');
  };
  Object.defineProperty(stream, 'write', { value: write, configurable: true, writable: true });
}

/** Takes `100 Continue` away, until the response itself begins. */
function dropContinue(stream: Duplex, onContinue: () => void): void {
  let pending: Buffer = Buffer.alloc(0);
  const isOver = (): Buffer => {
    Reflect.deleteProperty(stream, 'read');
    return pending;
  };
  const next = (): Buffer | null => {
    while (pending.length > 0) {
      const start = pending.toString('latin1', 0, SHORTEST);
      if (start.length < SHORTEST && 'HTTP/1.1 1'.startsWith(start.slice(0, 10))) return null;
      if (!INFORMATION.test(start)) return isOver();
      const end = pending.indexOf(END_OF_HEAD) + END_OF_HEAD.length;
      if (end < END_OF_HEAD.length)
        return pending.length > LIMITS.originHeadBytes ? isOver() : null;
      const head = pending.subarray(0, end);
      pending = pending.subarray(end);
      if (!CONTINUE.test(start)) return head;
      onContinue();
    }
    return null;
  };
  const read = (): Buffer | null => {
    Reflect.deleteProperty(stream, 'read');
    const chunk: unknown = stream.read();
    Object.defineProperty(stream, 'read', { value: read, configurable: true, writable: true });
    if (Buffer.isBuffer(chunk)) pending = Buffer.concat([pending, chunk]);
    return next();
  };
  Object.defineProperty(stream, 'read', { value: read, configurable: true, writable: true });
}

/** Whether a name in a list of names and values is the one that says how long the body is. */
export function isContentLength(text: string, index: number): boolean {
  return index % 2 === 0 && text.toLowerCase() === 'content-length';
}
