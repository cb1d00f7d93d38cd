/**
 * Requests that the gateway answers itself, between Node's objects and the plain values of access/web-message.ts.
 *
 * Bodies are read whole, so everything about them is bounded: their size, how long they take, and how many are read at once.
 */
import { STATUS_CODES } from 'node:http';
import { readCookies } from '../../access/app-sign-in/app-cookies.ts';
import type { WebRequest, WebResponse } from '../../access/web-message.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { clientCertificateOf } from './user/client-certificate.ts';
import type { GateRequest } from './request-gate.ts';
import type { UserRequest, UserResponse } from './user/user-message.ts';

/** Bodies that are being read, in this process. */
let reading = 0;

/** The request as a value, with its whole body. Throws HTTP_BODY_TOO_LARGE, HTTP_TIMEOUT, HTTP_TOO_MANY, HTTP_ABORTED. */
export async function toWebRequest(input: GateRequest): Promise<WebRequest> {
  const { request, guarded, record } = input;
  const [path = '', ...rest] = guarded.target.split('?');
  const search = rest.join('?');
  const body = guarded.hasBody ? await readBody(request) : Buffer.alloc(0);
  return {
    method: request.method ?? '',
    hostname: guarded.hostname,
    path,
    search,
    query: new URLSearchParams(search),
    header: (name) => {
      const values = request.headersDistinct[name];
      return values?.length === 1 ? values[0] : undefined;
    },
    cookies: readCookies(request.headers.cookie),
    body,
    address: record.client.address,
    requestId: record.requestId,
    clientCertificate: clientCertificateOf(request.socket),
  };
}

/** Writes the response, whole. Does nothing when one has begun. */
export function sendWebResponse(
  request: UserRequest,
  response: UserResponse,
  { status, headers, body }: WebResponse,
): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const fields = headers.flat();
  fields.push('content-length', String(bytes.length));
  response.writeHead(status, STATUS_CODES[status] ?? '', fields);
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

async function readBody(request: UserRequest): Promise<Buffer> {
  if (reading >= LIMITS.signInBodies) {
    throw new PosternError('HTTP_TOO_MANY', 'Cannot read the request: too many are being read');
  }
  reading += 1;
  const timer = setTimeout(
    () => request.destroy(new PosternError('HTTP_TIMEOUT', 'Cannot read the request: too slow')),
    LIMITS.signInBodyMs,
  );
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > LIMITS.signInBodyBytes) {
        const message = `Cannot read the request: its body is over ${LIMITS.signInBodyBytes} bytes`;
        throw new PosternError('HTTP_BODY_TOO_LARGE', message);
      }
      chunks.push(bytes);
    }
    if (!request.complete) {
      throw new PosternError('HTTP_ABORTED', 'Cannot read the request: its body broke off');
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
    reading -= 1;
  }
}
