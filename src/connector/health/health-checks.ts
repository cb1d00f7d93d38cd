/**
 * Looks after the origins of rules that have a `health-check`, and says which are not well. docs/decisions/0029.
 *
 * One check of a rule at a time, the next one an interval after its end. The first answer counts at once; from then on it takes
 * as many in a row as the rule says. Decides nothing about traffic: gateways are told, and choose.
 */
import type { HealthCheck } from '../../config/connector/health-check.ts';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ConnectorMetrics } from '../../telemetry/connector-metrics.ts';
import type { OriginDialer } from '../origin/origin-dialer.ts';
import { probeOrigin } from './probe-origin.ts';

export interface HealthChecksOptions {
  readonly clock: Clock;
  readonly dialer: Pick<OriginDialer, 'dial'>;
  readonly log: Log;
  readonly metrics: Pick<ConnectorMetrics, 'healthChecked'>;
  /** Which rules have an origin that is not well has changed. */
  readonly onChange: () => void;
}

export class HealthChecks {
  readonly #options: HealthChecksOptions;
  /** By the rule's id, which is another one when anything of the rule changes. */
  readonly #watched = new Map<string, WatchedRule>();
  #isStopped = false;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
  }

  /** Ids of the rules whose origin is not well, as far as is known. */
  get unhealthy(): string[] {
    return [...this.#watched].filter(([, { isHealthy }]) => !isHealthy).map(([id]) => id);
  }

  /** Looks after these rules from now on, and no others. What is known of those that stay stays known. */
  setRules(rules: readonly IngressRule[]): void {
    if (this.#isStopped) return;
    const before = this.unhealthy.join(' ');
    const kept = new Set(rules.map(({ id }) => id));
    for (const [id, watched] of this.#watched) {
      if (kept.has(id)) continue;
      watched.stop();
      this.#watched.delete(id);
    }
    for (const rule of rules) {
      const { healthCheck: check, id } = rule;
      if (check === undefined || this.#watched.has(id)) continue;
      this.#watched.set(id, new WatchedRule(this.#options, rule, check));
    }
    if (this.unhealthy.join(' ') !== before) this.#options.onChange();
  }

  /** Looks at nothing any more, whatever rules come. Safe to call twice. */
  stop(): void {
    this.#isStopped = true;
    for (const watched of this.#watched.values()) watched.stop();
    this.#watched.clear();
  }
}

/** A rule that is looked after, from its first check on. */
class WatchedRule {
  readonly #options: HealthChecksOptions;
  readonly #rule: IngressRule;
  readonly #check: HealthCheck;
  readonly #stopped = new AbortController();
  isHealthy = true;
  #isFirst = true;
  /** Checks in a row that say otherwise. */
  #against = 0;
  #timer: Timer | undefined;

  constructor(options: HealthChecksOptions, rule: IngressRule, check: HealthCheck) {
    this.#options = options;
    this.#rule = rule;
    this.#check = check;
    this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopped.abort();
  }

  #look(): void {
    const { dialer, clock } = this.#options;
    const { signal } = this.#stopped;
    probeOrigin({ rule: this.#rule, check: this.#check, dialer, clock, signal }).then(
      () => this.#seen(undefined),
      (error: unknown) => this.#seen(error),
    );
  }

  #seen(error: unknown): void {
    if (this.#stopped.signal.aborted) return;
    const { metrics, clock } = this.#options;
    metrics.healthChecked(error);
    this.#timer = clock.after(this.#check.intervalMs, () => this.#look());
    const isWell = error === undefined;
    const { healthyAfter, unhealthyAfter } = this.#check;
    const enough = this.#isFirst ? 1 : isWell ? healthyAfter : unhealthyAfter;
    this.#isFirst = false;
    this.#against = isWell === this.isHealthy ? 0 : this.#against + 1;
    if (this.#against < enough) return;
    this.#against = 0;
    if (isWell === this.isHealthy) return;
    this.isHealthy = isWell;
    this.#tell(error);
    this.#options.onChange();
  }

  #tell(error: unknown): void {
    const { log } = this.#options;
    const { hostname, id } = this.#rule;
    const fields = { [FIELD.hostname]: hostname.text, [FIELD.rule]: id };
    if (error === undefined) log.info(fields, 'the origin is healthy again');
    else log.warn({ ...fields, [FIELD.err]: error }, 'the origin is not healthy');
  }
}
