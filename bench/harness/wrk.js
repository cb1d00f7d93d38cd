/**
 * Runs wrk and reads its report. One thread: a second one would only take the processor from what is measured.
 */
import { needTool } from './find-tool.js';

const UNIT_IN_MS = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/**
 * Requests `url` over `connections` kept-alive connections for whole `seconds`.
 * Resolves with `{ requests, requestsPerSecond, p50Ms, p99Ms }`; rejects when any request failed: a fast error is not a result.
 */
export async function runWrk(lab, { url, connections, seconds }) {
  const wrk = await needTool('wrk');
  const duration = Math.max(1, Math.round(seconds));
  const options = ['-t1', `-c${connections}`, `-d${duration}s`, '--timeout', '5s', '--latency'];
  const report = await lab.run('wrk', wrk, [...options, url], {
    timeoutMs: (duration + 15) * 1000,
  });
  const failure = /^\s*(Socket errors|Non-2xx).*/m.exec(report)?.[0];
  if (failure !== undefined) throw new Error(`wrk on ${url}: ${failure.trim()}`);
  return readReport(report);
}

function readReport(report) {
  const number = (pattern) => {
    const match = pattern.exec(report);
    if (match === null) throw new Error(`Cannot read the report of wrk: ${pattern} is not in it`);
    return Number(match[1]) * (match[2] === undefined ? 1 : UNIT_IN_MS[match[2]]);
  };
  return {
    requests: number(/^\s+(\d+) requests in /m),
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: number(/^\s+50%\s+([\d.]+)(us|ms|s|m)/m),
    p99Ms: number(/^\s+99%\s+([\d.]+)(us|ms|s|m)/m),
  };
}
