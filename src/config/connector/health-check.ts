/**
 * `health-check` of an ingress rule: how the connector looks after the rule's origin by itself.
 *
 * Not a key of cloudflared's. What is written is `written`, with its defaults; a rule carries the HealthCheck.
 */
import type { z } from 'zod';
import { PosternError } from '../../core/error.ts';
import { duration, mapping, parsed, text, wholeNumber } from '../field.ts';
import type { OriginService } from './origin-service.ts';

/** A check, resolved. Times are ms. */
export interface HealthCheck {
  /** Asked for with GET; undefined: connecting is all. */
  readonly path?: string | undefined;
  /** Statuses that say that the origin is well, the last one included. */
  readonly status: StatusRange;
  /** From the end of one check to the next. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failed checks in a row that make it unhealthy, and good ones that make it healthy again. */
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

/** Statuses from one to the other, both included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

const LEAST_INTERVAL_MS = 1_000;
const LEAST_TIMEOUT_MS = 100;
const MAX_ROUNDS = 100;

/** `ingress[].health-check` as it is written. */
export const healthCheckSchema = mapping({
  path: parsed('a path such as /healthz', parsePath).optional(),
  interval: duration({ least: LEAST_INTERVAL_MS }).prefault('10s'),
  timeout: duration({ least: LEAST_TIMEOUT_MS }).prefault('2s'),
  'unhealthy-after': wholeNumber(1, MAX_ROUNDS).prefault(3),
  'healthy-after': wholeNumber(1, MAX_ROUNDS).prefault(1),
  status: text('a status such as 204, or a range such as 200-399')
    .or(wholeNumber(100, 599))
    .transform((written, context) => {
      const range = parseStatus(String(written));
      if (range !== undefined) return range;
      const message = 'must be a status such as 204, or a range such as 200-399';
      context.issues.push({ code: 'custom', input: written, message });
      return undefined;
    })
    .optional(),
});

type WrittenHealthCheck = z.output<typeof healthCheckSchema>;

/** What an HTTP service is asked for where nothing else is written. */
const DEFAULT_PATH = '/';
const DEFAULT_STATUS: StatusRange = { from: 200, to: 399 };

/** Resolves a check for a service. Throws CONFIG_INVALID, whose message goes behind the key, where it can check nothing. */
export function resolveHealthCheck(
  written: WrittenHealthCheck,
  { kind }: Pick<OriginService, 'kind'>,
): HealthCheck {
  const isHttp = kind === 'http' || kind === 'unix';
  if (!isHttp && kind !== 'tcp') {
    throw invalid('has nothing to check: the service has no origin; remove it');
  }
  const { path, status, interval, timeout } = written;
  if (!isHttp && (path !== undefined || status !== undefined)) {
    throw invalid('only connects to a TCP service; remove path and status');
  }
  return {
    ...(isHttp && { path: path ?? DEFAULT_PATH }),
    status: status ?? DEFAULT_STATUS,
    intervalMs: interval,
    timeoutMs: timeout,
    unhealthyAfter: written['unhealthy-after'],
    healthyAfter: written['healthy-after'],
  };
}

/** It goes into a request head as it is. */
function parsePath(path: string): string {
  if (/^\/[\x21-\x22\x24-\x7e]{0,1000}$/.test(path)) return path;
  throw invalid('must be a path such as /healthz, without spaces and "#"');
}

function parseStatus(written: string): StatusRange | undefined {
  const [, first, last = first] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(written) ?? [];
  const range = { from: Number(first), to: Number(last) };
  return range.from <= range.to ? range : undefined;
}

function invalid(problem: string): PosternError {
  return new PosternError('CONFIG_INVALID', problem);
}
