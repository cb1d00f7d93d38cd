import { describe, expect, it } from '@jest/globals';
import { describeTailLine } from '../../../../src/cli/tunnel/describe-tail-line.ts';

const REQUEST = {
  type: 'request',
  at: '2026-11-21T14:03:11.207Z',
  requestId: '7d3f2c91a0b44e5f',
  hostname: 'wiki.example.com',
  method: 'GET',
  path: '/api',
  status: 200,
  client: '192.0.2.1',
  durationMs: 4.1,
  originMs: 3.2,
  bytesReceived: 0,
  bytesSent: 0,
  isWebSocket: false,
};

describe('describeTailLine()', () => {
  it.each([
    [
      REQUEST,
      '14:03:11.207 200 GET wiki.example.com/api 4.1 ms (origin 3.2 ms) 192.0.2.1 7d3f2c91a0b44e5f',
    ],
    [
      {
        ...REQUEST,
        status: 502,
        originMs: undefined,
        code: 'ORIGIN_REFUSED',
        user: 'ann@example.com',
        application: 'wiki',
      },
      '14:03:11.207 502 GET wiki.example.com/api 4.1 ms ORIGIN_REFUSED ann@example.com wiki 7d3f2c91a0b44e5f',
    ],
    [
      { ...REQUEST, status: 0, originMs: undefined, code: 'HTTP_ABORTED' },
      '14:03:11.207 --- GET wiki.example.com/api 4.1 ms HTTP_ABORTED 192.0.2.1 7d3f2c91a0b44e5f',
    ],
    [{ ...REQUEST, status: 101, isWebSocket: true }, expect.stringContaining(' 101 WS wiki.')],
    [{ type: 'lost', count: 12 }, '… 12 left out: they came faster than they were read'],
  ])('says %j in a line', (line, text) => {
    expect(describeTailLine(line)).toEqual([text]);
  });

  it.each([{ type: 'ready' }, { type: 'end' }, { type: 'of a newer version' }, null, 'text'])(
    'says nothing of %j',
    (line) => {
      expect(describeTailLine(line)).toEqual([]);
    },
  );
});
