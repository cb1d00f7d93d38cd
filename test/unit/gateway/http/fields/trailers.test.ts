/** What may stand behind a body (P8). */
import { describe, expect, it } from '@jest/globals';
import {
  announcedTrailers,
  requestAnnouncement,
  requestTrailers,
  responseTrailers,
} from '../../../../../src/gateway/http/fields/trailers.ts';

const NEVER = [
  'X-Forwarded-User',
  'x_forwarded_for',
  'Postern-Access-Jwt-Assertion',
  'Cf-Access-Jwt-Assertion',
  'X-Request-Id',
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'TE',
  'Trailer',
  'HTTP2-Settings',
  'Authorization',
  'Cookie',
  'Set-Cookie',
  'Content-Type',
  'Location',
  ':status',
];

describe('P8 trailers', () => {
  it.each(NEVER)('%s is none, in neither direction', (name) => {
    const raw = ['Grpc-Status', '0', name, 'root', 'X-Sum', 'abc'];
    const kept = ['Grpc-Status', '0', 'X-Sum', 'abc'];
    expect(requestTrailers(raw, [])).toEqual(kept);
    expect(responseTrailers(raw).flat()).toEqual(kept);
    expect(announcedTrailers(`a, ${name} ,, b`)).toBe('a, b');
    expect(announcedTrailers(name)).toBeUndefined();
  });

  it('keep their order, spelling and repetition', () => {
    const raw = ['B', '2', 'a', '1', 'B', 'é'];
    expect(requestTrailers(raw, ['Host', 'x'])).toEqual(raw);
    expect(responseTrailers(raw.map((text) => Buffer.from(text, 'latin1'))).flat()).toEqual(raw);
  });

  it('are not passed on where Connection lists them', () => {
    const head = ['Connection', 'x-hop, close', 'connection', 'X-B'];
    expect(requestTrailers(['X-Hop', '1', 'X-B', '2', 'X-C', '3'], head)).toEqual(['X-C', '3']);
  });

  it('of a request are announced by the names that may be some', () => {
    const head = ['Connection', 'x-hop', 'Trailer', 'X-A, Host,X-Hop', 'trailer', 'x-b'];
    expect(requestAnnouncement(head)).toBe('X-A, x-b');
    expect(requestAnnouncement([...head, 'content-length', '1'])).toBeUndefined();
    expect(requestAnnouncement(['Trailer', 'Host'])).toBeUndefined();
    expect(requestAnnouncement(['X-A', 'b'])).toBeUndefined();
  });

  it('are none where there are none', () => {
    expect(requestTrailers([], ['Connection', 'close'])).toEqual([]);
    expect(responseTrailers(null)).toEqual([]);
    expect(responseTrailers([])).toEqual([]);
  });
});
