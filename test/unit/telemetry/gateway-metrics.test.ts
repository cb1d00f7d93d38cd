/** What a gateway's `/metrics` shows. */
import { describe, expect, it } from '@jest/globals';
import { PosternError } from '../../../src/core/error.ts';
import {
  GatewayMetrics,
  MAX_TUNNEL_LABELS,
  OTHER_TUNNELS,
} from '../../../src/telemetry/gateway-metrics.ts';
import { cpuMs } from '../../support/cpu-time.ts';

function create(): GatewayMetrics {
  return new GatewayMetrics({ version: '1.2.3' });
}

/** The lines of the exposition that begin with `name`, without help and type. */
async function lines(metrics: GatewayMetrics, name: string): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text.split('\n').filter((line) => line.startsWith(name));
}

describe('GatewayMetrics', () => {
  it('shows links, replicas and open streams of each tunnel', async () => {
    const metrics = create();
    const web = metrics.tunnel('web');
    web.replicaJoined();
    web.linkOpened();
    web.linkOpened();
    web.linkClosed();
    web.streamOpened();
    web.streamOpened();
    web.streamClosed('http');
    metrics.tunnel('db').replicaJoined();
    metrics.tunnel('db').replicaLeft();
    expect(await lines(metrics, 'postern_gateway_links{')).toEqual([
      'postern_gateway_links{tunnel="web"} 1',
      'postern_gateway_links{tunnel="db"} 0',
    ]);
    expect(await lines(metrics, 'postern_gateway_replicas{')).toEqual([
      'postern_gateway_replicas{tunnel="web"} 1',
      'postern_gateway_replicas{tunnel="db"} 0',
    ]);
    expect(await lines(metrics, 'postern_gateway_streams_open{')).toEqual([
      'postern_gateway_streams_open{tunnel="web"} 1',
      'postern_gateway_streams_open{tunnel="db"} 0',
    ]);
  });

  it('counts ended streams by kind and outcome, and their bytes by direction', async () => {
    const metrics = create();
    const web = metrics.tunnel('web');
    for (const error of [
      undefined,
      undefined,
      new PosternError('STREAM_RESET', 'x'),
      Object.assign(new Error('x'), { code: 'ECONNRESET' }),
    ]) {
      web.streamOpened();
      web.streamClosed('tcp', error);
    }
    web.addBytes('to-origin', 3);
    web.addBytes('to-origin', 4);
    web.addBytes('from-origin', 2 ** 40);
    expect(await lines(metrics, 'postern_gateway_streams_total')).toEqual([
      'postern_gateway_streams_total{tunnel="web",kind="tcp",outcome="ok"} 2',
      'postern_gateway_streams_total{tunnel="web",kind="tcp",outcome="STREAM_RESET"} 1',
      'postern_gateway_streams_total{tunnel="web",kind="tcp",outcome="other"} 1',
    ]);
    expect(await lines(metrics, 'postern_gateway_stream_bytes_total')).toEqual([
      'postern_gateway_stream_bytes_total{tunnel="web",direction="to-origin"} 7',
      `postern_gateway_stream_bytes_total{tunnel="web",direction="from-origin"} ${2 ** 40}`,
    ]);
  });

  it('shows the same totals at each scrape', async () => {
    const metrics = create();
    metrics.tunnel('web').addBytes('to-origin', 7);
    metrics.registration();
    const first = await lines(metrics, 'postern_gateway_stream_bytes');
    expect(await lines(metrics, 'postern_gateway_stream_bytes')).toEqual(first);
    expect(await lines(metrics, 'postern_gateway_registrations_total')).toEqual([
      'postern_gateway_registrations_total{outcome="ok"} 1',
    ]);
  });

  it('counts requests by class of status, also those that reached no tunnel, and times them', async () => {
    const metrics = create();
    metrics.tunnel('web').httpRequest(200, 0.02);
    metrics.tunnel('web').httpRequest(101, 0.02);
    metrics.tunnel('web').httpRequest(999, 0.02);
    metrics.noTunnel.httpRequest(404, 3);
    expect(await lines(metrics, 'postern_gateway_http_requests_total')).toEqual([
      'postern_gateway_http_requests_total{tunnel="web",status_class="2xx"} 1',
      'postern_gateway_http_requests_total{tunnel="web",status_class="1xx"} 1',
      'postern_gateway_http_requests_total{tunnel="web",status_class="other"} 1',
      'postern_gateway_http_requests_total{tunnel="",status_class="4xx"} 1',
    ]);
    const seconds = await lines(metrics, 'postern_gateway_http_request_seconds');
    expect(seconds).toContain('postern_gateway_http_request_seconds_bucket{le="0.025"} 3');
    expect(seconds).toContain('postern_gateway_http_request_seconds_count 4');
  });

  it('counts resumes, registrations and protocol errors', async () => {
    const metrics = create();
    metrics.tunnel('web').streamResumed();
    metrics.tunnel('web').streamResumed(new PosternError('STREAM_UNKNOWN', 'x'));
    metrics.registration(new PosternError('REGISTER_REFUSED', 'x'));
    metrics.protoError(new PosternError('PROTO_BAD_FRAME', 'x'));
    metrics.connectionRefused(new PosternError('TCP_DENIED', 'x'));
    metrics.countDetached = () => 5;
    expect(await lines(metrics, 'postern_gateway_stream_resumes_total')).toEqual([
      'postern_gateway_stream_resumes_total{tunnel="web",outcome="ok"} 1',
      'postern_gateway_stream_resumes_total{tunnel="web",outcome="STREAM_UNKNOWN"} 1',
    ]);
    expect(await lines(metrics, 'postern_gateway_registrations_total')).toEqual([
      'postern_gateway_registrations_total{outcome="REGISTER_REFUSED"} 1',
    ]);
    expect(await lines(metrics, 'postern_gateway_proto_errors_total')).toEqual([
      'postern_gateway_proto_errors_total{code="PROTO_BAD_FRAME"} 1',
    ]);
    expect(await lines(metrics, 'postern_gateway_connections_refused_total')).toEqual([
      'postern_gateway_connections_refused_total{code="TCP_DENIED"} 1',
    ]);
    expect(await lines(metrics, 'postern_gateway_detached_streams')).toEqual([
      'postern_gateway_detached_streams 5',
    ]);
  });

  it('never takes a label from a peer', async () => {
    const metrics = create();
    metrics.protoError({ code: 'evil"} 1\nforged 1' });
    metrics.protoError({ code: 'toString' });
    expect(await lines(metrics, 'postern_gateway_proto_errors_total')).toEqual([
      'postern_gateway_proto_errors_total{code="other"} 2',
    ]);
  });

  it('gives tunnels beyond the limit one label together, and keeps their sum', async () => {
    const metrics = create();
    for (let i = 0; i < MAX_TUNNEL_LABELS; i += 1) metrics.tunnel(`t${i}`);
    expect(await lines(metrics, 'postern_gateway_links{')).toHaveLength(MAX_TUNNEL_LABELS);
    metrics.tunnel('late').linkOpened();
    metrics.tunnel('later').linkOpened();
    const links = await lines(metrics, 'postern_gateway_links{');
    expect(links).toHaveLength(MAX_TUNNEL_LABELS + 1);
    expect(links.at(-1)).toBe(`postern_gateway_links{tunnel="${OTHER_TUNNELS}"} 2`);
    metrics.removeTunnel('t0');
    metrics.removeTunnel('late');
    expect(await lines(metrics, 'postern_gateway_links{')).toHaveLength(MAX_TUNNEL_LABELS);
    metrics.tunnel('new').linkOpened();
    expect(await lines(metrics, 'postern_gateway_links{tunnel="new"')).toHaveLength(1);
  });

  it('shows a tunnel that is itself called other', async () => {
    const metrics = create();
    metrics.tunnel(OTHER_TUNNELS).linkOpened();
    expect(await lines(metrics, 'postern_gateway_links{')).toEqual([
      'postern_gateway_links{tunnel="other"} 1',
    ]);
  });

  it('forgets a removed tunnel, whatever still ends in it', async () => {
    const metrics = create();
    const web = metrics.tunnel('web');
    web.linkOpened();
    web.streamOpened();
    web.httpRequest(200, 1);
    metrics.removeTunnel('web');
    web.streamClosed('tcp');
    web.linkClosed();
    expect(await metrics.registry.metrics()).not.toContain('tunnel="web"');
    metrics.tunnel('web').linkOpened();
    expect(await lines(metrics, 'postern_gateway_links{')).toEqual([
      'postern_gateway_links{tunnel="web"} 1',
    ]);
  });

  it('escapes what a label cannot hold', async () => {
    const metrics = create();
    metrics.tunnel('a"\n\\').linkOpened();
    expect(await lines(metrics, 'postern_gateway_links{')).toEqual([
      'postern_gateway_links{tunnel="a\\"\\n\\\\"} 1',
    ]);
  });

  it('says which version runs', async () => {
    expect(await lines(create(), 'postern_gateway_build_info')).toEqual([
      `postern_gateway_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
    ]);
  });

  it('shares the process and nothing else with other gateways', async () => {
    const [one, two] = [create(), create()];
    one.tunnel('web').linkOpened();
    expect(await two.registry.metrics()).not.toContain('tunnel="web"');
    for (const metrics of [one, two]) {
      expect(await lines(metrics, 'process_cpu_seconds_total')).toHaveLength(1);
      expect(await lines(metrics, 'nodejs_eventloop_lag_p99_seconds')).toHaveLength(1);
    }
  });

  it('counts a chunk in a microsecond or two, on any machine', () => {
    const web = create().tunnel('web');
    const start = process.cpuUsage();
    for (let i = 0; i < 1_000_000; i += 1) web.addBytes('to-origin', 1);
    expect(cpuMs(start)).toBeLessThan(2_000);
  });
});
