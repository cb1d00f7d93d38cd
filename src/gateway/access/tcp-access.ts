/**
 * The gate for plain TCP ports, whose users are known by their address and nothing else; and the audit log of TCP streams,
 * those of clients included.
 */
import type { ClientCertificate } from '../../access/identity.ts';
import type { Gate, GateAsk, Verdict } from '../../access/gate.ts';
import type { StreamRight } from '../../access/tokens/stream-assertions.ts';
import { PosternError, codeOf } from '../../core/error.ts';
import type { AuditFact } from '../../telemetry/audit-event.ts';
import type { ClientStreamEvents } from '../relay/client-streams.ts';
import type { Denial } from './http-access.ts';

/** A connection that was let in. */
export interface TcpGrant {
  readonly application: string | undefined;
  readonly right: StreamRight;
  /** Calls `end` once it may go on no longer. */
  hold(end: (error: PosternError) => void): { release(): void };
}

/** A stream from its start, for the audit log. */
export interface TcpStreamFacts {
  readonly hostname: string;
  readonly application: string | undefined;
  readonly user?: string | undefined;
  readonly address: string;
  readonly requestId: string;
  /** Why the user wanted it, where they said so. */
  readonly purpose?: string | undefined;
  /** What they chose to reach, where they may. */
  readonly destination?: string | undefined;
  readonly tunnelName: string;
  readonly replica: string;
}

/** What became of it. */
export interface TcpStreamEnd {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
  readonly error: Error | undefined;
}

export interface TcpAccessOptions {
  readonly gate: Gate;
  readonly onDenied: (denial: Denial) => void;
  note(fact: AuditFact): void;
}

export class TcpAccess {
  readonly #options: TcpAccessOptions;

  constructor(options: TcpAccessOptions) {
    this.#options = options;
  }

  /** Lets a connection in. Throws ACCESS_DENIED. */
  admit(from: {
    readonly hostname: string;
    readonly address: string;
    readonly requestId: string;
    /** What TLS has verified of the client. */
    readonly certificate?: ClientCertificate | undefined;
  }): TcpGrant {
    const { gate, onDenied } = this.#options;
    const { hostname, address, requestId, certificate: clientCertificate } = from;
    const ask: GateAsk = { hostname, path: '', principal: { clientCertificate }, address };
    const verdict: Verdict = gate.judge(ask);
    if (verdict.outcome !== 'allow') {
      onDenied({ verdict, hostname, address, requestId });
      throw new PosternError('ACCESS_DENIED', `Cannot reach "${hostname}": ${verdict.reason}`);
    }
    return {
      application: verdict.application?.name,
      right: verdict,
      hold: (end) => gate.hold(ask, verdict, end),
    };
  }

  started(stream: TcpStreamFacts): void {
    this.#options.note({ type: 'tcp.start', ...factOf(stream) });
  }

  ended(stream: TcpStreamFacts, { error, ...numbers }: TcpStreamEnd): void {
    const { detail, ...rest } = factOf(stream);
    const reason = error === undefined ? 'closed' : (codeOf(error) ?? 'error');
    this.#options.note({ type: 'tcp.end', ...rest, detail: { ...detail, ...numbers, reason } });
  }

  /** Adds the audit log to what is said of clients' streams: one start and one end each, however often it is resumed. */
  withAudit(events: ClientStreamEvents): ClientStreamEvents {
    return {
      onAttached: (stream) => {
        events.onAttached(stream);
        const { principal, isResumed } = stream;
        if (!isResumed) this.started({ ...stream, user: principal.user });
      },
      onEnded: (stream, end) => {
        events.onEnded(stream, end);
        if (end.end.kind === 'detached') return;
        const { bytesSent, bytesReceived, durationMs } = end;
        const error = end.end.kind === 'reset' ? end.end.error : undefined;
        const numbers = { bytesSent, bytesReceived, durationMs, error };
        this.ended({ ...stream, user: stream.principal.user }, numbers);
      },
      onRefused: (ask, error) => events.onRefused(ask, error),
    };
  }
}

function factOf(stream: TcpStreamFacts): Omit<AuditFact, 'type'> {
  const { hostname, application, user, address, requestId, purpose, tunnelName, replica } = stream;
  const { destination } = stream;
  return {
    hostname,
    tunnel: tunnelName,
    ...(user === undefined ? {} : { actor: user }),
    detail: {
      ...(application && { application }),
      ...(purpose && { purpose }),
      ...(destination && { destination }),
      replica,
      address,
      requestId,
    },
  };
}
