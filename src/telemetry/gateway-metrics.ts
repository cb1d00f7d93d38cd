/**
 * The metrics of a gateway. docs/operations.md "Metrics" lists each one; the names are API.
 *
 * Labels are bounded: MAX_TUNNEL_LABELS tunnels have series of their own, outcomes and codes are those of docs/errors.md.
 * Owns its registry, so that several gateways can live in one process.
 */
import { Registry } from 'prom-client';
import { ApplicationMetrics } from './application-metrics.ts';
import { ConfigState } from './config-state.ts';
import { outcomeOf } from './outcome.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { ScrapedHistogram } from './scraped-histogram.ts';
import { addBuildInfo, addCounter, addGauge, type Sample } from './scraped-metric.ts';
import { Tally } from './tally.ts';
import { TunnelSeries } from './tunnel-series.ts';

/** Tunnels with series of their own; further ones share the label `other`. test/unit/telemetry/gateway-metrics.test.ts */
export const MAX_TUNNEL_LABELS = 500;

/** The label of tunnels beyond MAX_TUNNEL_LABELS. */
export const OTHER_TUNNELS = 'other';

/** From a page out of a cache to a long download, seconds. */
const REQUEST_SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class GatewayMetrics {
  /** What `/metrics` shows. */
  readonly registry = new Registry();
  /** What becomes of its files while it runs. */
  readonly config = new ConfigState();
  /** HTTP requests by application. */
  readonly applications: ApplicationMetrics;
  /** Requests that reached no tunnel. Their label is empty. */
  readonly noTunnel: TunnelSeries;
  /** How many streams are detached now, asked at each scrape. */
  countDetached: () => number = () => 0;
  /** How many rules of replicas have an origin that is not well, by the name of their tunnel; asked at each scrape. */
  countUnhealthy: () => ReadonlyMap<string, number> = () => new Map();

  readonly #tunnels = new Map<string, TunnelSeries>();
  readonly #otherTunnels: TunnelSeries;
  #hasOtherTunnels = false;
  readonly #registrations = new Tally('outcome');
  readonly #protoErrors = new Tally('code');
  readonly #refusals = new Tally('code');
  readonly #auditEvents = new Tally('outcome');
  readonly #spans = new Tally('outcome');
  readonly #createSeries: () => TunnelSeries;

  /** @param options.version The version of Postern that runs. */
  constructor(options: { readonly version: string }) {
    const histogram = new ScrapedHistogram(this.registry, {
      name: 'postern_gateway_http_request_seconds',
      help: 'Time from the head of an HTTP request to the end of its response.',
      buckets: REQUEST_SECONDS_BUCKETS,
    });
    this.#createSeries = () => new TunnelSeries((seconds) => histogram.observe(seconds));
    this.noTunnel = this.#createSeries();
    this.#otherTunnels = this.#createSeries();
    addBuildInfo(this.registry, 'postern_gateway_build_info', options.version);
    this.#addTunnelGauges();
    this.#addTunnelCounters();
    this.#addGatewayWide();
    this.applications = new ApplicationMetrics(this.registry);
    this.config.addMetrics(this.registry, 'postern_gateway');
    addProcessMetrics(this.registry);
  }

  /** The numbers of a tunnel, by its name; the same object until removeTunnel(). */
  tunnel(name: string): TunnelSeries {
    const known = this.#tunnels.get(name);
    if (known !== undefined) return known;
    if (this.#tunnels.size >= MAX_TUNNEL_LABELS || name === OTHER_TUNNELS) {
      this.#hasOtherTunnels = true;
      return this.#otherTunnels;
    }
    const series = this.#createSeries();
    this.#tunnels.set(name, series);
    return series;
  }

  /** Forgets a deleted tunnel and all its series. */
  removeTunnel(name: string): void {
    this.#tunnels.delete(name);
  }

  /** A link asked to register: accepted, or refused with an error. */
  registration(error?: unknown): void {
    this.#registrations.add(outcomeOf(error));
  }

  /** A peer broke the link protocol. */
  protoError(error: unknown): void {
    this.#protoErrors.add(outcomeOf(error));
  }

  /** A connection was refused before anything was asked on it. */
  connectionRefused(error: unknown): void {
    this.#refusals.add(outcomeOf(error));
  }

  /** Spans were sent to the collector, lost with a request that failed, or found no place to wait. */
  spansEnded(outcome: 'sent' | 'failed' | 'dropped', count: number): void {
    this.#spans.addMany(count, outcome);
  }

  /** An event was handed to the audit log: kept, kept late, or lost. */
  auditEvent(outcome: 'kept' | 'slow' | 'lost'): void {
    this.#auditEvents.add(outcome);
  }

  #addTunnelGauges(): void {
    const gauge = (name: string, help: string, valueOf: (series: TunnelSeries) => number): void =>
      addGauge(this.registry, {
        name,
        help,
        labelNames: ['tunnel'],
        read: () => this.#samples((series, tunnel) => [[{ tunnel }, valueOf(series)]]),
      });
    gauge('postern_gateway_links', 'Registered links.', (series) => series.links);
    gauge('postern_gateway_replicas', 'Replicas with a link.', (series) => series.replicas);
    addGauge(this.registry, {
      name: 'postern_gateway_unhealthy_rules',
      help: 'Rules of connected replicas whose origin is not healthy.',
      labelNames: ['tunnel'],
      read: () => {
        const counts = this.countUnhealthy();
        return [...this.#tunnels.keys()].map((tunnel) => [{ tunnel }, counts.get(tunnel) ?? 0]);
      },
    });
    gauge('postern_gateway_streams_open', 'Streams that are open.', (series) => series.open);
  }

  #addTunnelCounters(): void {
    const counter = (
      name: string,
      help: string,
      labelName: string[],
      samplesOf: (series: TunnelSeries, tunnel: string) => Iterable<Sample>,
    ): void =>
      addCounter(this.registry, {
        name,
        help,
        labelNames: ['tunnel', ...labelName],
        read: () => this.#samples(samplesOf),
      });
    counter(
      'postern_gateway_streams_total',
      'Streams that ended.',
      ['kind', 'outcome'],
      (series, tunnel) => series.ended.samples({ tunnel }),
    );
    counter(
      'postern_gateway_stream_bytes_total',
      'Payload bytes of streams.',
      ['direction'],
      (series, tunnel) => [
        [{ tunnel, direction: 'to-origin' }, series.bytes['to-origin']],
        [{ tunnel, direction: 'from-origin' }, series.bytes['from-origin']],
      ],
    );
    counter(
      'postern_gateway_stream_resumes_total',
      'Attempts to attach a detached stream again.',
      ['outcome'],
      (series, tunnel) => series.resumes.samples({ tunnel }),
    );
    counter(
      'postern_gateway_http_requests_moved_total',
      'HTTP requests that one replica could not take and another got.',
      ['code'],
      (series, tunnel) => series.moved.samples({ tunnel }),
    );
    addCounter(this.registry, {
      name: 'postern_gateway_http_requests_total',
      help: 'HTTP requests that were answered.',
      labelNames: ['tunnel', 'status_class'],
      read: () => this.#requestSamples(),
    });
  }

  #addGatewayWide(): void {
    addGauge(this.registry, {
      name: 'postern_gateway_detached_streams',
      help: 'Streams that wait for a link.',
      read: () => [[{}, this.countDetached()]],
    });
    addCounter(this.registry, {
      name: 'postern_gateway_registrations_total',
      help: 'Links that asked to register.',
      labelNames: ['outcome'],
      read: () => this.#registrations.samples(),
    });
    addCounter(this.registry, {
      name: 'postern_gateway_audit_events_total',
      help: 'Audit events about access, by what became of them.',
      labelNames: ['outcome'],
      read: () => this.#auditEvents.samples(),
    });
    addCounter(this.registry, {
      name: 'postern_gateway_trace_spans_total',
      help: 'Spans of traces, by what became of them.',
      labelNames: ['outcome'],
      read: () => this.#spans.samples(),
    });
    addCounter(this.registry, {
      name: 'postern_gateway_proto_errors_total',
      help: 'Links that were closed because the peer broke the protocol.',
      labelNames: ['code'],
      read: () => this.#protoErrors.samples(),
    });
    addCounter(this.registry, {
      name: 'postern_gateway_connections_refused_total',
      help: 'Connections refused by listeners, before anything was asked on them.',
      labelNames: ['code'],
      read: () => this.#refusals.samples(),
    });
  }

  *#samples(
    samplesOf: (series: TunnelSeries, tunnel: string) => Iterable<Sample>,
  ): Generator<Sample> {
    for (const [tunnel, series] of this.#tunnels) yield* samplesOf(series, tunnel);
    // Only once there are any: a series of zeros on every dashboard helps nobody.
    if (this.#hasOtherTunnels) yield* samplesOf(this.#otherTunnels, OTHER_TUNNELS);
  }

  *#requestSamples(): Generator<Sample> {
    yield* this.#samples((series, tunnel) => series.requests.samples({ tunnel }));
    yield* this.noTunnel.requests.samples({ tunnel: '' });
  }
}
