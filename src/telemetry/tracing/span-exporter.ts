/**
 * Sends spans to an OTLP/HTTP collector, as JSON. docs/operations.md "Traces", docs/decisions/0031.
 *
 * Never in the way of what the spans are about: a bounded queue, one request at a time, each bounded in time. Spans that find the
 * queue full are dropped, those of a request that fails are lost, and both are counted; nothing is sent twice.
 */
import { request as httpRequest, Agent as HttpAgent, type ClientRequest } from 'node:http';
import { request as httpsRequest, Agent as HttpsAgent } from 'node:https';
import type { Clock, Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import { FIELD } from '../log-field.ts';
import type { Log } from '../log.ts';
import { formatSpans, type Span, type SpanResource } from './span.ts';

/** How long spans wait for others, ms. */
const GATHER_MS = 1_000;
/** Pause after a request that failed, ms: the collector may have too much to do. */
const PAUSE_MS = 5_000;
/** How long a request may take, ms. */
const REQUEST_MS = 5_000;
/** How long close() waits for what is still to be sent, ms. */
const CLOSE_MS = 1_000;

/** What became of spans. */
export type SpanOutcome = 'sent' | 'failed' | 'dropped';

export interface SpanExporterOptions {
  /** Base address of the collector: `/v1/traces` is added. */
  readonly endpoint: string;
  readonly resource: SpanResource;
  readonly clock: Clock;
  readonly log: Log;
  readonly onOutcome: (outcome: SpanOutcome, count: number) => void;
}

export class SpanExporter {
  readonly #options: SpanExporterOptions;
  readonly #url: URL;
  readonly #agent: HttpAgent | HttpsAgent;
  #queue: Span[] = [];
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #request: ClientRequest | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#url = new URL(`${options.endpoint.replace(/\/+$/, '')}/v1/traces`);
    const how = { keepAlive: true, maxSockets: 1 };
    this.#agent = this.#url.protocol === 'https:' ? new HttpsAgent(how) : new HttpAgent(how);
  }

  /** Takes spans over. Costs nothing but their place in the queue. */
  add(...spans: readonly Span[]): void {
    const room = this.#isClosed ? 0 : LIMITS.queuedSpans - this.#queue.length;
    const taken = spans.slice(0, Math.max(0, room));
    this.#queue.push(...taken);
    if (taken.length < spans.length) {
      this.#options.onOutcome('dropped', spans.length - taken.length);
    }
    if (this.#queue.length > 0) this.#sendAfter(GATHER_MS);
  }

  /** Sends what is there, for a moment, and drops the rest. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#options.clock.after(CLOSE_MS, () => resolve());
    });
    await Promise.race([this.#sendRest(), late]);
    timer?.cancel();
    const left = this.#queue.length;
    this.#queue = [];
    if (left > 0) this.#options.onOutcome('dropped', left);
    this.#request?.destroy();
    this.#agent.destroy();
  }

  async #sendRest(): Promise<void> {
    await this.#sending;
    // A collector that does not answer is not asked again and again.
    while (this.#queue.length > 0 && !this.#isFailing) {
      // One after the other, as ever.
      // oxlint-disable-next-line no-await-in-loop
      await this.#sendBatch();
    }
  }

  #sendAfter(ms: number): void {
    if (this.#timer !== undefined || this.#sending !== undefined || this.#isClosed) return;
    this.#timer = this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      this.#sending = this.#sendBatch().finally(() => {
        this.#sending = undefined;
        if (this.#queue.length > 0) this.#sendAfter(this.#isFailing ? PAUSE_MS : 0);
      });
    });
  }

  /** Never rejects. */
  async #sendBatch(): Promise<void> {
    const { resource, onOutcome } = this.#options;
    const batch = this.#queue.splice(0, LIMITS.spansPerRequest);
    try {
      const status = await this.#post(formatSpans(resource, batch));
      if (status < 200 || status > 299) throw new Error(`the collector answers ${status}`);
      onOutcome('sent', batch.length);
      this.#tell(undefined);
    } catch (error) {
      onOutcome('failed', batch.length);
      this.#tell(error);
    }
  }

  /** Says that it has begun to fail, and that it is over; not each time. */
  #tell(err: unknown): void {
    const isFailing = err !== undefined;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    const { log } = this.#options;
    const fields = { [FIELD.address]: this.#url.host };
    if (isFailing) log.warn({ ...fields, [FIELD.err]: err }, 'spans cannot be delivered');
    else log.info(fields, 'spans are delivered again');
  }

  /** Resolves with the status of the answer. */
  async #post(body: string): Promise<number> {
    const isTls = this.#url.protocol === 'https:';
    const request = (isTls ? httpsRequest : httpRequest)(this.#url, {
      method: 'POST',
      agent: this.#agent,
      signal: AbortSignal.timeout(REQUEST_MS),
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    this.#request = request;
    return new Promise((resolve, reject) => {
      request.on('error', reject);
      request.once('response', (response) => {
        response.on('error', reject);
        response.once('end', () => resolve(response.statusCode ?? 0));
        // What it says is of no use; the time-out bounds how much of it can come.
        response.resume();
      });
      request.end(body);
    });
  }
}
