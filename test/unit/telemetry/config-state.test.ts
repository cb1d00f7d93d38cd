import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { PosternError } from '../../../src/core/error.ts';
import { ConfigState } from '../../../src/telemetry/config-state.ts';

const AT = Date.UTC(2026, 10, 21, 12);

async function valueOf(registry: Registry, name: string): Promise<unknown> {
  const metric = await registry.getSingleMetric(name)?.get();
  return metric?.values.map(({ labels, value }) => [Object.values(labels).join(' '), value]);
}

describe('ConfigState', () => {
  it('says nothing before a file has changed', () => {
    expect(new ConfigState().status).toEqual({ waiting: [] });
  });

  it('remembers a refusal until a configuration is taken, and what is in force stays', () => {
    const state = new ConfigState();
    state.taken(AT, ['listen']);
    state.refused(AT + 1000, new PosternError('CONFIG_SYNTAX', 'gateway.yaml:3: not YAML'));
    expect(state.status).toEqual({
      since: '2026-11-21T12:00:00.000Z',
      waiting: ['listen'],
      refused: {
        at: '2026-11-21T12:00:01.000Z',
        code: 'CONFIG_SYNTAX',
        message: 'gateway.yaml:3: not YAML',
      },
    });
    state.taken(AT + 2000, []);
    expect(state.status).toEqual({ since: '2026-11-21T12:00:02.000Z', waiting: [] });
  });

  it('keeps no longer a message than it must', () => {
    const state = new ConfigState();
    state.refused(AT, new Error('x'.repeat(100_000)));
    expect(state.status.refused).toMatchObject({ code: 'other' });
    expect(state.status.refused?.message.length).toBeLessThanOrEqual(2_000);
  });

  it('is in the metrics', async () => {
    const state = new ConfigState();
    const registry = new Registry();
    state.addMetrics(registry, 'x');
    state.taken(AT, ['listen', 'domain']);
    state.refused(AT, new PosternError('CONFIG_TLS', 'no'));
    state.refused(AT, new Error('made up'));
    expect(await valueOf(registry, 'x_config_reloads_total')).toEqual([
      ['ok', 1],
      ['CONFIG_TLS', 1],
      ['other', 1],
    ]);
    expect(await valueOf(registry, 'x_config_refused')).toEqual([['', 1]]);
    expect(await valueOf(registry, 'x_config_waiting')).toEqual([['', 2]]);
    state.taken(AT, []);
    expect(await valueOf(registry, 'x_config_refused')).toEqual([['', 0]]);
  });
});
