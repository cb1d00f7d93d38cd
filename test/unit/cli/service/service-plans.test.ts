/** What can be seen of plans anywhere; on a machine of their own, units are held against systemd in systemd.test.ts. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { connectorPlan } from '../../../../src/cli/service/connector-plan.ts';
import { gatewayPlan, socketAddresses } from '../../../../src/cli/service/gateway-plan.ts';
import { serviceName } from '../../../../src/cli/service/service-arguments.ts';
import { checkVisible, stopSeconds } from '../../../../src/cli/service/service-plan.ts';
import { removeOurs, writeChanged } from '../../../../src/cli/service/written-files.ts';
import { newId } from '../../../../src/core/id.ts';
import { formatTunnelToken, TUNNEL_SECRET_BYTES } from '../../../../src/core/tunnel-token.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const TOKEN = formatTunnelToken(newId(), randomBytes(TUNNEL_SECRET_BYTES));

/** A folder with a configuration of each kind. */
function configs(connector = ''): { readonly gateway: string; readonly connector: string } {
  const dir = tempDir('service');
  const files = { gateway: join(dir, 'gateway.yaml'), connector: join(dir, 'config.yml') };
  writeFileSync(files.gateway, 'domain: postern.test\nlisten: { https: ":8443" }\n');
  const rules = 'gateway: https://gw.test\ningress: [{ service: "http_status:204" }]\n';
  writeFileSync(files.connector, `${rules}grace-period: 90s\n${connector}`);
  writeFileSync(join(dir, 'token'), `${TOKEN}\n`, { mode: 0o600 });
  return files;
}

describe('gatewayPlan()', () => {
  it('runs the gateway of a configuration', async () => {
    const { gateway } = configs();
    const plan = await gatewayPlan(gateway, 'launchd');
    expect(plan.files[0]?.content).toContain(`<string>${gateway}</string>`);
  });

  it('leaves home folders and temporary ones alone', async () => {
    const { gateway } = configs();
    await expect(gatewayPlan(gateway, 'systemd')).rejects.toMatchObject({ code: 'CLI_USAGE' });
  });

  it('has systemd hold what has a fixed port at an address', () => {
    const at = (host: string, port: number) => ({ host, port });
    const range = { host: '10.0.0.1', port: 5000, lastPort: 5001 };
    const tcp = [at('', 2222), at('localhost', 5432), at('10.0.0.1', 0), range];
    const addresses = socketAddresses({
      listen: { https: at('', 443), http: at('127.0.0.1', 80), metrics: at('::1', 9180) },
      tcp: tcp.map((listen) => ({ listen, hostname: 'a.postern.test' })),
    });
    const ofRange = ['10.0.0.1:5000', '10.0.0.1:5001'];
    expect(addresses).toEqual(['443', '127.0.0.1:80', '[::1]:9180', '2222', ...ofRange]);
  });
});

describe('connectorPlan()', () => {
  it('takes the token of --token-file, else the one that the configuration names', async () => {
    for (const [extra, tokenFile] of [
      ['', 'token'],
      ['token-file: token\n', undefined],
    ] as const) {
      const { connector: config } = configs(extra);
      const file = tokenFile === undefined ? undefined : join(config, '..', tokenFile);
      const options = { name: 'web', config, tokenFile: file };
      // oxlint-disable-next-line no-await-in-loop
      const { files } = await connectorPlan(options, 'launchd');
      expect(files[0]).toEqual({
        path: '/etc/postern/tokens/web.token',
        content: `${TOKEN}\n`,
        mode: 0o600,
        isSecret: true,
      });
      expect(files[1]?.content).not.toContain(TOKEN);
      expect(files[1]?.content).toContain('<integer>120</integer>');
    }
  });

  it('refuses what is no token, and none, without repeating it', async () => {
    const { connector: config } = configs();
    const bad = join(config, '..', 'bad');
    writeFileSync(bad, 'not-a-token');
    const refused = connectorPlan({ name: 'web', config, tokenFile: bad }, 'launchd');
    await expect(refused).rejects.toMatchObject({
      message: expect.not.stringContaining('not-a-token'),
    });
    const none = connectorPlan({ name: 'none-is-there', config, tokenFile: undefined }, 'launchd');
    await expect(none).rejects.toMatchObject({ code: 'CLI_USAGE' });
  });
});

describe('serviceName()', () => {
  it('takes what can be part of the name of a unit, for connectors', () => {
    expect(serviceName('connector', 'web-1.b_c')).toBe('web-1.b_c');
    expect(serviceName('gateway', undefined)).toBeUndefined();
  });

  it.each(['', '-a', 'a b', 'a/b', '../a', 'a@b', 'a%i', 'x'.repeat(64)])('refuses %j', (name) => {
    expect(() => serviceName('connector', name)).toThrow(
      expect.objectContaining({ code: 'CLI_USAGE' }),
    );
  });

  it('refuses a second gateway', () => {
    expect(() => serviceName('gateway', 'b')).toThrow('a machine has one');
  });
});

describe('a service', () => {
  it('is given more time to stop than its grace period', () => {
    expect(stopSeconds(30_000)).toBeGreaterThan(30);
    expect(stopSeconds(86_400_000 * 365)).toBeGreaterThan(86_400 * 365);
  });

  it.each(['/home/u/a', '/root/a', '/tmp/a', '/run/user/1/a', '/var/tmp/a'])(
    'cannot use %s',
    (path) => {
      expect(() => checkVisible(path, 'configuration')).toThrow('services do not see');
    },
  );

  it.each(['/etc/postern/a', '/homes/a', '/var/lib/a', '/opt/root/a'])('can use %s', (path) => {
    expect(() => checkVisible(path, 'configuration')).not.toThrow();
  });
});

describe('writeChanged() and removeOurs()', () => {
  it('write what differs, and remove only what has our comment or is named', async () => {
    const dir = tempDir('written');
    const path = (name: string): string => join(dir, 'new', name);
    const content = '# Written by "postern service install", which overwrites changes.\n';
    const file = { path: path('a'), content, mode: 0o600, isSecret: true };
    expect(await writeChanged([file])).toEqual([path('a')]);
    expect(statSync(path('a')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'new')).mode & 0o777).toBe(0o700);
    expect(await writeChanged([file])).toEqual([]);
    expect(await writeChanged([{ ...file, mode: 0o644 }])).toEqual([path('a')]);
    expect(await writeChanged([{ ...file, mode: 0o644, content: `${content}b` }])).toHaveLength(1);
    expect(readFileSync(path('a'), 'utf8')).toBe(`${content}b`);
    for (const name of ['foreign', 'named']) writeFileSync(path(name), 'mine\n');
    const marked = [path('a'), path('foreign'), path('nothing')];
    expect(await removeOurs(marked, [path('named'), path('none')])).toEqual([
      path('a'),
      path('named'),
    ]);
    expect(existsSync(path('foreign'))).toBe(true);
  });
});
