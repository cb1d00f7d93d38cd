import { describe, expect, it } from '@jest/globals';

import { systemClock } from '../../../src/core/clock.ts';
import { isId } from '../../../src/core/id.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { cutAuditEvent, newAuditEvent } from '../../../src/telemetry/audit-event.ts';

describe('newAuditEvent()', () => {
  it('gives the fact an id and the wall-clock time', () => {
    const event = newAuditEvent(
      { type: 'tunnel.create', tunnel: 'home', detail: { via: 'cli' } },
      { ...systemClock, wall: () => 1234 },
    );
    expect(event).toEqual({
      id: expect.any(String),
      at: 1234,
      type: 'tunnel.create',
      tunnel: 'home',
      detail: { via: 'cli' },
    });
    expect(isId(event.id)).toBe(true);
  });
});

describe('cutAuditEvent()', () => {
  const long = 'x'.repeat(LIMITS.auditTextChars + 1);
  const cut = `${'x'.repeat(LIMITS.auditTextChars - 1)}…`;

  it('leaves a text of the longest length alone', () => {
    const event = newAuditEvent({ type: 'a.b', actor: 'x'.repeat(LIMITS.auditTextChars) });
    expect(cutAuditEvent(event)).toEqual(event);
  });

  it('cuts every text that is longer', () => {
    const event = { id: long, at: 1, type: long, tunnel: long, hostname: long, actor: long };
    expect(cutAuditEvent({ ...event, detail: { [long]: long, count: 3, ok: true } })).toEqual({
      id: cut,
      at: 1,
      type: cut,
      tunnel: cut,
      hostname: cut,
      actor: cut,
      detail: { [cut]: cut, count: 3, ok: true },
    });
  });

  it('keeps only so many details', () => {
    const detail = Object.fromEntries(Array.from({ length: 100 }, (_, key) => [`k${key}`, key]));
    const kept = cutAuditEvent({ id: 'i', at: 1, type: 'a.b', detail }).detail ?? {};
    expect(Object.keys(kept)).toHaveLength(LIMITS.auditDetails);
  });
});
