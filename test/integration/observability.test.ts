/** What operators see of the requests of a running gateway: the access log, metrics by application, traces. */
import { request } from 'node:https';

import { beforeAll, describe, expect, it } from '@jest/globals';

import type { Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import type { LogRecord } from '../support/json-log.ts';
import { startPostern } from '../support/postern.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import {
  startOtlpCollector,
  type CollectedSpan,
  type OtlpCollector,
} from '../support/real/otlp-collector.ts';
import { posternCommand, posternEnv } from '../support/run.ts';

const WIKI = 'wiki.postern.test';
/** Of which there is no connection yet when it is asked first. */
const TRACED = 'traced.postern.test';
const PLAIN = 'plain.postern.test';
const DEAD = 'dead.postern.test';
const CLOSED = 'closed.postern.test';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
/** A link is measured when nothing has come over it for some seconds. */
const LINKS_MEASURED = { deadlineMs: 20_000, everyMs: 200 };
const SPANS_COME = { deadlineMs: 30_000, everyMs: 50 };

let gateway: Gateway;
let connector: Connector;
let collector: OtlpCollector;

beforeAll(async () => {
  collector = await startOtlpCollector();
  const { service } = await startHttpOrigin();
  const bypass = [{ action: 'bypass', include: ['everyone'] }];
  ({ gateway, connector } = await startPostern({
    config: {
      tracing: { 'otlp-endpoint': collector.endpoint },
      applications: [
        { name: 'wiki', hostname: WIKI, policies: bypass },
        { name: 'traced', hostname: TRACED, policies: bypass },
        { name: 'closed', hostname: CLOSED, policies: [] },
      ],
    },
    ingress: [
      { hostname: WIKI, service },
      { hostname: TRACED, service },
      { hostname: PLAIN, service },
      { hostname: CLOSED, service },
      { hostname: DEAD, service: 'http://127.0.0.1:1' },
    ],
  }));
  await connector.linksUp();
});

/** What the origin was sent, and the id that the request had. */
async function echo(
  headers: Readonly<Record<string, string>> = {},
  hostname = WIKI,
): Promise<{ sent: Map<string, string>; requestId: string }> {
  const { body } = await gateway.fetch(hostname, '/echo?secret=1', { headers });
  const { rawHeaders }: { rawHeaders: string[] } = JSON.parse(body.toString());
  const sent = new Map<string, string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    sent.set(String(rawHeaders[at]).toLowerCase(), String(rawHeaders[at + 1]));
  }
  return { sent, requestId: sent.get('x-request-id') ?? '' };
}

async function lineOf(requestId: string): Promise<LogRecord> {
  return eventually(() => {
    const line = gateway.log.find(
      (one) => one['requestId'] === requestId && one['msg'] === 'request',
    );
    expect(line).toBeDefined();
    return line as LogRecord;
  });
}

async function spansOf(traceId: string, count: number): Promise<readonly CollectedSpan[]> {
  return eventually(() => {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    expect(spans).toHaveLength(count);
    return spans;
  }, SPANS_COME);
}

describe('the access log', () => {
  it('says who took a request, and where its time went', async () => {
    const { requestId } = await echo();
    const line = await lineOf(requestId);
    expect(line).toMatchObject({
      tunnelName: connector.tunnel.name,
      tunnelId: connector.tunnel.id,
      replicaId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      application: 'wiki',
      decision: 'allow',
      path: '/echo',
      status: 200,
    });
    const [total, gatewayMs, originMs] = ['durationMs', 'gatewayMs', 'originMs'].map((field) =>
      Number(line[field]),
    );
    expect(gatewayMs).toBeGreaterThan(0);
    expect(originMs).toBeGreaterThan(0);
    expect(Number(gatewayMs) + Number(originMs)).toBeLessThanOrEqual(Number(total) + 0.2);
  });

  it('counts the wait for an origin as the time of the origin', async () => {
    const { requestId } = await echo();
    await lineOf(requestId);
    await gateway.fetch(WIKI, '/slow?ms=1000');
    await eventually(() => {
      const line = gateway.log.findLast(({ path }) => path === '/slow');
      expect(Number(line?.['originMs'])).toBeGreaterThanOrEqual(995);
      expect(Number(line?.['gatewayMs'])).toBeLessThan(900);
    });
  });
});

describe('the metrics', () => {
  it('count the requests of each application by outcome, and measure them', async () => {
    const requests = 'postern_gateway_application_requests_total';
    const ofWiki = { application: 'wiki', outcome: 'ok' };
    const before = await gateway.metric(requests, ofWiki);
    await gateway.fetch(WIKI, '/echo');
    await gateway.fetch(PLAIN, '/echo');
    await gateway.fetch(DEAD);
    await gateway.fetch(CLOSED);
    await eventually(async () => {
      expect(await gateway.metric(requests, ofWiki)).toBe(before + 1);
      expect(await gateway.metric(requests, { application: '', outcome: 'ok' })).toBe(1);
      expect(await gateway.metric(requests, { application: '', outcome: 'ORIGIN_REFUSED' })).toBe(
        1,
      );
      const closed = { application: 'closed', outcome: 'ACCESS_DENIED' };
      expect(await gateway.metric(requests, closed)).toBe(1);
      const seconds = 'postern_gateway_application_request_seconds_count';
      const wiki = { application: 'wiki', status_class: '2xx' };
      expect(await gateway.metric(seconds, wiki)).toBe(before + 1);
      const origin = 'postern_gateway_application_origin_seconds_count';
      expect(await gateway.metric(origin, { application: 'wiki' })).toBe(before + 1);
    });
  });
});

describe('links', () => {
  it('are in gateway status, by tunnel, with their round trip and the versions of connectors', async () => {
    const { name } = connector.tunnel;
    await eventually(async () => {
      const tunnel = {
        name,
        replicas: 1,
        links: 4,
        streams: expect.any(Number),
        detached: 0,
        roundTripMs: expect.any(Number),
        software: [expect.stringMatching(/^postern\/\d/)],
      };
      expect(await gateway.json('gateway', 'status')).toMatchObject({ tunnels: [tunnel] });
    }, LINKS_MEASURED);
    const { stdout } = await gateway.cli('gateway', 'status');
    expect(stdout).toMatch(/^TUNNEL +REPLICAS +LINKS +STREAMS +RTT +SOFTWARE$/m);
    expect(stdout).toMatch(new RegExp(`^${name} +1 +4 +\\d+ +[\\d.]+ ms +postern/\\d`, 'm'));
  });

  it('are in tunnel info, one by one', async () => {
    const { stdout } = await gateway.cli('tunnel', 'info', connector.tunnel.name);
    const rows = stdout
      .split('\n')
      .slice(stdout.split('\n').findIndex((row) => /^LINK +REPLICA/.test(row)));
    const links = rows.filter((row) =>
      /^\d +[0-9a-f-]{36} +127\.0\.0\.1:\d+ +\S+Z +\d+ +/.test(row),
    );
    expect(links.map((row) => row[0])).toEqual(['0', '1', '2', '3']);
    expect(links.some((row) => / [\d.]+ ms$/.test(row))).toBe(true);
  });
});

describe('tunnel tail', () => {
  it('shows requests as they end, those that are asked for, and goes on after a hand-over', async () => {
    const all = tail('-o', 'json');
    const failed = tail('--status', '5xx', '--method', 'get');
    await watchedBy(all, failed);
    const { requestId } = await echo();
    await gateway.fetch(DEAD, '/dead?secret=1');
    await eventually(() => {
      expect(linesOf(all)).toContainEqual(
        expect.objectContaining({
          type: 'request',
          requestId,
          traceId: expect.any(String),
          hostname: WIKI,
          path: '/echo',
          status: 200,
          application: 'wiki',
          client: '127.0.0.1',
          replica: expect.any(String),
          originMs: expect.any(Number),
        }),
      );
      expect(failed.output.text()).toMatch(
        /^\d\d:\d\d:\d\d\.\d{3} 502 GET dead\.postern\.test\/dead [\d.]+ ms ORIGIN_REFUSED 127\.0\.0\.1 [0-9a-f]{16}$/m,
      );
    });
    expect(`${all.output.text()}${failed.output.text()}`).not.toContain('secret');
    expect(failed.output.text()).not.toContain(WIKI);

    await gateway.reload();
    await eventually(() => {
      const ready = linesOf(all).filter((line) => line['type'] === 'ready');
      expect(ready).toHaveLength(2);
    });
    const later = await echo();
    await eventually(() => {
      expect(linesOf(all)).toContainEqual(expect.objectContaining({ requestId: later.requestId }));
    });
    await connector.linksUp();
  });

  it('ends when nobody reads its output any more', async () => {
    const [node, args] = posternCommand('tunnel', 'tail', connector.tunnel.name);
    const words = [node, ...args, '--config', gateway.configFile].map((word) => `'${word}'`);
    const reader = startProcess('sh', ['-c', `${words.join(' ')} | head -n 1`], {
      env: posternEnv(),
    });
    let isOver = false;
    void reader.exited.then(() => (isOver = true));
    await eventually(async () => {
      await echo();
      return isOver;
    }, SPANS_COME);
    expect(await reader.exited).toMatchObject({ code: 0 });
    expect(reader.output.text()).toMatch(/ 200 GET wiki\.postern\.test\/echo /);
  });

  it('says what is wrong with a filter, a tunnel, or a gateway that does not run', async () => {
    const { name } = connector.tunnel;
    expect(await gateway.cli('tunnel', 'tail', name, '--status', '9xx')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ADMIN_BAD_REQUEST'),
    });
    expect(await gateway.cli('tunnel', 'tail', 'nobody')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('STORE_NOT_FOUND'),
    });
  });
});

function tail(...words: readonly string[]): TestProcess {
  const [node, args] = posternCommand('tunnel', 'tail', connector.tunnel.name, ...words);
  return startProcess(node, [...args, '--config', gateway.configFile], { env: posternEnv() });
}

/** Resolves when a request is shown by all of them. */
async function watchedBy(...tails: readonly TestProcess[]): Promise<void> {
  await eventually(async () => {
    await gateway.fetch(DEAD);
    for (const { output } of tails) expect(output.text()).toContain(DEAD);
  }, SPANS_COME);
}

/** What one with `-o json` printed. */
function linesOf({ stdout }: TestProcess): LogRecord[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): LogRecord => JSON.parse(line));
}

describe('a trace', () => {
  it('goes on from the user to the origin, with a span for each part', async () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    const { sent, requestId } = await echo({ traceparent, tracestate: 'vendor=x' }, TRACED);
    expect(await lineOf(requestId)).toMatchObject({ traceId: TRACE });
    const spans = await spansOf(TRACE, 3);
    const [own] = spans.filter(({ kind }) => kind === 2);
    const [link] = spans.filter(({ kind }) => kind === 1);
    const [origin] = spans.filter(({ kind }) => kind === 3);
    expect(own).toMatchObject({
      parentSpanId: SPAN,
      name: 'GET',
      attributes: {
        'http.request.method': 'GET',
        'http.response.status_code': '200',
        'server.address': TRACED,
        'url.path': '/echo',
        'postern.request_id': requestId,
        'postern.application': 'traced',
        'postern.tunnel': connector.tunnel.name,
      },
    });
    expect(link).toMatchObject({ parentSpanId: own?.spanId, name: 'open stream' });
    expect(origin).toMatchObject({ parentSpanId: own?.spanId });
    expect(sent.get('traceparent')).toBe(`00-${TRACE}-${origin?.spanId}-01`);
    expect(sent.get('tracestate')).toBe('vendor=x');
    const at = (text: string | undefined) => BigInt(text ?? 0);
    expect(at(own?.startTimeUnixNano)).toBeLessThanOrEqual(at(link?.startTimeUnixNano));
    expect(at(link?.endTimeUnixNano)).toBeLessThanOrEqual(at(origin?.startTimeUnixNano));
    expect(at(origin?.endTimeUnixNano)).toBeLessThanOrEqual(at(own?.endTimeUnixNano));
    expect(JSON.stringify(spans)).not.toContain('secret');
  });

  it('begins at the gateway where there is none, or none that is valid', async () => {
    const { sent, requestId } = await echo({ traceparent: 'mine', tracestate: 'mine=1' });
    const { traceId } = await lineOf(requestId);
    expect(sent.get('traceparent')).toMatch(new RegExp(`^00-${String(traceId)}-[0-9a-f]{16}-01$`));
    expect(sent.has('tracestate')).toBe(false);
    // The connection was there already.
    const spans = await spansOf(String(traceId), 2);
    expect(spans.find(({ kind }) => kind === 2)?.parentSpanId).toBeUndefined();
  });

  it('says what failed, and where', async () => {
    const traceId = TRACE.replace('4', 'a');
    await gateway.fetch(DEAD, '/', { headers: { traceparent: `00-${traceId}-${SPAN}-01` } });
    const spans = await spansOf(traceId, 2);
    expect(spans.find(({ kind }) => kind === 2)).toMatchObject({
      attributes: { 'error.type': 'ORIGIN_REFUSED', 'http.response.status_code': '502' },
      status: { code: 2 },
    });
    expect(spans.find(({ kind }) => kind === 1)).toMatchObject({ status: { code: 2 } });
  });

  it('has no spans here where its caller does not record it, and its fields go past', async () => {
    const traceparent = `00-${TRACE.replace('4', 'b')}-${SPAN}-00`;
    const { sent } = await echo({ traceparent, tracestate: 'vendor=x' });
    expect([sent.get('traceparent'), sent.get('tracestate')]).toEqual([traceparent, 'vendor=x']);
    // What comes later has arrived.
    const { requestId } = await echo();
    await spansOf(String((await lineOf(requestId))['traceId']), 2);
    expect(collector.spans.some(({ traceId }) => traceId === TRACE.replace('4', 'b'))).toBe(false);
  });

  it('holds up no request when the collector is gone, and is counted', async () => {
    collector.stop();
    const agent = false;
    const ask = () =>
      new Promise<number>((resolve, reject) => {
        const path = '/slow?ms=20';
        const options = { ...gateway.connectOptions(WIKI), agent, path, headers: { host: WIKI } };
        const asked = request(options, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        asked.on('error', reject).end();
      });
    const statuses = await Promise.all(Array.from({ length: 20 }, ask));
    expect(statuses.every((status) => status === 200)).toBe(true);
    const lost = { outcome: 'failed' };
    await eventually(
      async () =>
        expect(await gateway.metric('postern_gateway_trace_spans_total', lost)).toBeGreaterThan(0),
      SPANS_COME,
    );
    expect(gateway.log).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: 'spans cannot be delivered' }),
    );
  });
});
