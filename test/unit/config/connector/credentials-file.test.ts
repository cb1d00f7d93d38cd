import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readCredentials } from '../../../../src/config/connector/credentials-file.ts';
import { newId } from '../../../../src/core/id.ts';
import { formatTunnelToken } from '../../../../src/core/tunnel-token.ts';

const id = newId();
const token = formatTunnelToken(id, new Uint8Array(32).fill(7));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-credentials-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(content: string): Promise<unknown> {
  const file = join(folder, 'credentials');
  await writeFile(file, content);
  return readCredentials(file);
}

it('readCredentials() reads what "tunnel create -o json" prints', async () => {
  const content = `${JSON.stringify({ id, name: 'lab', token, more: 1 }, null, 2)}\n`;
  expect(await read(content)).toEqual({ id, name: 'lab', token });
});

it('readCredentials() reads a file with nothing but the token', async () => {
  expect(await read(`${token}\n`)).toEqual({ id, token });
});

it.each([
  ['nothing', ''],
  ['text', 'hello'],
  ['a token with something behind it', `${token} x`],
  ["cloudflared's token", Buffer.from('{"a":"1","s":"2","t":"3"}').toString('base64')],
  ['JSON that is cut off', `{"token":"${token}"`],
  ['a token that is a number', '{"token":7}'],
  ['an id of another tunnel', JSON.stringify({ id: newId(), token })],
  ["cloudflared's credentials", JSON.stringify({ TunnelSecret: 'x', token })],
])('readCredentials() refuses %s without printing a secret', async (_, content) => {
  const error: unknown = await read(content).catch((cause: unknown) => cause);
  expect(error).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/^Cannot use credentials file ".*": it .*; write it with /),
  });
  for (let link = error; link instanceof Error; link = link.cause) {
    expect(link.message).not.toContain(token.slice(0, 20));
  }
});

it('readCredentials() names a file that cannot be read', async () => {
  await expect(readCredentials(join(folder, 'nowhere'))).rejects.toMatchObject({
    code: 'CONFIG_UNREADABLE',
    message: expect.stringMatching(/nowhere": it does not exist$/),
  });
});
