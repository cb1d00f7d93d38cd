/**
 * Audit events that connectors cause: one joined, left, or announced what is another's.
 *
 * Bounded for each tunnel, because the audit log keeps a bounded number of events: whoever holds one tunnel's token must
 * not be able to push out what others did by joining and leaving for as long as that takes.
 */
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import { RateLimit } from '../../protocol/rate-limit.ts';
import { newAuditEvent, type AuditDetail, type AuditEvent } from '../../telemetry/audit-event.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ConnectedReplica } from './connected-replica.ts';

export interface ConnectorAuditOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Writes an event for good. */
  append(event: AuditEvent): Promise<void>;
}

/** What happened, beyond the connector it happened to. */
export interface ConnectorFact {
  readonly type: 'connector.join' | 'connector.leave' | 'connector.hostname-refused';
  readonly hostname?: string;
  readonly detail?: AuditDetail;
}

interface Allowance {
  readonly limit: RateLimit;
  /** Whether it was said that events are left out; until there is room again. */
  isSaid: boolean;
}

const HOUR_S = 3_600;

export class ConnectorAudit {
  readonly #options: ConnectorAuditOptions;
  /** By tunnel id. */
  readonly #allowances = new Map<string, Allowance>();

  constructor(options: ConnectorAuditOptions) {
    this.#options = options;
  }

  /** Writes what happened to a connector. Never throws: what cannot be written is logged. */
  write(
    replica: Pick<ConnectedReplica, 'id' | 'tunnel' | 'info' | 'software'>,
    fact: ConnectorFact,
  ): void {
    const { tunnel, id, info, software } = replica;
    if (!this.#mayWrite(tunnel)) return;
    const { log, clock } = this.#options;
    const { type, hostname, detail } = fact;
    const event = newAuditEvent(
      {
        type,
        tunnel: tunnel.name,
        actor: id,
        detail: { replica: id, host: info.hostname, software, ...detail },
        ...(hostname !== undefined && { hostname }),
      },
      clock,
    );
    this.#options.append(event).catch((err: unknown) => {
      log.error({ [FIELD.err]: err, [FIELD.event]: type }, 'cannot write an audit event');
    });
  }

  /** The tunnel is gone for good. */
  forget(tunnelId: string): void {
    this.#allowances.delete(tunnelId);
  }

  #mayWrite({ id, name }: ConnectedReplica['tunnel']): boolean {
    const perHour = LIMITS.connectorAuditPerHour;
    const allowance = this.#allowances.get(id) ?? {
      limit: new RateLimit(perHour / HOUR_S, perHour),
      isSaid: false,
    };
    this.#allowances.set(id, allowance);
    const { clock, log } = this.#options;
    if (allowance.limit.take(clock.now())) {
      allowance.isSaid = false;
      return true;
    }
    if (!allowance.isSaid) {
      allowance.isSaid = true;
      log.warn(
        { [FIELD.tunnelName]: name, [FIELD.count]: perHour },
        'too many audit events of one tunnel in an hour: further ones are left out',
      );
    }
    return false;
  }
}
