/** What a worker does now, for `gateway status` and for whoever asks whether it is ready. */
import { systemClock } from '../core/clock.ts';
import { VERSION } from '../core/version.ts';
import type { Drain } from './drain.ts';
import type { GatewayParts } from './gateway-parts.ts';
import type { GatewayStatus, LiveWork } from './gateway-status.ts';

/** What only the worker itself knows. */
interface WorkerState {
  readonly startedAt: number;
  readonly config: NonNullable<GatewayStatus['config']>;
  readonly drain: Drain | undefined;
}

/** The status of a worker made of these parts. */
export function describeGateway(
  parts: GatewayParts,
  { startedAt, config, drain }: WorkerState,
): GatewayStatus {
  const { id, http, clientStreams: relayed, listeners, registry, door } = parts;
  const { requests, upgrades } = http.stats;
  const clientStreams = relayed.attachedCount;
  const { tcpConnections, tcpSince } = listeners;
  const unhealthyRules = registry.unhealthyCount;
  return {
    id,
    version: VERSION,
    startedAt,
    isDraining: drain !== undefined,
    links: door.linkCount,
    httpRequests: requests,
    webSockets: upgrades,
    tcpConnections,
    clients: door.clientCount,
    clientStreams,
    ...(unhealthyRules > 0 && { unhealthyRules }),
    addresses: listeners.addresses,
    live: {
      httpRequests: liveWork(requests, http.busySince),
      webSockets: liveWork(upgrades, http.upgrades.oldestSince),
      tcpConnections: liveWork(tcpConnections, tcpSince),
      clientStreams: liveWork(clientStreams, relayed.oldestSince),
      links: liveWork(door.linkCount, door.oldestSince),
    },
    config,
    ...(drain !== undefined && { waitsFor: drain.waitsFor }),
  };
}

function liveWork(count: number, since: number | undefined): LiveWork {
  if (count === 0 || since === undefined) return { count };
  return { count, oldestMs: Math.round(systemClock.now() - since) };
}
