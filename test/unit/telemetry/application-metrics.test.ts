/** What `/metrics` shows of each application. */
import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import {
  ApplicationMetrics,
  MAX_APPLICATION_LABELS,
  type ApplicationRequest,
} from '../../../src/telemetry/application-metrics.ts';

const REQUEST: ApplicationRequest = {
  application: 'wiki',
  outcome: 'ok',
  status: 200,
  seconds: 0.02,
  originSeconds: 0.004,
  isUpgraded: false,
};

function create() {
  const registry = new Registry();
  const metrics = new ApplicationMetrics(registry);
  const lines = async (pattern: RegExp) =>
    (await registry.metrics()).split('\n').filter((line) => pattern.test(line));
  return { metrics, lines };
}

describe('ApplicationMetrics', () => {
  it('counts requests by application and outcome, and measures them by status', async () => {
    const { metrics, lines } = create();
    metrics.request(REQUEST);
    metrics.request({ ...REQUEST, seconds: 0.2, originSeconds: 0.3 });
    metrics.request({
      ...REQUEST,
      outcome: 'ORIGIN_REFUSED',
      status: 502,
      originSeconds: undefined,
    });
    metrics.request({ ...REQUEST, application: '' });
    expect(await lines(/requests_total{/)).toEqual([
      'postern_gateway_application_requests_total{application="",outcome="ok"} 1',
      'postern_gateway_application_requests_total{application="wiki",outcome="ok"} 2',
      'postern_gateway_application_requests_total{application="wiki",outcome="ORIGIN_REFUSED"} 1',
    ]);
    expect(await lines(/request_seconds_count.*wiki/)).toEqual([
      'postern_gateway_application_request_seconds_count{application="wiki",status_class="2xx"} 2',
      'postern_gateway_application_request_seconds_count{application="wiki",status_class="5xx"} 1',
    ]);
    expect(await lines(/request_seconds_bucket{le="0.025".*wiki.*2xx/)).toEqual([
      expect.stringMatching(/ 1$/),
    ]);
    expect(await lines(/origin_seconds_(?:count|sum).*wiki/)).toEqual([
      'postern_gateway_application_origin_seconds_sum{application="wiki"} 0.304',
      'postern_gateway_application_origin_seconds_count{application="wiki"} 2',
    ]);
  });

  it('does not measure how long a WebSocket lived', async () => {
    const { metrics, lines } = create();
    metrics.request({ ...REQUEST, status: 101, seconds: 3600, isUpgraded: true });
    expect(await lines(/requests_total{.*wiki/)).toHaveLength(1);
    expect(await lines(/request_seconds_count/)).toEqual([]);
    expect(await lines(/origin_seconds_count/)).toHaveLength(1);
  });

  it('has a bounded number of series, and a request cannot make one up', async () => {
    const { metrics, lines } = create();
    for (let index = 0; index < MAX_APPLICATION_LABELS + 50; index += 1) {
      metrics.request({ ...REQUEST, application: `app-${index}` });
    }
    const counted = await lines(/requests_total{/);
    expect(counted).toHaveLength(MAX_APPLICATION_LABELS + 1);
    expect(counted.at(-1)).toMatch(/application="other",outcome="ok"} 50$/);
  });

  it('forgets an application that is gone, and has room for another', async () => {
    const { metrics, lines } = create();
    metrics.request(REQUEST);
    metrics.request({ ...REQUEST, status: 404 });
    metrics.request({ ...REQUEST, application: 'shop' });
    metrics.keep(['shop']);
    expect(await lines(/wiki/)).toEqual([]);
    expect(await lines(/shop/)).not.toEqual([]);
    metrics.request(REQUEST);
    expect(await lines(/requests_total{.*wiki/)).toEqual([expect.stringMatching(/ 1$/)]);
  });
});
