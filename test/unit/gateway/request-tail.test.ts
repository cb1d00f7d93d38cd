import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../src/core/limits.ts';
import {
  RequestRecord,
  type RequestSummary,
} from '../../../src/gateway/http/record/request-record.ts';
import { RequestTail } from '../../../src/gateway/request-tail.ts';

function summary(hostname: string, tunnelId?: string): RequestSummary {
  const record = new RequestRecord('7d3f2c91a0b44e5f', { address: '192.0.2.1', port: 1 }, 'GET');
  record.hostname = hostname;
  record.tunnelId = tunnelId;
  return record.summary();
}

function create(): RequestTail {
  return new RequestTail((hostname) => (hostname === 'routed.test' ? 'one' : undefined));
}

describe('RequestTail', () => {
  it('tells of the requests of the tunnel, those that reached no connector too', () => {
    const tail = create();
    const seen: string[] = [];
    const stop = tail.watch('one', ({ hostname }) => void seen.push(hostname));
    tail.tell(summary('a.test', 'one'));
    tail.tell(summary('b.test', 'two'));
    tail.tell(summary('routed.test'));
    tail.tell(summary('unknown.test'));
    stop();
    tail.tell(summary('c.test', 'one'));
    expect(seen).toEqual(['a.test', 'routed.test']);
  });

  it('has a bounded number of places, which come free again', () => {
    const tail = create();
    const stops = Array.from({ length: LIMITS.tailReaders }, () => tail.watch('one', () => {}));
    expect(() => tail.watch('one', () => {})).toThrow(
      expect.objectContaining({ code: 'ADMIN_BUSY' }),
    );
    stops[0]?.();
    stops[0]?.();
    expect(tail.watch('one', () => {})).toBeInstanceOf(Function);
  });
});
