/**
 * Serves the streams that gateways open: finds the rule, dials the origin, and joins the two.
 *
 * The connector only moves bytes. What a stream may reach is decided by its own rules (`ingress/`), never by the gateway.
 */
import type { IngressRule } from '../config/connector/ingress-rule.ts';
import { codeOf, messageOf } from '../core/error.ts';
import { isResetCode } from '../protocol/reset-code.ts';
import type { Stream } from '../protocol/stream.ts';
import type { ConnectorMetrics } from '../telemetry/connector-metrics.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { abortSocket, pumpSocket } from '../transport/socket-pump.ts';
import { chooseRule } from './ingress/ingress.ts';
import type { StreamAccess } from './ingress/stream-access.ts';
import type { OriginDialer } from './origin/origin-dialer.ts';

export interface OriginStreamsOptions {
  readonly dialer: OriginDialer;
  readonly log: Log;
  readonly metrics: ConnectorMetrics;
  /** The rules in force. Read for every stream, so that a reload applies to the next one. */
  readonly rules: () => readonly IngressRule[];
  /** Asked for rules that require access. */
  readonly access: Pick<StreamAccess, 'check'>;
}

export class OriginStreams {
  readonly #options: OriginStreamsOptions;

  constructor(options: OriginStreamsOptions) {
    this.#options = options;
  }

  /** Takes over a stream that a gateway opened. */
  serve(stream: Stream): void {
    const { metrics } = this.#options;
    const giveUp = new AbortController();
    metrics.streamOpened();
    // Data may arrive before the origin is connected; it is bounded by the early-data limit.
    const early: Uint8Array[] = [];
    let hasEnded = false;
    stream.handler = {
      onData: (chunk) => void early.push(chunk),
      onEnd: () => (hasEnded = true),
      onWritable: () => undefined,
      onClose: () => {
        giveUp.abort();
        this.#closed(stream);
      },
    };
    this.#connect(stream, giveUp.signal).then(
      (join) => join?.(early, hasEnded),
      (error: unknown) => this.#failed(stream, error),
    );
  }

  async #connect(
    stream: Stream,
    signal: AbortSignal,
  ): Promise<((early: Uint8Array[], hasEnded: boolean) => void) | undefined> {
    const { dialer, log, metrics, rules, access } = this.#options;
    const rule = chooseRule(rules(), stream.request);
    const required = rule.originRequest.access;
    if (required !== undefined) {
      await access.check(required, stream.request);
      signal.throwIfAborted();
    }
    const { socket, info } = await dialer.dial(rule, stream.request, { signal, log });
    metrics.originConnected();
    if (stream.state === 'closed') {
      abortSocket(socket);
      return undefined;
    }
    log.debug({ ...fieldsOf(stream), [FIELD.origin]: info.origin }, 'stream opened');
    return (early, hasEnded) => {
      pumpSocket(socket, stream, { onClose: () => this.#closed(stream) });
      for (const chunk of early) stream.handler.onData(chunk);
      if (hasEnded) stream.handler.onEnd();
      stream.accept(info);
    };
  }

  #failed(stream: Stream, error: unknown): void {
    const code = codeOf(error);
    if (stream.state === 'closed') return;
    this.#options.metrics.originConnected(error);
    this.#options.log.warn({ ...fieldsOf(stream), [FIELD.err]: error }, 'cannot reach the origin');
    stream.reset(isResetCode(code) ? code : 'ORIGIN_UNREACHABLE', messageOf(error));
  }

  #closed(stream: Stream): void {
    const { metrics, log } = this.#options;
    const { bytesSent, bytesReceived, error } = stream;
    metrics.streamClosed(stream.request.kind, error);
    log.debug(
      { ...fieldsOf(stream), bytesSent, bytesReceived, ...(error && { [FIELD.err]: error }) },
      'stream ended',
    );
  }
}

function fieldsOf({ request }: Stream): Record<string, string> {
  return {
    [FIELD.request]: request.requestId,
    [FIELD.hostname]: request.hostname,
    [FIELD.rule]: request.rule,
  };
}
