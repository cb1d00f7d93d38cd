/**
 * What is measured. A scenario is `{ name, title, carries: 'tcp' | 'http' | 'http2', tunnelsOnly?, ignoresNoise?, run(context) }`.
 *
 * `context` is `{ lab, peers, seconds, rounds, say }`; run() resolves with `{ series, tables }`, where a series is what
 * Field.interleave() returns and a table is what renderTable() takes.
 */
import { bulk } from './bulk.js';
import { clientRelay } from './client-relay.js';
import { connectRate } from './connect-rate.js';
import { http } from './http.js';
import { http2 } from './http2.js';
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
  http2,
  connectRate,
  longPath,
  keystroke,
  recover,
  memory,
];
