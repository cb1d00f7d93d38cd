/**
 * Answers plain HTTP with a redirect to HTTPS and nothing else: no proxying, no cookies, no body is read.
 *
 * What is no request that means one thing only is refused with a coded page and a line in the log, as on HTTPS.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../../core/error-codes.ts';
import { type PosternError, codeOf } from '../../../core/error.ts';
import { newRequestId } from '../../../core/id.ts';
import type { Log } from '../../../telemetry/log.ts';
import { logRequest } from '../record/access-log.ts';
import { answerError } from '../answer/answer-error.ts';
import { checkRequest } from '../request-guard.ts';
import { RequestRecord } from '../record/request-record.ts';
import { endAndLinger } from './client-response.ts';
import { clientOf } from '../../front/client-address.ts';
import { parserErrorCode, rawErrorResponse, unreadRecord } from './raw-error.ts';
import { HTTP_SERVER_OPTIONS, HTTP_SERVER_PROPERTIES } from './server-options.ts';

export interface RedirectOptions {
  /** Where users find HTTPS; 443 is left out of the URL. */
  readonly httpsPort: number;
  readonly log: Log;
  /** What is set up otherwise than HTTP_SERVER_OPTIONS. */
  readonly server?: ServerOptions;
}

/** A server that redirects; not listening yet. */
export function createRedirectServer({ httpsPort, log, server: own }: RedirectOptions): Server {
  const port = httpsPort === 443 ? '' : `:${httpsPort}`;
  const server = createServer({ ...HTTP_SERVER_OPTIONS, ...own }, (request, response) => {
    const { method = '', url = '', httpVersion, rawHeaders } = request;
    const guarded = checkRequest({
      method,
      url,
      httpVersion,
      rawHeaders,
      servername: undefined,
      isUpgrade: false,
    });
    if (!guarded.ok) {
      refuse(request, response, guarded.error, log);
      return;
    }
    response.setHeader('Connection', 'close');
    response.setHeader('Cache-Control', 'no-store');
    // 308 keeps the method; a form that was posted in the clear must not silently become a GET.
    const status = method === 'GET' || method === 'HEAD' ? 301 : 308;
    response
      .writeHead(status, { Location: `https://${guarded.hostname}${port}${guarded.target}` })
      .end();
  });
  server.on('clientError', (error: Error, socket: Socket) => refuseBytes(error, socket, log));
  Object.assign(server, HTTP_SERVER_PROPERTIES);
  return server;
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: PosternError,
  log: Log,
): void {
  const { socket, method = '', httpVersion } = request;
  const record = new RequestRecord(newRequestId(), clientOf(socket), method, httpVersion);
  answerError(request, response, record, { error, isLast: true });
  logRequest(log, record.summary());
}

/** What the parser refused. */
function refuseBytes(cause: Error, socket: Socket, log: Log): void {
  const code: ErrorCode | undefined = parserErrorCode(codeOf(cause));
  if (code === undefined || !socket.writable) {
    socket.destroy();
    return;
  }
  const record = unreadRecord(code, cause, socket);
  socket.write(rawErrorResponse(code, record.requestId), 'latin1');
  endAndLinger(socket);
  logRequest(log, record.summary());
}
