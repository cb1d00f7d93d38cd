import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { findCredentials } from '../../../../src/cli/connector/connector-token.ts';
import type { ConnectorConfig } from '../../../../src/config/connector/connector-config.ts';
import { newId } from '../../../../src/core/id.ts';
import { formatTunnelToken } from '../../../../src/core/tunnel-token.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { tempDir } from '../../../support/temp-dir.ts';

function newToken(): string {
  return formatTunnelToken(newId(), new Uint8Array(32));
}

const CONFIG: ConnectorConfig = {
  gateways: ['https://gw'],
  ingress: [],
  gracePeriodMs: 0,
  configWatch: 'all',
  linkCount: 4,
  log: { level: 'info', format: 'auto' },
};

let dir = '';

beforeEach(() => {
  dir = tempDir('token');
  const before = process.env['POSTERN_TOKEN'];
  delete process.env['POSTERN_TOKEN'];
  cleanup(() => {
    if (before === undefined) delete process.env['POSTERN_TOKEN'];
    else process.env['POSTERN_TOKEN'] = before;
  });
});

function fileWith(content: string): string {
  const file = join(dir, 'token');
  writeFileSync(file, content, { mode: 0o600 });
  return file;
}

describe('findCredentials()', () => {
  it('takes --token-file before POSTERN_TOKEN before the configuration', async () => {
    const [flag, env, configured] = [newToken(), newToken(), newToken()];
    const credentialsFile = join(dir, 'credentials.json');
    writeFileSync(credentialsFile, JSON.stringify({ token: configured, name: 'web' }));
    const config = { ...CONFIG, credentialsFile };
    const find = async (tokenFile?: string) => findCredentials({ tokenFile, config });
    expect(await find()).toMatchObject({ token: configured, name: 'web' });
    process.env['POSTERN_TOKEN'] = ` ${env}\n`;
    expect(await find()).toMatchObject({ token: env });
    expect(await find(fileWith(flag))).toMatchObject({ token: flag });
  });

  it('takes an empty POSTERN_TOKEN for none', async () => {
    process.env['POSTERN_TOKEN'] = '';
    await expect(findCredentials({ tokenFile: undefined, config: CONFIG })).rejects.toMatchObject({
      code: 'CLI_USAGE',
      message: expect.stringContaining('--token-file'),
    });
  });

  it('tells what is no token apart, and does not repeat it', async () => {
    process.env['POSTERN_TOKEN'] = 'pst_half-a-secret';
    const refused = {
      code: 'REGISTER_REFUSED',
      message: expect.not.stringContaining('half-a-secret'),
    };
    const fromEnv = findCredentials({ tokenFile: undefined, config: CONFIG });
    await expect(fromEnv).rejects.toMatchObject(refused);
    const tokenFile = fileWith('pst_half-a-secret');
    await expect(findCredentials({ tokenFile, config: CONFIG })).rejects.toMatchObject(refused);
  });

  it('says that a token file cannot be read', async () => {
    const tokenFile = join(dir, 'nothing');
    await expect(findCredentials({ tokenFile, config: CONFIG })).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: expect.stringContaining(tokenFile),
    });
  });
});
