/**
 * Small requests through a TCP port: wrk over 1 and 64 kept-alive connections to an nginx that answers "ok".
 */
import { startField } from '../harness/field.js';
import { startHttpOrigin } from '../harness/start-nginx.js';
import { PEER, medianOf, rangeOf, ratioTo } from '../harness/table.js';
import { cpuSeconds } from '../harness/process-stats.js';
import { runWrk } from '../harness/wrk.js';

const CONNECTIONS = [1, 64];

/**
 * Node compiles as it goes: the code of a request is as fast as it gets after some ten thousand of them, which one connection needs
 * a few seconds for. Until then a request takes two to three times as long.
 */
const WARM_UP_SECONDS = 4;

export const tcpRequests = {
  name: 'tcp-requests',
  title: 'Small requests through a TCP port',
  carries: 'tcp',
  async run(context) {
    const field = await startField(context, {
      tcp: { requests: await startHttpOrigin(context.lab) },
    });
    const series = await measureRequests(context, field, throughPort);
    return { series, tables: Object.entries(series).map((entry) => requestTable(entry, 'ssh')) };
  },
};

function throughPort(peer) {
  return { url: `http://127.0.0.1:${peer.ports.requests}/` };
}

/** Runs wrk against every peer at each number of connections; series are named `c1` and `c64`. */
export async function measureRequests({ lab, seconds, rounds }, field, target) {
  const series = {};
  for (const connections of CONNECTIONS)
    series[`c${connections}`] = await field.interleave({
      title: `${connections} connection(s)`,
      rounds,
      measure: (peer, phase) => {
        const length = phase === 'round' ? seconds : WARM_UP_SECONDS;
        return measureOnce(lab, peer, { ...target(peer), connections, seconds: length });
      },
    });
  return series;
}

async function measureOnce(lab, peer, load) {
  const pids = Object.values(peer.roles);
  const before = cpuSeconds(pids);
  const result = await runWrk(lab, load);
  const cpu = (cpuSeconds(pids) - before) / result.requests;
  return { ...result, cpuMicrosPerRequest: pids.length === 0 ? NaN : cpu * 1e6 };
}

/** The table of one series of requests, with ratios to `base`. */
export function requestTable([name, rows], base) {
  return {
    title: `${name.slice(1)} connection(s)`,
    rows,
    columns: [
      PEER,
      medianOf('requests/s', 'requestsPerSecond'),
      rangeOf('requestsPerSecond'),
      ratioTo(base, 'requestsPerSecond', rows),
      medianOf('p50 ms', 'p50Ms'),
      medianOf('p99 ms', 'p99Ms'),
      medianOf('CPU µs/request', 'cpuMicrosPerRequest'),
    ],
  };
}
