import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadConnectorConfig } from '../../../../src/config/connector/connector-config.ts';

const FILES = fileURLToPath(new URL('../../../golden/config/files', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-connector-'));
  await mkdir(join(folder, 'deep'));
  await writeFile(join(folder, 'deep', 'ca.pem'), await readFile(join(FILES, 'ca.pem')));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(content: string, flags: Record<string, unknown> = {}) {
  const file = join(folder, 'deep', 'config.yml');
  await writeFile(file, content);
  return loadConnectorConfig(file, { env: {}, flags });
}

it('loadConnectorConfig() needs no file when flags say enough', async () => {
  const flags = { gateway: ['https://gw.example.com'], url: 'ssh://localhost', tunnel: undefined };
  const config = await loadConnectorConfig(undefined, { env: {}, flags });
  expect(config.file).toBeUndefined();
  expect(config.gateways).toEqual(['https://gw.example.com']);
  expect(config.ingress).toMatchObject([{ service: { kind: 'tcp', port: 22 } }]);
});

it('loadConnectorConfig() says what is missing when there is no file', async () => {
  await expect(loadConnectorConfig(undefined, { env: {} })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/^command line: gateway: is missing; /),
  });
});

it('file names count from the file they stand in, and those of flags from here', async () => {
  const fromFile = await load('gateway: https://a\nca: ca.pem\n');
  expect(fromFile.caFile).toBe(join(folder, 'deep', 'ca.pem'));
  const here = relative(process.cwd(), join(FILES, 'ca.pem'));
  const fromFlag = await load('gateway: https://a\nca: nowhere.pem\n', { ca: here });
  expect(fromFlag.caFile).toBe(resolve(here));
});

it('a token file given by a flag wins over the credentials file of the file', async () => {
  const content = 'gateway: https://a\ncredentials-file: nowhere.json\n';
  const flags = { 'token-file': join(FILES, 'token') };
  expect((await load(content, flags)).credentialsFile).toBe(join(FILES, 'token'));
});

it('a name from the environment may be a number, and a number may be too', async () => {
  const env = { POSTERN_GATEWAY: 'https://a', POSTERN_TUNNEL: '007', POSTERN_LINKS: '2' };
  const config = await loadConnectorConfig(undefined, { env });
  expect(config).toMatchObject({ tunnel: '007', linkCount: 2 });
});

it.each([
  ['loglevel', '--log-level: loglevel: must be one of'],
  ['token-file', '--token-file: token-file: file "nonsense" does not exist'],
  ['originRequest', '--originRequest: originRequest: must be a mapping'],
])('names the flag that sets %s as it is typed', async (key, start) => {
  await expect(load('gateway: https://a\n', { [key]: 'nonsense' })).rejects.toMatchObject({
    message: expect.stringContaining(start),
  });
});

it('reads the environment of the process when no other is given', async () => {
  process.env['POSTERN_GATEWAY'] = 'https://from-the-environment';
  try {
    const { gateways } = await loadConnectorConfig(undefined);
    expect(gateways).toEqual(['https://from-the-environment']);
  } finally {
    delete process.env['POSTERN_GATEWAY'];
  }
});

it('a rule has its own caPool, or the one for all', async () => {
  const other = join(FILES, 'cert.pem');
  const config = await load(`gateway: https://a
originRequest: { caPool: ca.pem }
ingress:
  - { hostname: a.example.com, service: "https://a", originRequest: { caPool: ${other} } }
  - { hostname: b.example.com, service: "https://b", originRequest: { tlsTimeout: 1s } }
  - { service: "http_status:404" }
`);
  const caFiles = config.ingress.map(({ originRequest }) => originRequest.caFile);
  const common = join(folder, 'deep', 'ca.pem');
  expect(caFiles).toEqual([other, common, common]);
});

function rules(count: number): string {
  const rule = '  - { hostname: a.example.com, service: "http://a" }\n';
  return `gateway: https://a\ningress:\n${rule.repeat(count - 1)}  - service: http_status:404\n`;
}

it('takes 500 rules and refuses one more', async () => {
  expect((await load(rules(500))).ingress).toHaveLength(500);
  await expect(load(rules(501))).rejects.toMatchObject({
    code: 'CONFIG_INGRESS',
    message: expect.stringMatching(/ingress: has 501 rules, more than 500; /),
  });
});
