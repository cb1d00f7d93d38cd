/** TLS client certificates as a condition: what was verified counts, and everything else is as if there were none. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector } from '../support/connector.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { tempDir } from '../support/temp-dir.ts';
import { TestAuthority } from '../support/test-authority.ts';

const ROBOTS = 'robots.postern.test';

let gateway: Gateway;
let authority: TestAuthority;

beforeAll(async () => {
  const web = await startHttpOrigin();
  authority = await TestAuthority.create();
  const file = join(tempDir('ca'), 'ca.pem');
  writeFileSync(file, authority.pem);
  const include = [{ 'client-certificate': { name: 'robot.example' } }];
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'client-ca': file,
      applications: [
        { name: 'robots', hostname: ROBOTS, policies: [{ action: 'service-auth', include }] },
      ],
    },
  });
  const tunnel = await gateway.createTunnel('all', ['*.postern.test']);
  await startConnector({ gateway, tunnel, ingress: [{ hostname: ROBOTS, service: web.service }] });
});

/** The status of a request over a connection that shows this certificate. */
async function ask(certificate: {
  readonly cert?: string;
  readonly key?: string;
}): Promise<number> {
  return new Promise((resolve, reject) => {
    const { cert, key } = certificate;
    const own = cert === undefined || key === undefined ? {} : { cert, key };
    const options = { ...gateway.connectOptions(ROBOTS), ...own, agent: false, path: '/echo' };
    const asked = request({ ...options, headers: { host: ROBOTS } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', reject);
    asked.end();
  });
}

describe('a client certificate', () => {
  it('lets in whom a policy names, and nobody else', async () => {
    expect(await ask({})).toBe(403);
    expect(await ask(await authority.issue({ dns: ['robot.example'] }))).toBe(200);
    expect(await ask(await authority.issue({ dns: ['other.example'] }))).toBe(403);
  });

  it('of an authority that is not configured counts for nothing', async () => {
    const foreign = await TestAuthority.create();
    expect(await ask(await foreign.issue({ dns: ['robot.example'] }))).toBe(403);
  });

  it('is not what a header says', async () => {
    const { status } = await gateway.fetch(ROBOTS, '/echo', {
      headers: { 'x-client-cert': 'robot.example', 'x-forwarded-client-cert': 'robot.example' },
    });
    expect(status).toBe(403);
  });
});
