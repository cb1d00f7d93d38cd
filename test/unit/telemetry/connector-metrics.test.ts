/** What a connector's `/metrics` shows. */
import { describe, expect, it } from '@jest/globals';
import { PosternError } from '../../../src/core/error.ts';
import { ConnectorMetrics } from '../../../src/telemetry/connector-metrics.ts';

/** The samples of Postern's own metrics, `name{labels} value`. */
async function samples(metrics: ConnectorMetrics): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text.split('\n').filter((line) => line.startsWith('postern_'));
}

describe('ConnectorMetrics', () => {
  it('starts at zero and not ready', async () => {
    expect(await samples(new ConnectorMetrics({ version: '1.2.3' }))).toEqual([
      `postern_connector_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
      'postern_connector_links 0',
      'postern_connector_streams_open 0',
      'postern_connector_unhealthy_rules 0',
      'postern_connector_ready 0',
      'postern_connector_stream_bytes_total{direction="to-origin"} 0',
      'postern_connector_stream_bytes_total{direction="from-origin"} 0',
      'postern_connector_config_refused 0',
      'postern_connector_config_waiting 0',
    ]);
  });

  it('counts links, dials, streams, bytes and origins', async () => {
    const metrics = new ConnectorMetrics({ version: '1.2.3' });
    metrics.isReady = () => true;
    metrics.linkDialled(new PosternError('LINK_DNS', 'x'));
    metrics.linkDialled();
    metrics.linkOpened();
    metrics.linkOpened();
    metrics.linkClosed();
    metrics.streamOpened();
    metrics.streamOpened();
    metrics.streamClosed('http', new PosternError('STREAM_LOST', 'x'));
    metrics.originConnected();
    metrics.originConnected(new PosternError('ORIGIN_REFUSED', 'x'));
    metrics.addBytes('to-origin', 10);
    metrics.addBytes('from-origin', 20);
    expect(await samples(metrics)).toEqual(
      expect.arrayContaining([
        'postern_connector_links 1',
        'postern_connector_streams_open 1',
        'postern_connector_ready 1',
        'postern_connector_link_dials_total{outcome="LINK_DNS"} 1',
        'postern_connector_link_dials_total{outcome="ok"} 1',
        'postern_connector_streams_total{kind="http",outcome="STREAM_LOST"} 1',
        'postern_connector_origin_connects_total{outcome="ok"} 1',
        'postern_connector_origin_connects_total{outcome="ORIGIN_REFUSED"} 1',
        'postern_connector_stream_bytes_total{direction="to-origin"} 10',
        'postern_connector_stream_bytes_total{direction="from-origin"} 20',
      ]),
    );
  });

  it('shows the process too', async () => {
    const text = await new ConnectorMetrics({ version: '1' }).registry.metrics();
    expect(text).toContain('process_resident_memory_bytes');
  });
});
