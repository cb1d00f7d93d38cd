/**
 * What is measured. A scenario is `{ name, title, carries: 'tcp' | 'http', tunnelsOnly?, ignoresNoise?, run(context) }`.
 *
 * `context` is `{ lab, peers, seconds, rounds, say }`; run() resolves with `{ series, tables }`, where a series is what
 * Field.interleave() returns and a table is what renderTable() takes.
 */
import { bulk } from './bulk.js';
import { clientRelay } from './client-relay.js';
import { connectRate } from './connect-rate.js';
import { http } from './http.js';
import { keystroke } from './keystroke.js';
import { longPath } from './long-path.js';
import { memory } from './memory.js';
import { recover } from './recover.js';
import { tcpRequests } from './tcp-requests.js';

/** Every scenario, in the order it is run. */
export const SCENARIOS = [
  bulk,
  tcpRequests,
  clientRelay,
  http,
  connectRate,
  longPath,
  keystroke,
  recover,
  memory,
];
