/** What one worker of a gateway does, in lines for people. */
import type { WorkerSummary } from '../../admin/admin-api.ts';
import { formatDuration } from '../../core/duration.ts';
import type { DrainWait } from '../../gateway/gateway-status.ts';

/** What `gateway status` calls each kind of work. */
export const WORK = {
  httpRequests: 'requests under way',
  webSockets: 'WebSockets',
  tcpConnections: 'TCP connections',
  clientStreams: 'streams of clients',
  links: 'links',
} as const;

/** What only a drain waits for. */
const WAITS = {
  httpRequests: WORK.httpRequests,
  webSockets: WORK.webSockets,
  tcpConnections: WORK.tcpConnections,
  clientStreams: WORK.clientStreams,
  idleConnections: 'idle connections',
  clients: 'clients',
} as const satisfies Partial<Record<keyof DrainWait, string>>;

/** One line with what it is, and one for each kind of work that it has, or that its drain waits for. */
export function describeWorker(worker: WorkerSummary, now: number): string[] {
  const { generation, state, pid, version, since, work } = worker;
  const ageMs = now - Date.parse(since);
  const head = `generation ${generation}: ${state} for ${inSeconds(ageMs)}, process ${pid}, version ${version}`;
  if (work === undefined) {
    return state === 'starting' ? [head] : [head, '  does not say what it does'];
  }
  const { waitsFor } = work;
  return [head, ...(waitsFor === undefined ? liveLines(work.live) : waitLines(waitsFor))];
}

function liveLines(live: NonNullable<WorkerSummary['work']>['live']): string[] {
  return keysOf(WORK).flatMap((kind) => {
    const { count, oldestMs } = live[kind];
    if (count === 0) return [];
    const age = oldestMs === undefined ? '' : `, the oldest for ${inSeconds(oldestMs)}`;
    return [`  ${count} ${WORK[kind]}${age}`];
  });
}

function waitLines(wait: DrainWait): string[] {
  const waiting = keysOf(WAITS).flatMap((kind) =>
    wait[kind] === 0 ? [] : [`${wait[kind]} ${WAITS[kind]}`],
  );
  if (waiting.length === 0) return ['  waits for nothing any more'];
  return [`  waits for ${waiting.join(', ')}; cuts them in ${inSeconds(wait.graceLeftMs)}`];
}

function keysOf<T extends object>(of: T): (keyof T)[] {
  // Of constants that are written above.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.keys(of) as (keyof T)[];
}

function inSeconds(ms: number): string {
  return formatDuration(Math.max(0, Math.round(ms / 1000)) * 1000);
}
