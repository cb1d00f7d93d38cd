/**
 * The metrics of a connector. docs/operations.md "Metrics" lists each one; the names are API.
 *
 * A connector serves one tunnel, so there is no tunnel label. Owns its registry, so that several connectors can live in
 * one process.
 */
import { Registry } from 'prom-client';
import { ConfigState } from './config-state.ts';
import { outcomeOf } from './outcome.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { addBuildInfo, addCounter, addGauge } from './scraped-metric.ts';
import { StreamCounts } from './stream-counts.ts';
import { Tally } from './tally.ts';

export class ConnectorMetrics extends StreamCounts {
  /** What `/metrics` shows. */
  readonly registry = new Registry();
  /** What becomes of its files while it runs. */
  readonly config = new ConfigState();
  /** Whether the connector is ready, asked at each scrape. */
  isReady: () => boolean = () => false;
  /** How many rules have an origin that is not well, asked at each scrape. */
  countUnhealthy: () => number = () => 0;

  #links = 0;
  readonly #dials = new Tally('outcome');
  readonly #originConnects = new Tally('outcome');
  readonly #healthChecks = new Tally('outcome');

  /** @param options.version The version of Postern that runs. */
  constructor(options: { readonly version: string }) {
    super();
    addBuildInfo(this.registry, 'postern_connector_build_info', options.version);
    this.#addGauges();
    this.#addCounters();
    this.config.addMetrics(this.registry, 'postern_connector');
    addProcessMetrics(this.registry);
  }

  /** A link registered. Each needs one linkClosed(). */
  linkOpened(): void {
    this.#links += 1;
  }

  linkClosed(): void {
    this.#links -= 1;
  }

  /** An attempt to dial a gateway and register ended. */
  linkDialled(error?: unknown): void {
    this.#dials.add(outcomeOf(error));
  }

  /** An attempt to connect to an origin ended. */
  originConnected(error?: unknown): void {
    this.#originConnects.add(outcomeOf(error));
  }

  /** A health check of an origin ended. */
  healthChecked(error?: unknown): void {
    this.#healthChecks.add(outcomeOf(error));
  }

  #addGauges(): void {
    const gauge = (name: string, help: string, read: () => number): void =>
      addGauge(this.registry, { name, help, read: () => [[{}, read()]] });
    gauge('postern_connector_links', 'Registered links.', () => this.#links);
    gauge('postern_connector_streams_open', 'Streams that are open.', () => this.open);
    gauge('postern_connector_unhealthy_rules', 'Rules whose origin is not healthy.', () =>
      this.countUnhealthy(),
    );
    gauge('postern_connector_ready', '1 when the connector can take requests.', () =>
      Number(this.isReady()),
    );
  }

  #addCounters(): void {
    const counter = (name: string, help: string, labelNames: string[], tally: Tally): void =>
      addCounter(this.registry, { name, help, labelNames, read: () => tally.samples() });
    counter(
      'postern_connector_link_dials_total',
      'Attempts to dial a gateway and register.',
      ['outcome'],
      this.#dials,
    );
    counter(
      'postern_connector_streams_total',
      'Streams that ended.',
      ['kind', 'outcome'],
      this.ended,
    );
    counter(
      'postern_connector_origin_connects_total',
      'Attempts to connect to an origin.',
      ['outcome'],
      this.#originConnects,
    );
    counter(
      'postern_connector_health_checks_total',
      'Health checks of origins.',
      ['outcome'],
      this.#healthChecks,
    );
    addCounter(this.registry, {
      name: 'postern_connector_stream_bytes_total',
      help: 'Payload bytes of streams.',
      labelNames: ['direction'],
      read: () => Object.entries(this.bytes).map(([direction, sum]) => [{ direction }, sum]),
    });
  }
}
