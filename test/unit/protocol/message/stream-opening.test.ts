import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { parseAccept, parseOpen } from '../../../../src/protocol/message/stream-opening.ts';
import { bad, json, OPEN } from './messages.ts';

describe('parseOpen()', () => {
  it('reads what it knows and drops the rest', () => {
    expect(parseOpen(json({ ...OPEN, later: 1, request: { ...OPEN.request, later: 1 } }))).toEqual(
      OPEN,
    );
    const client = { address: '::1', port: 5 };
    const assertion = 'a'.repeat(2_048);
    const heeds = Array.from({ length: LIMITS.heededWords }, (_, index) => `w${index}`);
    const relayed = {
      replica: 'r',
      owner: 'o',
      detachedMs: 300_000,
      portOffset: 7,
      assertion,
      heeds,
    };
    const whole = {
      ...OPEN,
      position: { received: 1, consumed: 0, window: 0, ended: true },
      request: { ...OPEN.request, client, ...relayed, destination: { host: 'db.b', port: 22 } },
      relayMs: 80,
    };
    expect(parseOpen(json(whole))).toEqual(whole);
  });

  it.each([
    ['key', 'k'.repeat(21)],
    ['key', 'k'.repeat(65)],
    ['key', `${'k'.repeat(22)}\n`],
    ['key', `${'k'.repeat(21)}+`],
    ['key', undefined],
    ['epoch', -1],
    ['epoch', 0.5],
    ['epoch', '0'],
    ['resume', 0],
    ['position', null],
    ['position', { received: 0, consumed: 1, window: 0 }],
    ['position', { received: 0, consumed: 0, window: LIMITS.maxWindowBytes + 1 }],
    ['position', { received: -1, consumed: -1, window: 0 }],
    ['position', { received: 2 ** 53, consumed: 0, window: 0 }],
    ['position', { received: 0, consumed: 0 }],
    ['position', { received: 0, consumed: 0, window: 0, ended: true }],
    ['position', { received: 1, consumed: 0, window: 0, ended: 1 }],
    ['relayMs', 60_001],
    ['request', []],
  ])('refuses a wrong "%s"', (key, value) => {
    expect(() => parseOpen(json({ ...OPEN, [key]: value }))).toThrow(bad());
  });

  it('takes keys of 22 to 64 characters of base64url', () => {
    for (const key of ['A'.repeat(22), `${'z'.repeat(60)}09-_`]) {
      expect(parseOpen(json({ ...OPEN, key }))).toHaveProperty('key', key);
    }
  });
});

describe('parseAccept()', () => {
  it('reads the position and what it knows of the origin', () => {
    const position = { received: 5, consumed: 4, window: 0 };
    const info = { alpn: 'h2', origin: '127.0.0.1:22' };
    expect(parseAccept(json({ position, info: { ...info, later: 1 } }))).toEqual({
      position,
      info,
    });
    expect(parseAccept(json({ position, info: {} }))).toEqual({ position, info: {} });
  });

  it.each([
    ['no position', { info: {} }],
    ['no info', { position: OPEN.position }],
    ['info that is text', { position: OPEN.position, info: 'h2' }],
    ['an alpn that is no text', { position: OPEN.position, info: { alpn: 2 } }],
    ['a long origin', { position: OPEN.position, info: { origin: 'o'.repeat(1_025) } }],
  ])('refuses %s', (_what, value) => {
    expect(() => parseAccept(json(value))).toThrow(bad());
  });
});
