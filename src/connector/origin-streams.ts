/**
 * Serves the streams that gateways open: finds the rule, dials the origin, and joins the two.
 *
 * The connector only moves bytes. What a stream may reach is decided by its own rules (`ingress/`), never by the gateway.
 */
import type { Duplex } from 'node:stream';
import type { IngressRule } from '../config/connector/ingress-rule.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import { codeOf, messageOf } from '../core/error.ts';
import type { StreamRequest } from '../protocol/message/stream-request.ts';
import { isResetCode, type ResetCode } from '../protocol/reset-code.ts';
import type { Stream } from '../protocol/stream.ts';
import type { ConnectorMetrics } from '../telemetry/connector-metrics.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { abortSocket, pumpSocket } from '../transport/socket-pump.ts';
import { EarlyData } from './early-data.ts';
import { chooseRule } from './ingress/ingress.ts';
import type { StreamAccess } from './ingress/stream-access.ts';
import type { OriginConnection, OriginDialer } from './origin/origin-dialer.ts';
import { SocksExchange } from './socks/socks-exchange.ts';
import { replyFor } from './socks/socks-request.ts';

export interface OriginStreamsOptions {
  readonly dialer: OriginDialer;
  readonly log: Log;
  readonly metrics: ConnectorMetrics;
  /** The rules in force. Read for every stream, so that a reload applies to the next one. */
  readonly rules: () => readonly IngressRule[];
  /** Asked for rules that require access. */
  readonly access: Pick<StreamAccess, 'check'>;
  /** Default systemClock. */
  readonly clock?: Clock;
}

/** A stream whose origin is not connected yet. */
interface Opening {
  readonly stream: Stream;
  readonly early: EarlyData;
  /** Aborts when the stream ends. */
  readonly signal: AbortSignal;
}

export class OriginStreams {
  readonly #options: OriginStreamsOptions;
  readonly #clock: Clock;

  constructor(options: OriginStreamsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Takes over a stream that a gateway opened. */
  serve(stream: Stream): void {
    const giveUp = new AbortController();
    this.#options.metrics.streamOpened();
    const early = new EarlyData(stream, () => {
      giveUp.abort();
      this.#closed(stream);
    });
    this.#begin({ stream, early, signal: giveUp.signal }).catch((error: unknown) =>
      this.#failed(stream, error),
    );
  }

  async #begin(opening: Opening): Promise<void> {
    const { rules, access } = this.#options;
    const { stream, signal } = opening;
    const rule = chooseRule(rules(), stream.request);
    const required = rule.originRequest.access;
    if (required !== undefined) {
      await access.check(required, stream.request);
      signal.throwIfAborted();
    }
    if (speaksSocks(rule)) return this.#serveSocks(rule, opening);
    const connection = await this.#dial(rule, stream.request, opening);
    if (connection === undefined) return;
    this.#join(connection.socket, opening);
    stream.accept(connection.info);
  }

  /** The user says by SOCKS5 what to dial, so they are let in first. */
  async #serveSocks(rule: IngressRule, opening: Opening): Promise<void> {
    const { stream, early } = opening;
    const exchange = new SocksExchange(stream, early, this.#clock);
    stream.accept({ origin: 'socks-proxy' });
    try {
      const destination = await exchange.destination();
      const isChosen = rule.service.kind === 'socks-proxy';
      const request = { ...stream.request, ...(isChosen && { destination }) };
      const connection = await this.#dial(rule, request, opening).catch((error: unknown) => {
        exchange.refuse(replyFor(codeOf(error)));
        throw error;
      });
      if (connection === undefined) return;
      exchange.succeed();
      this.#join(connection.socket, opening);
    } catch (error) {
      this.#tellFailed(stream, error);
      exchange.end(resetCodeFor(error), messageOf(error));
    }
  }

  /** Undefined when nobody wants the connection any more. */
  async #dial(
    rule: IngressRule,
    request: StreamRequest,
    { stream, signal }: Opening,
  ): Promise<OriginConnection | undefined> {
    const { dialer, log, metrics } = this.#options;
    const connection = await dialer.dial(rule, request, { signal, log });
    metrics.originConnected();
    if (stream.state === 'closed') {
      abortSocket(connection.socket);
      return undefined;
    }
    log.debug({ ...fieldsOf(stream), [FIELD.origin]: connection.info.origin }, 'stream opened');
    return connection;
  }

  #join(socket: Duplex, { stream, early }: Opening): void {
    pumpSocket(socket, stream, { onClose: () => this.#closed(stream) });
    early.replay(stream);
  }

  #failed(stream: Stream, error: unknown): void {
    if (stream.state === 'closed') return;
    this.#tellFailed(stream, error);
    stream.reset(resetCodeFor(error), messageOf(error));
  }

  #tellFailed(stream: Stream, error: unknown): void {
    if (stream.state === 'closed') return;
    this.#options.metrics.originConnected(error);
    this.#options.log.warn({ ...fieldsOf(stream), [FIELD.err]: error }, 'cannot reach the origin');
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

/** Whether users say by SOCKS5 what they want. */
function speaksSocks({ service, originRequest }: IngressRule): boolean {
  const isProxied = service.kind === 'tcp' && originRequest.proxyType === 'socks';
  return service.kind === 'socks-proxy' || isProxied;
}

function resetCodeFor(error: unknown): ResetCode {
  const code = codeOf(error);
  return isResetCode(code) ? code : 'ORIGIN_UNREACHABLE';
}

function fieldsOf({ request }: Stream): Record<string, string> {
  return {
    [FIELD.request]: request.requestId,
    [FIELD.hostname]: request.hostname,
    [FIELD.rule]: request.rule,
  };
}
