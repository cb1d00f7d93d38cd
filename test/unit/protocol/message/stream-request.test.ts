import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { parseOpen } from '../../../../src/protocol/message/stream-opening.ts';
import { bad, json, OPEN } from './messages.ts';

describe('parseRequest()', () => {
  it.each([
    [{ replica: 'r'.repeat(65) }],
    [{ owner: 'o'.repeat(65) }],
    [{ detachedMs: -1 }],
    [{ assertion: 'a'.repeat(2_049) }],
    [{ assertion: {} }],
    [{ portOffset: 65_536 }],
    [{ portOffset: -1 }],
    [{ heeds: 'http2' }],
    [{ heeds: Array(LIMITS.heededWords + 1).fill('http2') }],
    [{ destination: 'db:22' }],
    [{ destination: { host: 'db' } }],
    [{ destination: { host: 'd'.repeat(254), port: 22 } }],
    [{ destination: { host: 'a b', port: 22 } }],
    [{ destination: { host: '', port: 22 } }],
    [{ destination: { host: 'db', port: 65_536 } }],
    [{ kind: 'udp' }],
    [{ hostname: 'h'.repeat(254) }],
    [{ rule: 'r'.repeat(65) }],
    [{ requestId: 'q'.repeat(65) }],
    [{ client: '::1' }],
    [{ client: { address: 'a'.repeat(65), port: 1 } }],
    [{ client: { address: '::1', port: 65_536 } }],
  ])('refuses %j', (part) => {
    const request = { ...OPEN.request, ...part };
    expect(() => parseOpen(json({ ...OPEN, request }))).toThrow(bad());
  });
});
