/**
 * The same requests over HTTP/2: h2load over 8 connections with 8 requests at once on each. Beside Postern nginx as a proxy
 * that ends TLS and HTTP/2, without and with connections to the origin kept alive.
 */
import { startField } from '../harness/field.js';
import { runH2load } from '../harness/h2load.js';
import { cpuSeconds } from '../harness/process-stats.js';
import { startHttpOrigin } from '../harness/start-nginx.js';
import { PEER, medianOf, rangeOf, ratioTo } from '../harness/table.js';

const CONNECTIONS = 8;
const STREAMS = 8;

export const http2 = {
  name: 'http2',
  title: 'HTTP/2 requests through the reverse proxy',
  carries: 'http2',
  async run(context) {
    const { lab, rounds, seconds } = context;
    const field = await startField(context, { http: await startHttpOrigin(lab) });
    const rows = await field.interleave({
      title: `${CONNECTIONS} connections, ${STREAMS} requests at once on each`,
      rounds,
      measure: (peer, phase) => measureOnce(lab, peer, phase === 'round' ? seconds : 1),
    });
    const columns = [
      PEER,
      medianOf('requests/s', 'requestsPerSecond'),
      rangeOf('requestsPerSecond'),
      ratioTo('nginx-http2', 'requestsPerSecond', rows),
      medianOf('mean ms', 'meanMs'),
      medianOf('CPU µs/request', 'cpuMicrosPerRequest'),
    ];
    const title = `${CONNECTIONS} connections, ${STREAMS} requests at once on each`;
    return { series: { requests: rows }, tables: [{ title, rows, columns }] };
  },
};

async function measureOnce(lab, peer, seconds) {
  const pids = Object.values(peer.roles);
  const before = cpuSeconds(pids);
  const load = { url: peer.http.url, connections: CONNECTIONS, streams: STREAMS, seconds };
  const result = await runH2load(lab, load);
  const cpuMicrosPerRequest = ((cpuSeconds(pids) - before) / result.requests) * 1e6;
  return { ...result, cpuMicrosPerRequest };
}
