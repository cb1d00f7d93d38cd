/** Looking after real origins, at the pace of a clock that the test moves. */
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import type { HealthCheck } from '../../../../src/config/connector/health-check.ts';
import { ingressRule, type IngressRule } from '../../../../src/config/connector/ingress-rule.ts';
import { codeOf } from '../../../../src/core/error.ts';
import { HealthChecks } from '../../../../src/connector/health/health-checks.ts';
import { OriginDialer } from '../../../../src/connector/origin/origin-dialer.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { closedPort, listen, startSilentServer } from '../origin/deaf-server.ts';
import { aRule } from '../a-rule.ts';

const CHECK: HealthCheck = {
  path: '/healthz',
  status: { from: 200, to: 399 },
  intervalMs: 10_000,
  timeoutMs: 2_000,
  unhealthyAfter: 3,
  healthyAfter: 2,
};

function checked(service: string, changes: Partial<HealthCheck> = {}, hostname = '*'): IngressRule {
  return ingressRule({ ...aRule(service, { hostname }), healthCheck: { ...CHECK, ...changes } });
}

interface Lab {
  readonly clock: FakeClock;
  readonly health: HealthChecks;
  /** `ok` or the code of each check, in order. */
  readonly outcomes: string[];
  /** Ids of what is not well, at each change. */
  readonly changes: string[][];
  readonly lines: string[];
  /** Lets the next check happen, and waits for its end. */
  readonly next: () => Promise<void>;
}

async function start(...rules: IngressRule[]): Promise<Lab> {
  const clock = new FakeClock();
  const [outcomes, changes, lines]: [string[], string[][], string[]] = [[], [], []];
  const health: HealthChecks = new HealthChecks({
    clock,
    dialer: new OriginDialer({ identity: { tunnel: 't', replica: 'r' } }),
    log: createLog({
      component: 'connector',
      format: 'json',
      destination: { write: (line) => void lines.push(line) },
    }),
    metrics: { healthChecked: (error) => void outcomes.push(codeOf(error) ?? 'ok') },
    onChange: () => void changes.push(health.unhealthy),
  });
  cleanup(() => health.stop());
  health.setRules(rules);
  await eventually(() => outcomes.length === rules.length);
  const next = async (): Promise<void> => {
    const before = outcomes.length;
    clock.run(CHECK.intervalMs);
    await eventually(() => outcomes.length === before + rules.length);
  };
  return { clock, health, outcomes, changes, lines, next };
}

/** An origin that answers what the test says. */
async function startOrigin(): Promise<{
  port: number;
  answer: { status: number };
  asked: string[];
}> {
  const answer = { status: 200 };
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    const { host, 'user-agent': agent } = request.headers;
    asked.push(`${request.method} ${request.url} ${host} ${agent}`);
    response.writeHead(answer.status, { location: '/elsewhere' });
    // No end: nobody is to wait for the body.
    response.write('x');
  });
  cleanup(() => server.closeAllConnections());
  return { port: await listen(server), answer, asked };
}

describe('a health check', () => {
  it('asks for the path as the hostname of the rule, and reads no body', async () => {
    const { port, asked } = await startOrigin();
    const service = `http://127.0.0.1:${port}`;
    const named = await start(checked(service, { path: '/up?deep=1' }, 'app.example.com'));
    const pattern = await start(checked(service, {}, '*.example.com'));
    expect([named.outcomes, pattern.outcomes]).toEqual([['ok'], ['ok']]);
    expect(asked).toEqual([
      'GET /up?deep=1 app.example.com postern-health-check',
      `GET /healthz 127.0.0.1:${port} postern-health-check`,
    ]);
  });

  it('takes as many answers in a row as the rule says, either way', async () => {
    const { port, answer } = await startOrigin();
    const rule = checked(`http://127.0.0.1:${port}`);
    const { next, changes, health, lines } = await start(rule);
    const rounds = [500, 500, 200, 500, 500, 404, 200, 500, 302, 200, 200];
    const seen: boolean[] = [];
    for (const status of rounds) {
      answer.status = status;
      await next();
      seen.push(health.unhealthy.length === 0);
    }
    // Three in a row make it unhealthy, and two healthy again.
    const [well, unwell] = [true, false];
    expect(seen.slice(0, 5)).toEqual([well, well, well, well, well]);
    expect(seen.slice(5)).toEqual([unwell, unwell, unwell, unwell, well, well]);
    expect(changes).toEqual([[rule.id], []]);
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told).toMatchObject([
      {
        level: 'warn',
        msg: 'the origin is not healthy',
        ruleId: rule.id,
        errCode: 'ORIGIN_BAD_RESPONSE',
      },
      { level: 'info', msg: 'the origin is healthy again', ruleId: rule.id },
    ]);
    expect(lines[0]).toContain('it answers 404, and 200 to 399 is healthy');
  });

  it('counts at once when it is the first one', async () => {
    const rule = checked(`http://127.0.0.1:${await closedPort()}`);
    const { changes, outcomes } = await start(rule);
    expect([changes, outcomes]).toEqual([[[rule.id]], ['ORIGIN_REFUSED']]);
  });

  it('of an origin that does not answer ends when its time is over', async () => {
    const { port, sockets } = await startSilentServer();
    const clock = new FakeClock();
    const outcomes: unknown[] = [];
    const health = new HealthChecks({
      clock,
      dialer: new OriginDialer({ identity: { tunnel: 't', replica: 'r' } }),
      log: createLog({ component: 'connector', level: 'silent' }),
      metrics: { healthChecked: (error) => void outcomes.push(codeOf(error)) },
      onChange: () => undefined,
    });
    cleanup(() => health.stop());
    health.setRules([checked(`http://127.0.0.1:${port}`)]);
    await eventually(() => sockets.length === 1);
    clock.run(CHECK.timeoutMs);
    await eventually(() => outcomes.length === 1 && sockets[0]?.destroyed === true);
    expect(outcomes).toEqual(['ORIGIN_TIMEOUT']);
  });

  it('only connects to a TCP service', async () => {
    const sockets: unknown[] = [];
    const server = createTcpServer((socket) => void sockets.push(socket.resume()));
    const port = await listen(server);
    const { path: _, ...connecting } = CHECK;
    const rule = ingressRule({ ...aRule(`tcp://127.0.0.1:${port}`), healthCheck: connecting });
    const { outcomes, next } = await start(rule);
    server.close();
    await next();
    expect(outcomes).toEqual(['ok', 'ORIGIN_REFUSED']);
  });

  it('speaks HTTP/2 where the rule says that the origin does', async () => {
    const paths: unknown[] = [];
    const server = createHttp2Server();
    server.on('stream', (stream, head) => {
      paths.push(head[':path']);
      stream.respond({ ':status': 204 });
      stream.end();
    });
    const port = await listen(server);
    const rule = checked(`http://127.0.0.1:${port}`);
    const originRequest = { ...rule.originRequest, http2: true as const };
    const { outcomes } = await start({ ...rule, originRequest });
    expect([outcomes, paths]).toEqual([['ok'], ['/healthz']]);
  });

  it('of something that speaks no HTTP fails', async () => {
    const server = createTcpServer((socket) =>
      socket.on('error', () => undefined).end('SSH-2.0\r\n'),
    );
    const { outcomes } = await start(checked(`http://127.0.0.1:${await listen(server)}`));
    expect(outcomes).toEqual(['ORIGIN_BAD_RESPONSE']);
  });
});

describe('setRules()', () => {
  it('forgets rules that are gone, keeps what is known of the others, and looks at new ones', async () => {
    const gone = checked(`http://127.0.0.1:${await closedPort()}`);
    const kept = checked(`http://127.0.0.1:${await closedPort()}`);
    const { health, changes, outcomes, clock } = await start(gone, kept);
    expect(health.unhealthy.toSorted()).toEqual([gone.id, kept.id].toSorted());
    const { port } = await startOrigin();
    health.setRules([kept, checked(`http://127.0.0.1:${port}`), aRule('http_status:404')]);
    expect(changes.at(-1)).toEqual([kept.id]);
    await eventually(() => outcomes.length === 3);
    clock.run(CHECK.intervalMs);
    await eventually(() => outcomes.length === 5);
    expect(health.unhealthy).toEqual([kept.id]);
    health.stop();
    health.setRules([kept]);
    clock.run(CHECK.intervalMs);
    expect([clock.pending, outcomes.length]).toEqual([0, 5]);
  });
});
