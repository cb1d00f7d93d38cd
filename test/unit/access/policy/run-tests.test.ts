import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runPolicyTests } from '../../../../src/access/policy/run-tests.ts';
import { loadGatewayConfig } from '../../../../src/config/gateway-config.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const HEAD = `domain: example.com
listen: { https: ':8443' }
identity-providers: [{ id: corp, type: local }]
groups: [{ name: staff, include: [{ email-domain: example.com }] }]
applications:
  - name: files
    hostname: '*.files.example.com'
    policies: [{ action: service-auth, include: [{ service-token: backup }] }]
    tests:
      - { service-token: backup, expect: allow }
      - { service-token: other, expect: deny }
      - { identity: { email: ann@example.com }, expect: deny }
  - name: wiki
    hostname: wiki.example.com
    policies:
      - { name: blocked, action: deny, include: [{ email: eve@example.com }, { ip: 203.0.113.0/24 }] }
      - { name: people, action: allow, include: [{ access-group: staff }], require: [{ method: mfa }] }
      - { action: bypass, include: [{ ip: 192.0.2.0/24 }] }
    tests:
`;
const TAIL = `
  - { name: admin, hostname: wiki.example.com, path: /admin, policies: [{ name: root, action: allow, include: [{ claim: { name: level, value: 9 } }] }] }
`;

async function run(...tests: string[]): Promise<number> {
  const file = join(tempDir('policy-tests'), 'gateway.yaml');
  writeFileSync(file, `${HEAD}${tests.map((test) => `      - ${test}`).join('\n')}${TAIL}`);
  return runPolicyTests(await loadGatewayConfig(file, { env: {} }));
}

describe('runPolicyTests()', () => {
  it('counts the tests of all applications', async () => {
    const tests = await run(
      '{ expect: sign-in }',
      '{ address: 192.0.2.1, expect: sign-in }',
      '{ address: 203.0.113.9, expect: deny }',
      '{ identity: { email: ann@example.com, methods: [mfa], provider: corp }, expect: allow }',
      '{ identity: { email: ann@example.com }, expect: deny }',
      '{ identity: { email: ann@example.com }, address: 192.0.2.1, expect: allow }',
      '{ identity: { email: eve@example.com, methods: [mfa] }, expect: deny }',
      '{ identity: { email: ann@example.com, methods: [mfa] }, path: /admin/x, expect: deny }',
      '{ identity: { claims: { level: 9 } }, path: /admin/x, expect: allow }',
      '{ identity: { claims: { level: 9 } }, path: //admin, expect: deny }',
    );
    expect(tests).toBe(13);
  });

  it.each([
    ['{ expect: deny }', 'expected deny, and the answer is sign-in, because of policy "people"'],
    [
      '{ identity: { email: eve@example.com }, expect: allow }',
      'expected allow, and the answer is deny, by policy "blocked"',
    ],
    [
      '{ identity: { email: ann@example.com, methods: [mfa] }, expect: deny }',
      'expected deny, and the answer is allow, by policy "people"',
    ],
    [
      '{ identity: {}, expect: allow }',
      'expected allow, and the answer is deny, because no policy matches',
    ],
    [
      '{ identity: { claims: { level: 9 } }, path: /admin, expect: deny }',
      'expected deny, and the answer is allow, by policy "root" of application "admin"',
    ],
    [
      '{ identity: {}, path: /admin, expect: allow }',
      'expected allow, and the answer is deny, because no policy of application "admin" matches',
    ],
    [
      '{ path: /%61dmin, expect: sign-in }',
      'expected sign-in, and the answer is deny, because this path can be read in several ways',
    ],
  ])('%s: %s', async (test, text) => {
    await expect(run('{ expect: sign-in }', test)).rejects.toMatchObject({
      code: 'CONFIG_TEST_FAILED',
      message: expect.stringContaining(
        `gateway.yaml:21: applications[1].tests[1]: ${text}; correct the policies or the test`,
      ),
    });
  });
});
