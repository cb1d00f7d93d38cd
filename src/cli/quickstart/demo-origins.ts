/**
 * The two demo services of the quickstart: an HTTP page and a TCP echo. They listen on 127.0.0.1 only, which is the point:
 * everything else reaches them through Postern.
 */
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { PosternError } from '../../core/error.ts';
import type { DemoJourney, DemoRequest } from './demo-journey.ts';
import { DEMO_POLICY, renderDemoPage, renderDemoText } from './demo-page.ts';

/** Connections each service takes. */
const MAX_CONNECTIONS = 256;

export interface DemoOrigins {
  /** Ports on 127.0.0.1. */
  readonly pagePort: number;
  readonly echoPort: number;
  close(): void;
}

/** Starts both services. `journey` is asked at each request for the page. */
export async function startDemoOrigins(
  journey: (origin: string) => DemoJourney,
): Promise<DemoOrigins> {
  const page = createHttpServer((request, response) => {
    answer(request, response, journey(`127.0.0.1:${portOf(page)}`));
  });
  // The client may end its side first: what it sent still comes back.
  const echo = createTcpServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  page.maxConnections = MAX_CONNECTIONS;
  echo.maxConnections = MAX_CONNECTIONS;
  await Promise.all([listen(page), listen(echo)]);
  return {
    pagePort: portOf(page),
    echoPort: portOf(echo),
    close() {
      page.close();
      page.closeAllConnections();
      echo.close();
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, journey: DemoJourney): void {
  request.resume();
  const isBrowser = /\btext\/html\b/i.test(request.headers.accept ?? '');
  const shown = describe(request);
  const body = isBrowser ? renderDemoPage(journey, shown) : renderDemoText(journey, shown);
  response.writeHead(200, {
    'content-type': `text/${isBrowser ? 'html' : 'plain'}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    'content-security-policy': DEMO_POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    vary: 'Accept',
  });
  response.end(body);
}

function describe(request: IncomingMessage): DemoRequest {
  const { headers } = request;
  return {
    client: String(headers['x-forwarded-for'] ?? request.socket.remoteAddress),
    requestId: String(headers['x-request-id'] ?? 'none'),
    method: request.method ?? '',
    url: request.url ?? '',
    headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
  };
}

async function listen(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new PosternError('CLI_FAILED', 'Cannot start the demo services on 127.0.0.1', { cause });
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
