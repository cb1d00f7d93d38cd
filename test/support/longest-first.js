/**
 * The order in which Jest starts suites: those that are known to take long before all others, so that none of them starts
 * when there is nothing left to run beside it.
 *
 * Jest's own order knows how long suites took the last time, which a clean checkout does not, and goes by the size of files
 * then; the longest suites are small. In the list, suites that load the machine and suites that wait for time-outs take
 * turns: what runs side by side is of both kinds. All others follow, the largest file first.
 */
import { statSync } from 'node:fs';
import { relative } from 'node:path';

/** Below test/, in the order in which they start. Worth an entry: what takes longer than ten seconds. */
export const LONGEST = [
  'soak/soak',
  'integration/systemd',
  'integration/ssh-survives',
  'integration/handover-kill',
  'integration/security-link',
  'integration/client-waits',
  'integration/handover-load',
  'integration/access-tcp-cases',
  'integration/connector-reload-failures',
  'integration/http-bulk',
  'integration/link-silence',
  'integration/cli-signals',
  'e2e/sign-in',
  'integration/upgrade',
  'integration/attach-refusals',
  'integration/replicas',
  'integration/link-moments',
  'integration/lifecycle-drain',
  'integration/link-chaos',
  'integration/ssh',
  'integration/gateway-worker-kill',
  'integration/real-clients',
  'integration/proxy-and-ca',
  'integration/lifecycle-start',
  'integration/tcp-load',
  'integration/access-tcp',
  'integration/gateway-hand-over',
  'integration/hot-reload',
  'integration/cli-exit-status',
  'integration/access-commands',
  'integration/http-hostile-load',
  'integration/access-ssh',
  'integration/cli-revocation',
  'integration/connector-killed',
  'integration/access-sign-in',
  'integration/cli-tunnels',
  'integration/gateway-reload',
  'fuzz/resume',
  'integration/http2',
  'integration/lifecycle-config',
  'integration/quickstart',
  'integration/differential',
  'integration/amqp',
  'integration/postgres',
  'fuzz/relay',
  'e2e/access-login',
  'unit/cli/connector/hand-over/successor',
  'integration/observability',
  'integration/attacks-floods',
  'integration/access-http',
];

// Jest takes the default export, nothing else.
// oxlint-disable-next-line import/no-default-export
export default class LongestFirst {
  /** Jest calls it with the suites it is going to run. */
  sort(tests) {
    const key = (test) => ({ test, place: placeOf(test), bytes: statSync(test.path).size });
    const order = (a, b) => a.place - b.place || b.bytes - a.bytes;
    return tests
      .map(key)
      .toSorted(order)
      .map(({ test }) => test);
  }

  /** Nothing is remembered from run to run: the order is the same on every machine. */
  cacheResults() {}
}

function placeOf({ path, context }) {
  const name = relative(`${context.config.rootDir}/test`, path).replace(/\.test\.ts$/, '');
  const place = LONGEST.indexOf(name);
  return place < 0 ? LONGEST.length : place;
}
