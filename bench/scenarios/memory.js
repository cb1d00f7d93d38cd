/**
 * Memory of what is idle: open TCP connections that carry nothing (idle-streams.js), WebSockets (idle-websockets.js) and
 * registered links without a stream (idle-links.js).
 *
 * It is the resident memory of the peer's processes, after and before, divided by how many were added. A few are opened and closed
 * first, so that what the very first one loads is not counted.
 */
import { measureIdleLinks } from './idle-links.js';
import { measureIdleStreams } from './idle-streams.js';
import { measureIdleWebsockets } from './idle-websockets.js';

export const memory = {
  name: 'memory',
  title: 'Memory of idle streams, WebSockets and links',
  carries: 'tcp',
  ignoresNoise: true,
  async run(context) {
    const streams = await measureIdleStreams(context);
    const websockets = await measureIdleWebsockets(context);
    const links = await measureIdleLinks(context);
    const series = { streams: streams.rows, websockets: websockets.rows, links: links.rows };
    return { series, tables: [streams, websockets, links] };
  },
};
