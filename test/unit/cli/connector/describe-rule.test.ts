import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { changedOptions, describeRule } from '../../../../src/cli/connector/describe-rule.ts';
import { loadConnectorConfig } from '../../../../src/config/connector/connector-config.ts';
import { tempDir } from '../../../support/temp-dir.ts';

it.each([
  'http://127.0.0.1:8080',
  'https://[::1]:8443',
  'unix:/run/app.sock',
  'unix+tls:/run/app.sock',
  'ssh://127.0.0.1:22',
  'amqp://[::1]:5672',
  'http_status:404',
  'hello_world',
])('describeRule() writes %s as a file would', async (service) => {
  const file = join(tempDir('rule'), 'config.yml');
  const rule = JSON.stringify({ hostname: '*.example.com', path: '^/a', service });
  writeFileSync(
    file,
    `gateway: https://gw\ningress:\n  - ${rule}\n  - { service: "http_status:404" }\n`,
  );
  const { ingress } = await loadConnectorConfig(file, { env: {} });
  expect(ingress.map(describeRule)).toEqual([
    { rule: 1, id: expect.any(String), hostname: '*.example.com', path: '^/a', service },
    { rule: 2, id: expect.any(String), hostname: '*', service: 'http_status:404' },
  ]);
});

it('changedOptions() lists what is not at its default', async () => {
  const file = join(tempDir('rule'), 'config.yml');
  const originRequest = { connectTimeout: '10s', noTLSVerify: true, tlsTimeout: '10s' };
  const rewrite = { path: '^/api/', to: '/' };
  const rule = JSON.stringify({
    hostname: 'a.example.com',
    service: 'https://a',
    originRequest,
    rewrite,
  });
  writeFileSync(
    file,
    `gateway: https://gw\ningress:\n  - ${rule}\n  - { service: "http_status:404" }\n`,
  );
  const { ingress } = await loadConnectorConfig(file, { env: {} });
  expect(ingress.map(changedOptions)).toEqual([
    {
      connectTimeoutMs: '10000',
      tlsVerification: 'none',
      rewrite: expect.stringContaining('^/api/'),
    },
    {},
  ]);
});
