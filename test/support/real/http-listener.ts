/**
 * An HTTP origin inside the test's own process: for tests that must see, or decide, what the origin does and when.
 *
 * Where only the answer matters, use http-origin.ts, whose load is not the test's own.
 */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';

import { cleanup } from '../cleanup.ts';
import { portOf } from './port.ts';

export interface HttpListener {
  readonly server: Server;
  readonly port: number;
  /** The service as an ingress rule names it: `http://127.0.0.1:<port>`. */
  readonly service: string;
}

/** Starts the origin on 127.0.0.1; it never closes an idle connection. The clean-up stops it. */
export async function startHttpListener(serve: RequestListener): Promise<HttpListener> {
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, serve);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const port = portOf(server);
  return { server, port, service: `http://127.0.0.1:${port}` };
}
