/**
 * Answers plain HTTP with a redirect to HTTPS and nothing else: no proxying, no cookies, no body is read.
 */
import { createServer, type Server } from 'node:http';
import { checkRequest } from '../request-guard.ts';
import { HTTP_SERVER_OPTIONS, HTTP_SERVER_PROPERTIES } from './server-options.ts';

export interface RedirectOptions {
  /** Where HTTPS listens; 443 is left out of the URL. */
  readonly httpsPort: number;
}

/** A server that redirects; not listening yet. */
export function createRedirectServer({ httpsPort }: RedirectOptions): Server {
  const port = httpsPort === 443 ? '' : `:${httpsPort}`;
  const server = createServer(HTTP_SERVER_OPTIONS, (request, response) => {
    const { method = '', url = '', httpVersion, rawHeaders } = request;
    const guarded = checkRequest({
      method,
      url,
      httpVersion,
      rawHeaders,
      servername: undefined,
      isUpgrade: false,
    });
    response.setHeader('Connection', 'close');
    response.setHeader('Cache-Control', 'no-store');
    if (!guarded.ok) {
      response.writeHead(guarded.status).end();
      return;
    }
    // 308 keeps the method; a form that was posted in the clear must not silently become a GET.
    const status = method === 'GET' || method === 'HEAD' ? 301 : 308;
    response
      .writeHead(status, { Location: `https://${guarded.hostname}${port}${guarded.target}` })
      .end();
  });
  Object.assign(server, HTTP_SERVER_PROPERTIES);
  return server;
}
