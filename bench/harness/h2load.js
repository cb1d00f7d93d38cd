/**
 * Runs h2load, which speaks HTTP/2 over TLS, and reads its report. One thread, as of wrk.
 */
import { needTool } from './find-tool.js';

/**
 * Requests `url` over `connections` HTTP/2 connections with `streams` requests at once on each, for whole `seconds`.
 * Resolves with `{ requests, requestsPerSecond, meanMs }`; rejects when any request failed.
 */
export async function runH2load(lab, { url, connections, streams, seconds }) {
  const h2load = await needTool('h2load');
  const duration = Math.max(1, Math.round(seconds));
  const options = ['-t1', `-c${connections}`, `-m${streams}`, `-D${duration}`, '--warm-up-time=0'];
  const report = await lab.run('h2load', h2load, [...options, url], {
    timeoutMs: (duration + 15) * 1000,
  });
  const counts = /^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m.exec(
    report,
  );
  const statuses = /^status codes: (\d+) 2xx/m.exec(report);
  const rate = /^finished in .*, ([\d.]+) req\/s/m.exec(report);
  const mean = /^time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/m.exec(report);
  if (counts === null || statuses === null || rate === null || mean === null)
    throw new Error(`Cannot read the report of h2load on ${url}: ${report.slice(0, 500)}`);
  const [, succeeded, ...others] = counts;
  // What is under way when the time is over counts as neither; an answer that is not 2xx counts as succeeded.
  if (others.some((count) => count !== '0') || Number(statuses[1]) < Number(succeeded))
    throw new Error(`h2load on ${url}: ${counts[0]}, ${statuses[0]}`);
  return {
    requests: Number(succeeded),
    requestsPerSecond: Number(rate[1]),
    meanMs: Number(mean[1]) * { us: 0.001, ms: 1, s: 1000 }[mean[2]],
  };
}
