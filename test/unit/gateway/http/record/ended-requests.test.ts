import { describe, expect, it } from '@jest/globals';

import { EndedRequests } from '../../../../../src/gateway/http/record/ended-requests.ts';
import { RequestRecord } from '../../../../../src/gateway/http/record/request-record.ts';
import type { RequestSummary } from '../../../../../src/gateway/http/record/request-record.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';

function request(id: string | number): RequestSummary {
  return new RequestRecord(String(id), { address: '192.0.2.1', port: 4711 }, 'GET').summary();
}

function endedRequests(): { clock: FakeClock; told: string[]; ended: EndedRequests } {
  const clock = new FakeClock();
  const told: string[] = [];
  const ended = new EndedRequests(({ requestId }) => void told.push(requestId), clock);
  return { clock, told, ended };
}

describe('EndedRequests', () => {
  it('tells of one within ten milliseconds, and not at once', () => {
    const { clock, told, ended } = endedRequests();
    ended.add(request('one'));
    clock.run(9);
    expect(told).toEqual([]);
    clock.run(1);
    expect(told).toEqual(['one']);
  });

  it('counts the ten milliseconds from the first that waits, and tells in the order of their ends', () => {
    const { clock, told, ended } = endedRequests();
    ended.add(request('one'));
    clock.run(9);
    ended.add(request('two'));
    clock.run(1);
    expect(told).toEqual(['one', 'two']);
    ended.add(request('three'));
    clock.run(9);
    expect(told).toHaveLength(2);
    clock.run(1);
    expect(told).toEqual(['one', 'two', 'three']);
  });

  it('lets no more than sixty-four wait', () => {
    const { clock, told, ended } = endedRequests();
    for (let i = 0; i < 63; i += 1) ended.add(request(i));
    expect(told).toEqual([]);
    ended.add(request(63));
    expect(told).toEqual(Array.from({ length: 64 }, (_, i) => String(i)));
    ended.add(request(64));
    clock.run(9);
    expect(told).toHaveLength(64);
    clock.run(1);
    expect(told).toHaveLength(65);
  });

  it('tells of all when it is told to, once each', () => {
    const { clock, told, ended } = endedRequests();
    ended.tellAll();
    ended.add(request('one'));
    ended.tellAll();
    ended.tellAll();
    clock.run(100);
    expect(told).toEqual(['one']);
  });

  it('what ends while others are told of is told later', () => {
    const clock = new FakeClock();
    const told: string[] = [];
    const ended: EndedRequests = new EndedRequests(({ requestId }) => {
      told.push(requestId);
      if (requestId === 'one') ended.add(request('two'));
    }, clock);
    ended.add(request('one'));
    ended.tellAll();
    expect(told).toEqual(['one']);
    clock.run(10);
    expect(told).toEqual(['one', 'two']);
  });
});
