/** `postern gateway ssh-ca`, with the gateway running and without. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { auditEvents } from '../support/audit-log.ts';
import { Gateway, startGateway } from '../support/gateway.ts';
import { tempDir } from '../support/temp-dir.ts';

const LINE = /^ssh-ed25519 AAAA\S+ postern-ssh-ca-\d{4}-\d\d-\d\d$/;

async function lines(gateway: Gateway, ...words: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await gateway.cli('gateway', 'ssh-ca', ...words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

it('prints the same key every time, whether the gateway runs or not', async () => {
  const gateway = await Gateway.create();
  const [key, ...others] = await lines(gateway);
  expect([key, others]).toEqual([expect.stringMatching(LINE), []]);
  await gateway.start();
  expect(await lines(gateway)).toEqual([key]);
  expect(await gateway.json('gateway', 'ssh-ca')).toEqual([
    {
      line: key,
      fingerprint: expect.stringMatching(/^SHA256:/),
      state: 'signing',
      activeFrom: expect.stringMatching(/Z$/),
    },
  ]);
});

it('rotates: prints both keys, and says when the new one signs', async () => {
  const gateway = await startGateway();
  const [first] = await lines(gateway);
  const [signing, next, ...others] = await lines(gateway, '--rotate', '--after', '48h');
  expect([signing, others]).toEqual([first, []]);
  expect(next).toMatch(LINE);
  expect(await lines(gateway)).toEqual([first, next]);
  const again = await gateway.cli('gateway', 'ssh-ca', '--rotate');
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('STORE_EXISTS') });
  const event = (await auditEvents(gateway)).find(({ type }) => type === 'ssh.rotate');
  expect(event).toMatchObject({ actor: expect.stringMatching(/^cli:/) });
  const activeFrom = Date.parse(String(event?.detail?.['activeFrom']));
  expect((activeFrom - (event?.at ?? 0)) / 3_600_000).toBeCloseTo(48, 2);
});

it.each([
  [['--after', '1h'], 'goes with --rotate'],
  [['--rotate', '--after', 'soon'], '"soon" is not a duration'],
  [['--rotate', '--after', '91d'], 'from 0s to 90d'],
])('refuses %j', async (words, why) => {
  const gateway = await Gateway.create();
  const { code, stderr } = await gateway.cli('gateway', 'ssh-ca', ...words);
  expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
});

it('K17 writes the file of sshd for root alone, or not at all', async () => {
  const gateway = await Gateway.create();
  const file = join(tempDir('etc'), 'postern-ca.pub');
  const { code, stdout } = await gateway.cli('gateway', 'ssh-ca', '--write', file);
  const isRoot = process.getuid?.() === 0;
  expect(code).toBe(isRoot ? 0 : 1);
  if (!isRoot) return;
  expect(stdout).toContain(`TrustedUserCAKeys ${file}`);
  expect(statSync(file)).toMatchObject({ uid: 0, mode: 0o100644 });
  expect(readFileSync(file, 'utf8').trimEnd()).toBe((await lines(gateway))[0]);
});
