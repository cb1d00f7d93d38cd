/**
 * Writes what access does into the audit log. What cannot be kept is counted, and the event itself goes into the program's
 * log: never silent, and never the reason why somebody cannot sign in (case A6).
 */
import type { Clock } from '../../core/clock.ts';
import { newAuditEvent, type AuditEvent, type AuditFact } from '../../telemetry/audit-event.ts';
import type { GatewayMetrics } from '../../telemetry/gateway-metrics.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';

/** An event that took longer than this is counted as slow, ms. */
const SLOW_MS = 1_000;

export interface AuditWriterOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<GatewayMetrics, 'auditEvent'>;
  readonly append: (event: AuditEvent) => Promise<void>;
}

export class AuditWriter {
  readonly #options: AuditWriterOptions;

  constructor(options: AuditWriterOptions) {
    this.#options = options;
  }

  /** Resolves when the event is kept, or known to be lost. Never rejects. */
  readonly write = async (fact: AuditFact): Promise<void> => {
    const { clock, log, metrics, append } = this.#options;
    const event = newAuditEvent(fact, clock);
    const since = clock.now();
    try {
      await append(event);
      metrics.auditEvent(clock.now() - since > SLOW_MS ? 'slow' : 'kept');
    } catch (err) {
      metrics.auditEvent('lost');
      const fields = { [FIELD.event]: event.type, auditEvent: event, [FIELD.err]: err };
      log.error(fields, 'an audit event could not be kept');
    }
  };

  /** For who cannot wait. */
  readonly note = (fact: AuditFact): void => {
    void this.write(fact);
  };
}
