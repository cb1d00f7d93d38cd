/**
 * One look at an origin: connects as a stream would, and asks for a path where the check has one.
 *
 * Follows no redirect and reads no body. Leaves nothing open, whatever happens.
 */
import { request as httpRequest } from 'node:http';
import { connect as http2Connect } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import type { HealthCheck } from '../../config/connector/health-check.ts';
import type { OriginService } from '../../config/connector/origin-service.ts';
import type { Clock } from '../../core/clock.ts';
import { formatDuration } from '../../core/duration.ts';
import { PosternError } from '../../core/error.ts';
import { Deadline, untilAborted } from '../origin/deadline.ts';
import type { OriginDialer } from '../origin/origin-dialer.ts';

/** What origins see of who asks. */
const USER_AGENT = 'postern-health-check';

export interface Probe {
  readonly rule: IngressRule;
  readonly check: HealthCheck;
  readonly dialer: Pick<OriginDialer, 'dial'>;
  readonly clock: Clock;
  /** Ends it at once, with STREAM_CANCELLED. */
  readonly signal: AbortSignal;
}

/** Resolves when the origin is well. Rejects with an ORIGIN_ code that says what it is not. */
export async function probeOrigin({ rule, check, dialer, clock, signal }: Probe): Promise<void> {
  const late = `Cannot take the origin for healthy: no answer within ${formatDuration(check.timeoutMs)}`;
  const deadline = new Deadline(clock, check.timeoutMs, signal, () => late);
  let socket: Duplex | undefined;
  try {
    const host = hostOf(rule);
    const dialled = await dialer.dial(
      rule,
      { hostname: host, heeds: ['http2'] },
      { signal: deadline.signal },
    );
    socket = dialled.socket;
    if (check.path === undefined) return;
    const asked = { socket, path: check.path, host: rule.originRequest.httpHostHeader ?? host };
    const { alpn } = dialled.info;
    const isHttp2 = alpn === 'h2' || alpn === 'h2c';
    const answer = isHttp2 ? askHttp2(asked) : askHttp1(asked);
    const status = await untilAborted(answer, deadline.signal);
    const { from, to } = check.status;
    if (status >= from && status <= to) return;
    const expected = from === to ? `${from}` : `${from} to ${to}`;
    const message = `Cannot take the origin for healthy: it answers ${status}, and ${expected} is healthy`;
    throw new PosternError('ORIGIN_BAD_RESPONSE', message);
  } finally {
    deadline.release();
    socket?.destroy();
  }
}

interface Asked {
  readonly socket: Duplex;
  readonly path: string;
  readonly host: string;
}

async function askHttp1({ socket, path, host }: Asked): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { host, 'user-agent': USER_AGENT, connection: 'close' };
    const asked = httpRequest({ createConnection: () => socket, path, headers });
    asked.on('response', ({ statusCode = 0, socket: used }) => {
      resolve(statusCode);
      used.destroy();
    });
    // What cannot speak HTTP to the end says so here; after the answer nobody listens any more.
    asked.on('error', (cause) => reject(badAnswer(cause)));
    asked.end();
  });
}

async function askHttp2({ socket, path, host }: Asked): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => reject(badAnswer(cause));
    const session = http2Connect(`http://${host}`, { createConnection: () => socket });
    session.on('error', fail);
    const stream = session.request({ ':path': path, 'user-agent': USER_AGENT });
    stream.on('error', fail);
    stream.on('close', () => fail(new Error('it answered nothing')));
    stream.on('response', (head) => {
      resolve(head[':status'] ?? 0);
      session.destroy();
    });
    stream.end();
  });
}

/** What the origin is asked as: the hostname of the rule, or its own address where that is a pattern. */
function hostOf({ hostname, service }: IngressRule): string {
  if (hostname.kind === 'exact') return hostname.text;
  return authorityOf(service) ?? 'localhost';
}

function authorityOf(service: OriginService): string | undefined {
  return service.kind === 'http' ? new URL(service.url).host : undefined;
}

function badAnswer(cause: unknown): PosternError {
  const message = 'Cannot take the origin for healthy: it does not answer in HTTP';
  return new PosternError('ORIGIN_BAD_RESPONSE', message, { cause });
}
