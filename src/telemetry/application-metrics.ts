/**
 * The numbers of HTTP requests by application. docs/operations.md "Metrics".
 *
 * Names of applications come from the configuration, never from a request; MAX_APPLICATION_LABELS of them have series of their own,
 * and those that are gone from the configuration have none.
 */
import type { Registry } from 'prom-client';
import { ScrapedHistogram } from './scraped-histogram.ts';
import { addCounter } from './scraped-metric.ts';
import { STATUS_CLASSES, statusClassOf } from './status-class.ts';
import { Tally } from './tally.ts';

/** Applications with series of their own; further ones share the label `other`. test/unit/telemetry/application-metrics.test.ts */
export const MAX_APPLICATION_LABELS = 200;

/** The label of applications beyond MAX_APPLICATION_LABELS. */
const OTHER_APPLICATIONS = 'other';

/** From a page out of a cache to a long download, seconds. */
const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A request that has ended. */
export interface ApplicationRequest {
  /** Name of the application; empty for requests that belong to none. */
  readonly application: string;
  /** `ok`, or a code of docs/errors.md. */
  readonly outcome: string;
  readonly status: number;
  readonly seconds: number;
  /** Until the origin began its answer; undefined where it did not. */
  readonly originSeconds: number | undefined;
  /** It became a WebSocket: how long that lived says nothing about how fast anything is. */
  readonly isUpgraded: boolean;
}

export class ApplicationMetrics {
  readonly #seconds: ScrapedHistogram;
  readonly #originSeconds: ScrapedHistogram;
  /** Requests by their outcome; those without an application are there from the beginning. */
  readonly #requests = new Map([['', new Tally('outcome')]]);

  constructor(registry: Registry) {
    addCounter(registry, {
      name: 'postern_gateway_application_requests_total',
      help: 'HTTP requests of an application that ended.',
      labelNames: ['application', 'outcome'],
      read: () =>
        [...this.#requests].flatMap(([application, tally]) => [...tally.samples({ application })]),
    });
    this.#seconds = new ScrapedHistogram(registry, {
      name: 'postern_gateway_application_request_seconds',
      help: 'Time from the head of an HTTP request to the end of its response.',
      labelNames: ['application', 'status_class'],
      buckets: SECONDS_BUCKETS,
    });
    this.#originSeconds = new ScrapedHistogram(registry, {
      name: 'postern_gateway_application_origin_seconds',
      help: 'Time from the sending of an HTTP request to its origin to the head of the response.',
      labelNames: ['application'],
      buckets: SECONDS_BUCKETS,
    });
  }

  /** Counts a request that has ended. */
  request(ended: ApplicationRequest): void {
    const { outcome, status, seconds, originSeconds, isUpgraded } = ended;
    const application = this.#labelOf(ended.application);
    this.#requests.get(application)?.add(outcome);
    if (!isUpgraded) this.#seconds.observe(seconds, application, statusClassOf(status));
    if (originSeconds !== undefined) this.#originSeconds.observe(originSeconds, application);
  }

  /** Forgets the series of applications that there are no more. */
  keep(applications: Iterable<string>): void {
    const kept = new Set(['', OTHER_APPLICATIONS, ...applications]);
    for (const application of this.#requests.keys()) {
      if (kept.has(application)) continue;
      this.#requests.delete(application);
      this.#originSeconds.remove(application);
      for (const statusClass of STATUS_CLASSES) this.#seconds.remove(application, statusClass);
    }
  }

  #labelOf(name: string): string {
    if (this.#requests.has(name)) return name;
    const shared = ['', OTHER_APPLICATIONS].filter((label) => this.#requests.has(label)).length;
    const isFull = this.#requests.size - shared >= MAX_APPLICATION_LABELS;
    const label = isFull ? OTHER_APPLICATIONS : name;
    if (!this.#requests.has(label)) this.#requests.set(label, new Tally('outcome'));
    return label;
  }
}
