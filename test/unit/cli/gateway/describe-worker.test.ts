import { describe, expect, it } from '@jest/globals';

import type { WorkerSummary } from '../../../../src/admin/admin-api.ts';
import { describeWorker } from '../../../../src/cli/gateway/describe-worker.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const NOTHING = { count: 0 };

function worker(changes: Partial<WorkerSummary>): WorkerSummary {
  return {
    pid: 4711,
    generation: 2,
    version: '1.2.3',
    state: 'active',
    since: new Date(NOW - 90_400).toISOString(),
    ...changes,
  };
}

function work(changes: object): NonNullable<WorkerSummary['work']> {
  return {
    id: 'g',
    version: '1.2.3',
    startedAt: new Date(NOW).toISOString(),
    isDraining: false,
    links: 4,
    httpRequests: 0,
    webSockets: 0,
    tcpConnections: 0,
    clients: 0,
    clientStreams: 0,
    addresses: {},
    live: {
      httpRequests: NOTHING,
      webSockets: { count: 2, oldestMs: 3_600_400 },
      tcpConnections: NOTHING,
      clientStreams: NOTHING,
      links: { count: 4 },
    },
    ...changes,
  };
}

describe('describeWorker()', () => {
  it('says what is under way and since when', () => {
    expect(describeWorker(worker({ work: work({}) }), NOW)).toEqual([
      'generation 2: active for 1m30s, process 4711, version 1.2.3',
      '  2 WebSockets, the oldest for 1h',
      '  4 links',
    ]);
  });

  it('says what a drain waits for, and for how long', () => {
    const waitsFor = {
      httpRequests: 0,
      webSockets: 1,
      tcpConnections: 3,
      clientStreams: 0,
      idleConnections: 2,
      clients: 0,
      graceLeftMs: 12_300,
    };
    const draining = { state: 'draining', work: work({ isDraining: true, waitsFor }) };
    expect(describeWorker(worker(draining), NOW).slice(1)).toEqual([
      '  waits for 1 WebSockets, 3 TCP connections, 2 idle connections; cuts them in 12s',
    ]);
    const none = { ...waitsFor, webSockets: 0, tcpConnections: 0, idleConnections: 0 };
    const over = { state: 'draining', work: work({ isDraining: true, waitsFor: none }) };
    expect(describeWorker(worker(over), NOW).slice(1)).toEqual(['  waits for nothing any more']);
  });

  it('says when a worker does not answer, except while it starts', () => {
    expect(describeWorker(worker({}), NOW).slice(1)).toEqual(['  does not say what it does']);
    expect(describeWorker(worker({ state: 'starting' }), NOW)).toHaveLength(1);
  });
});
