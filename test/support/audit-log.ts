/** The audit events of a gateway, read from its database while it runs. */
import { join } from 'node:path';

import { openStore } from '../../src/store/sqlite/open.ts';
import type { AuditEvent } from '../../src/telemetry/audit-event.ts';
import type { Gateway } from './gateway.ts';

/** All events so far, oldest first. */
export async function auditEvents(gateway: Gateway): Promise<AuditEvent[]> {
  const store = await openStore({ file: join(gateway.dir, 'data', 'postern.db') });
  try {
    return (await store.audit.list({ limit: 1000 })).toReversed();
  } finally {
    await store.close();
  }
}
