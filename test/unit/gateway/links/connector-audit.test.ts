import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { ConnectorAudit } from '../../../../src/gateway/links/connector-audit.ts';
import type { AuditEvent } from '../../../../src/telemetry/audit-event.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const PER_HOUR = LIMITS.connectorAuditPerHour;

function start() {
  const events: AuditEvent[] = [];
  const lines: string[] = [];
  const clock = new FakeClock();
  const audit = new ConnectorAudit({
    clock,
    log: createLog({
      component: 'gateway',
      format: 'json',
      destination: { write: (line: string) => void lines.push(line) },
    }),
    append: async (event) => void events.push(event),
  });
  return { audit, events, lines, clock };
}

function replica(tunnel: string) {
  const info = { hostname: 'host', platform: 'linux/x64', startedAt: 0 };
  return {
    id: `replica of ${tunnel}`,
    tunnel: { id: tunnel, name: tunnel, rotatedAt: undefined },
    info,
    software: 'x/1',
  };
}

it('says who, what and from where', () => {
  const { audit, events } = start();
  audit.write(replica('a'), { type: 'connector.join', detail: { address: '192.0.2.1:5' } });
  audit.write(replica('a'), { type: 'connector.hostname-refused', hostname: 'taken.test' });
  expect(events).toMatchObject([
    {
      type: 'connector.join',
      tunnel: 'a',
      actor: 'replica of a',
      detail: { host: 'host', software: 'x/1', address: '192.0.2.1:5' },
    },
    { type: 'connector.hostname-refused', tunnel: 'a', hostname: 'taken.test' },
  ]);
});

it('K1 leaves out what one tunnel causes beyond its share of an hour, says so once, and hears the others', () => {
  const { audit, events, lines, clock } = start();
  for (let i = 0; i < 3 * PER_HOUR; i += 1)
    audit.write(replica('loud'), { type: 'connector.join' });
  expect(events).toHaveLength(PER_HOUR);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', tunnelName: 'loud' });
  audit.write(replica('calm'), { type: 'connector.join' });
  expect(events).toHaveLength(PER_HOUR + 1);

  clock.run(3_600_000);
  for (let i = 0; i < 2 * PER_HOUR; i += 1)
    audit.write(replica('loud'), { type: 'connector.join' });
  expect(events).toHaveLength(2 * PER_HOUR + 1);
  expect(lines).toHaveLength(2);
});

it('logs what cannot be written', async () => {
  const lines: string[] = [];
  const audit = new ConnectorAudit({
    clock: new FakeClock(),
    log: createLog({
      component: 'gateway',
      format: 'json',
      destination: { write: (line: string) => void lines.push(line) },
    }),
    append: () => Promise.reject(new Error('disk full')),
  });
  audit.write(replica('a'), { type: 'connector.leave' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', event: 'connector.leave' });
});
