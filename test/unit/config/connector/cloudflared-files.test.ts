/**
 * Files as cloudflared's documentation has them, written anew: one line, `gateway:`, is added, and at the place of the
 * credentials are those of a tunnel of ours. Each runs, or is refused with what to do instead.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { describeRule } from '../../../../src/cli/connector/describe-rule.ts';
import {
  loadConnectorConfig,
  type ConnectorConfig,
} from '../../../../src/config/connector/connector-config.ts';
import { matchRule } from '../../../../src/config/connector/ingress-rule.ts';
import { ROOT } from '../../../arch/module-graph.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const FILES = join(ROOT, 'test/golden/cloudflared');
const ID = '0f8fad5b-d9cb-469f-a165-70867728950e';

let folder: string;

beforeAll(async () => {
  folder = tempDir('cloudflared');
  const token = JSON.parse(
    await readFile(join(ROOT, 'test/golden/config/files/credentials.json'), 'utf8'),
  );
  const credentials = { ...token, name: 'example-tunnel' };
  await writeFile(join(folder, `${ID}.json`), JSON.stringify(credentials), { mode: 0o600 });
});

async function load(name: string): Promise<ConnectorConfig> {
  const file = join(folder, 'config.yml');
  const written = await readFile(join(FILES, `${name}.yml`), 'utf8');
  await writeFile(file, `gateway: https://gateway.example.com\n${written}`);
  return loadConnectorConfig(file, { env: {} });
}

/** Which service a URL meets in each file that runs. */
const RUNS: readonly (readonly [name: string, meets: Readonly<Record<string, string>>])[] = [
  [
    'two-services',
    {
      'https://git.example.com/x': 'http://localhost:80',
      'https://git-ssh.example.com': 'ssh://localhost:22',
      'https://other.example.com': 'http_status:404',
    },
  ],
  [
    'several-rules',
    {
      'https://example.com/a.png': 'https://localhost:8000',
      'https://static.example.com/a/b.css': 'https://localhost:8001',
      'https://static.example.com/a/b.html': 'https://localhost:8002',
      'https://a.b.example.com/': 'https://localhost:8002',
      'https://elsewhere.test/': 'https://localhost:8003',
    },
  ],
  [
    'origin-options',
    {
      'https://tunnel.example.com/': 'http://localhost:8000',
      'https://tunnel2.example.com/': 'http://localhost:8001',
    },
  ],
  ['every-option', { 'https://www.example.com/': 'http://localhost:8080' }],
  [
    'every-service',
    {
      'https://http.example.com/': 'http://localhost:8000',
      'https://https.example.com/': 'https://localhost:8001',
      'https://unix.example.com/': 'unix:/home/production/echo.sock',
      'https://unix-tls.example.com/': 'unix+tls:/home/production/echo.sock',
      'https://tcp.example.com/': 'tcp://localhost:2222',
      'https://ssh.example.com/': 'ssh://localhost:22',
      'https://rdp.example.com/': 'rdp://localhost:3389',
      'https://smb.example.com/': 'smb://localhost:445',
      'https://test.example.com/': 'hello_world',
      'https://example.com/': 'http_status:404',
    },
  ],
  ['kubectl', { 'https://cluster.example.com': 'tcp://kubernetes.docker.internal:6443' }],
  ['socks', { 'https://socks.example.com': 'socks-proxy' }],
  [
    'in-a-pod',
    {
      'https://tunnel.example.com/': 'http://web-service:80',
      'https://hello.example.com/': 'hello_world',
    },
  ],
  ['one-service', { 'https://anything.test/': 'http://localhost:8000' }],
  ['connector-checks-access', { 'https://tunnel1.example.com/': 'http://localhost:8080' }],
];

const REFUSED: readonly (readonly [name: string, says: RegExp])[] = [
  ['refused-private-network', /^.*:4: warp-routing: .*networks are not routed.*; remove it$/],
  ['refused-bastion', /^.*:6: ingress\[0\]\.service: reaches nothing without ipRules; say what/],
  ['refused-team', /access\.teamName: .*remove it and name them in audTag$/],
  ['refused-log-file', /^.*:4: logfile: .*logs go to stderr; let systemd/],
];

describe("cloudflared's files", () => {
  it.each(RUNS)('%s runs, and leads where it did', async (name, meets) => {
    const { ingress, credentialsFile } = await load(name);
    expect(credentialsFile).toBe(join(folder, `${ID}.json`));
    for (const [text, service] of Object.entries(meets)) {
      const { hostname, pathname } = new URL(text);
      const rule = matchRule(ingress, hostname, pathname);
      expect([text, rule && describeRule(rule).service]).toEqual([text, service]);
    }
  });

  it.each(REFUSED)('%s is refused with a reason', async (name, says) => {
    await expect(load(name)).rejects.toThrow(says);
  });

  it('all are here', async () => {
    const here = (await readdir(FILES)).map((file) => file.replace('.yml', ''));
    expect([...RUNS, ...REFUSED].map(([name]) => name).toSorted()).toEqual(here.toSorted());
  });

  it('with every option at its default mean what they mean without', async () => {
    const [every, none] = [await load('every-option'), await load('two-services')];
    expect({ ...every.ingress[0]?.originRequest, ipRules: undefined }).toEqual(
      none.ingress[0]?.originRequest,
    );
    const { ingress } = await load('origin-options');
    expect(ingress.map(({ originRequest }) => originRequest.connectTimeoutMs)).toEqual([
      30_000, 10_000, 30_000,
    ]);
    const { ingress: cluster } = await load('kubectl');
    expect(cluster[0]?.originRequest).toHaveProperty('proxyType', 'socks');
  });
});
