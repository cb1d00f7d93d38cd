import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { AuditWriter } from '../../../../src/gateway/access/audit-writer.ts';
import { DenialAudit } from '../../../../src/gateway/access/denial-audit.ts';
import type { Denial } from '../../../../src/gateway/access/http-access.ts';
import type { AuditFact } from '../../../../src/telemetry/audit-event.ts';
import { GatewayMetrics } from '../../../../src/telemetry/gateway-metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function denial(address: string): Denial {
  const verdict = {
    outcome: 'deny',
    by: 'none',
    reason: 'no-policy-matched',
    needsPurpose: false,
    principal: {},
    endsAt: 0,
  } as const;
  return { verdict, hostname: 'wiki.test', address, requestId: 'r1' };
}

function lab(): { audit: DenialAudit; facts: AuditFact[]; clock: FakeClock } {
  const facts: AuditFact[] = [];
  const clock = new FakeClock();
  return { audit: new DenialAudit(async (fact) => void facts.push(fact), clock), facts, clock };
}

describe('denials in the audit log', () => {
  it('A1 are the first of an address, and the number of the others of that minute', () => {
    const { audit, facts, clock } = lab();
    for (let at = 0; at < 1_000; at += 1) audit.add(denial('192.0.2.1'));
    audit.add(denial('192.0.2.2'));
    expect(facts.map(({ type, detail }) => [type, detail?.['address']])).toEqual([
      ['access.deny', '192.0.2.1'],
      ['access.deny', '192.0.2.2'],
    ]);
    clock.run(60_000);
    expect(facts.slice(2).map(({ detail }) => detail?.['more'])).toEqual([999]);
    audit.add(denial('192.0.2.1'));
    expect(facts).toHaveLength(4);
    audit.flush();
    expect(facts).toHaveLength(4);
  });

  it('are bounded, however many addresses there are', () => {
    const { audit, facts, clock } = lab();
    const addresses = LIMITS.denialsKept + 500;
    for (let at = 0; at < addresses; at += 1) audit.add(denial(`2001:db8::${at.toString(16)}`));
    expect(facts.length).toBeLessThanOrEqual(LIMITS.denialsKept + 1);
    const before = facts.length;
    clock.run(60_000);
    expect(facts.slice(before).map(({ detail }) => detail?.['more'])).toEqual([addresses - before]);
  });
});

describe('the audit writer', () => {
  it('A6 counts what is lost or late, and the log has what was lost', async () => {
    const clock = new FakeClock();
    const metrics = new GatewayMetrics({ version: '0' });
    const lines: string[] = [];
    const log = createLog({
      component: 'gateway',
      format: 'json',
      destination: { write: (line) => void lines.push(line) },
    });
    let isFull = false;
    const append = async (): Promise<void> => {
      if (isFull) throw new Error('the disk is full');
      clock.run(2_000);
    };
    const audit = new AuditWriter({ clock, log, metrics, append });
    await audit.write({ type: 'session.create', actor: 'ann' });
    isFull = true;
    await audit.write({ type: 'session.revoke', actor: 'bob' });
    const shown = await metrics.registry.metrics();
    expect(shown).toContain('postern_gateway_audit_events_total{outcome="slow"} 1');
    expect(shown).toContain('postern_gateway_audit_events_total{outcome="lost"} 1');
    expect(lines.join('')).toMatch(/"event":"session.revoke".*bob/s);
  });
});
