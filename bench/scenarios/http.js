/**
 * HTTP requests through the proxying path: wrk over 1 and 64 kept-alive connections. Postern ends TLS and speaks HTTP to the origin;
 * beside it nginx as a plain proxy, nginx that keeps connections to the origin, and nginx that ends TLS as well.
 */
import { startField } from '../harness/field.js';
import { startHttpOrigin } from '../harness/start-nginx.js';
import { measureRequests, requestTable } from './tcp-requests.js';

export const http = {
  name: 'http',
  title: 'HTTP requests through the reverse proxy',
  carries: 'http',
  async run(context) {
    const field = await startField(context, { http: await startHttpOrigin(context.lab) });
    const series = await measureRequests(context, field, (peer) => peer.http);
    return { series, tables: Object.entries(series).map((entry) => requestTable(entry, 'nginx')) };
  },
};
