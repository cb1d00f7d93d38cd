/** WebSockets in the audit log: when one begins, and how it ended. */
import type { Verdict } from '../../access/gate.ts';
import { displayName } from '../../access/pages/display-name.ts';
import type { AuditFact } from '../../telemetry/audit-event.ts';
import type { RequestRecord } from '../http/record/request-record.ts';

/** Writes the start; the result writes the end. */
export function auditWebSocket(
  record: RequestRecord,
  { principal, application }: Verdict,
  note: (fact: AuditFact) => void,
): () => void {
  const { session, serviceToken } = principal;
  const actor = session === undefined ? serviceToken?.name : displayName(session.identity);
  const { hostname, tunnelName, requestId, client } = record;
  const common = {
    hostname,
    ...(tunnelName === undefined ? {} : { tunnel: tunnelName }),
    ...(actor === undefined ? {} : { actor }),
  };
  const detail = {
    ...(application && { application: application.name }),
    ...(session && { session: session.id }),
    ...(record.replicaId && { replica: record.replicaId }),
    address: client.address,
    requestId,
  };
  note({ type: 'websocket.start', ...common, detail });
  return () => {
    const { bytesSent, bytesReceived, durationMs, code } = record.summary();
    const numbers = { bytesSent, bytesReceived, durationMs: Math.round(durationMs) };
    const reason = code ?? 'closed';
    note({ type: 'websocket.end', ...common, detail: { ...detail, ...numbers, reason } });
  };
}
