import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { newAuditEvent } from '../../../src/telemetry/audit-event.ts';
import type { AuditEvent } from '../../../src/telemetry/audit-event.ts';
import type { AuditStore } from '../../../src/store/store.ts';
import { coded, DRIVERS, rowsOf, StoreFolder } from './sqlite-drivers.ts';

function numbered(count: number): AuditEvent[] {
  return Array.from({ length: count }, (_, n) => ({
    ...newAuditEvent({ type: 'test.event', detail: { n } }),
    at: 1000 + n,
  }));
}

async function appendAll(audit: AuditStore, events: readonly AuditEvent[]): Promise<void> {
  await Promise.all(events.map((event) => audit.append(event)));
}

const numbersOf = (events: readonly AuditEvent[]) => events.map(({ detail }) => detail?.['n']);

describe.each(DRIVERS)('audit events with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('an event comes back as it was appended', async () => {
    const { audit } = await folder.open();
    const full = newAuditEvent({
      type: 'tunnel.create',
      tunnel: 'home',
      hostname: 'wiki.example.com',
      actor: 'cli',
      detail: { text: 'ünï "quoted"\n', count: -1.5, ok: false },
    });
    const bare = newAuditEvent({ type: 'gateway.start' });
    await audit.append(full);
    await audit.append(bare);
    expect(await audit.list({ limit: 10 })).toEqual([bare, full]);
  });

  it('list() is newest first by order of appending, whatever the clock said', async () => {
    const { audit } = await folder.open();
    const clock = [5000, 1, 3000];
    for (const [n, event] of numbered(3).entries()) {
      await audit.append({ ...event, at: clock[n] ?? 0 });
    }
    expect(numbersOf(await audit.list({ limit: 10 }))).toEqual([2, 1, 0]);
  });

  it('pages with `before` give every event once, also of events in the same millisecond', async () => {
    const { audit } = await folder.open();
    const events = numbered(25).map((event) => ({ ...event, at: 7 }));
    await appendAll(audit, events);
    const seen: AuditEvent[] = [];
    for (;;) {
      const before = seen.at(-1)?.id;
      const page = await audit.list({ limit: 10, ...(before === undefined ? {} : { before }) });
      if (page.length === 0) break;
      seen.push(...page);
    }
    expect(seen).toEqual(events.toReversed());
    expect(await audit.list({ limit: 10, before: 'unknown' })).toEqual([]);
  });

  it.each([0, -1, 1.5, Number.NaN, LIMITS.auditListed + 1])(
    'list() refuses a limit of %d',
    async (limit) => {
      const { audit } = await folder.open();
      await expect(audit.list({ limit })).rejects.toEqual(
        coded('ADMIN_BAD_REQUEST', `${limit} audit events: the limit is 1 to 1000`),
      );
    },
  );

  it('list() returns as many as its largest limit', async () => {
    const { audit } = await folder.open();
    await appendAll(audit, numbered(LIMITS.auditListed + 5));
    expect(await audit.list({ limit: LIMITS.auditListed })).toHaveLength(LIMITS.auditListed);
  });

  it('an event that is appended twice is stored once', async () => {
    const { audit } = await folder.open();
    const event = newAuditEvent({ type: 'test.event' });
    await appendAll(audit, [event, event]);
    await audit.append(event);
    expect(await audit.list({ limit: 10 })).toEqual([event]);
  });

  it('texts are cut before they are stored', async () => {
    const { audit } = await folder.open();
    await audit.append(newAuditEvent({ type: 'a.b', actor: 'x'.repeat(1_000_000) }));
    const [event] = await audit.list({ limit: 1 });
    expect(event?.actor).toHaveLength(LIMITS.auditTextChars);
  });

  it('prune() removes what happened before a time', async () => {
    const { audit } = await folder.open();
    await appendAll(audit, numbered(10));
    expect(await audit.prune(1004)).toBe(4);
    expect(numbersOf(await audit.list({ limit: 100 }))).toEqual([9, 8, 7, 6, 5, 4]);
    expect(await audit.prune(1004)).toBe(0);
  });

  it('events that arrive together share a transaction, and each caller learns its own end', async () => {
    const { audit } = await folder.open();
    const order: number[] = [];
    // A caller that appends again as soon as it is answered must not be forgotten either.
    await Promise.all(
      numbered(50).map(async (event, n) => {
        await audit.append(event);
        order.push(n);
        await audit.append(newAuditEvent({ type: 'test.again', detail: { n } }));
      }),
    );
    expect(order).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(await audit.list({ limit: 1000 })).toHaveLength(100);
  });

  it('close() first writes what was appended', async () => {
    const store = await folder.open();
    const appended = numbered(2000).map((event) => store.audit.append(event));
    await store.close();
    await Promise.all(appended);
    const rows = rowsOf(await folder.raw(), 'select count(*) as n from audit_events');
    expect(rows).toEqual([{ n: 2000 }]);
  });

  it('only so many events may wait to be written', async () => {
    const { audit } = await folder.open();
    const results = await Promise.allSettled(
      numbered(LIMITS.auditPending + 3).map((event) => audit.append(event)),
    );
    const refused = results.slice(LIMITS.auditPending);
    expect(
      results.slice(0, LIMITS.auditPending).every(({ status }) => status === 'fulfilled'),
    ).toBe(true);
    expect(refused).toEqual(
      Array.from({ length: 3 }, () => ({
        status: 'rejected',
        reason: coded('STORE_BUSY', 'Cannot append an audit event: 10000 wait'),
      })),
    );
    // And there is room again.
    await audit.append(newAuditEvent({ type: 'test.after' }));
  });

  it('the oldest events go when there are more than the limit', async () => {
    const { audit } = await folder.open();
    const database = await folder.raw();
    // One short of the next look at the limit.
    const filled = LIMITS.auditEvents + 3 * LIMITS.auditPruneEvery - 1;
    database.exec(`
      with recursive number(n) as (select 1 union all select n + 1 from number where n < ${filled})
      insert into audit_events (seq, id, at, type) select n, 'e' || n, n, 'test.old' from number`);
    const event = newAuditEvent({ type: 'test.new' });
    await audit.append(event);
    const rows = rowsOf(database, 'select count(*) as n, min(seq) as oldest from audit_events');
    expect(rows).toEqual([{ n: LIMITS.auditEvents, oldest: filled + 2 - LIMITS.auditEvents }]);
    expect(await audit.list({ limit: 1 })).toEqual([event]);
  });
});
