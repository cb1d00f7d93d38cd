/**
 * Connectors on networks that make it hard: the gateway is behind an HTTP proxy with a password, or its certificate is
 * from an authority that nobody knows. What is wrong is told apart in the log, and mended without a restart.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector, type Connector, type ConnectorOptions } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway, startGateway } from '../support/gateway.ts';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy.ts';
import { isReady } from '../support/ops-client.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { TestAuthority } from '../support/test-authority.ts';

const HOSTNAME = 'web.postern.test';
const PASSWORD = 'p@ss:w/ö rd%';
const CREDENTIALS = { user: 'lab', password: PASSWORD };
/** Dials that fail are repeated after half a second at most, then a second, two and so on, up to 30 s. */
const RECOVERY_MS = 60_000;

let origin: HttpOrigin;

beforeAll(async () => {
  origin = await startHttpOrigin();
});

/** The code and the sentence of every dial that failed so far. */
function failedDials(connector: Connector): { readonly code: string; readonly why: string }[] {
  return connector.log
    .filter(({ msg }) => msg === 'cannot connect to the gateway')
    .map(({ err }) => ({
      code: String(Reflect.get(Object(err), 'code')),
      why: String(Reflect.get(Object(err), 'message')),
    }));
}

/** Waits until a dial failed with that code, and returns what was said about it. */
async function failure(connector: Connector, code: string): Promise<string> {
  const why = await eventually(
    () => {
      const found = failedDials(connector).findLast((failed) => failed.code === code);
      return found?.why ?? false;
    },
    { deadlineMs: RECOVERY_MS, what: `a dial that fails with ${code}` },
  );
  return String(why);
}

/** Waits until each link was dialled once more in vain. */
async function keepsTrying(connector: Connector): Promise<void> {
  const before = failedDials(connector).length;
  await eventually(() => failedDials(connector).length >= before + 4, { deadlineMs: RECOVERY_MS });
  expect(connector.process.exit).toBeUndefined();
  expect(await isReady(connector.metricsPort)).toBe(false);
}

describe('behind an HTTP proxy', () => {
  let gateway: Gateway;
  let proxy: HttpProxy;

  beforeAll(async () => {
    gateway = await startGateway();
    proxy = await startHttpProxy({ credentials: CREDENTIALS });
  });

  const connect = (
    env: ConnectorOptions['env'],
    how: Partial<ConnectorOptions> = {},
  ): Promise<Connector> => {
    const ingress = [{ hostname: HOSTNAME, service: origin.service }];
    return startConnector({ gateway, ingress, env: env ?? {}, ...how });
  };
  /** One that does not get through; `env` may say by which proxy. */
  const connectInVain = (env: ConnectorOptions['env']): Promise<Connector> =>
    connect(env, { ingress: [{ service: origin.service }], waitUntilReady: false });

  describe('that lets it through', () => {
    let connector: Connector;
    beforeAll(async () => {
      connector = await connect({ HTTPS_PROXY: proxy.url });
      await connector.linksUp();
    });

    it('every link goes through the proxy, which sees where to and nothing else', async () => {
      const authority = `127.0.0.1:${gateway.ports.https}`;
      expect(proxy.requests).toEqual(Array.from({ length: 4 }, () => ({ authority, status: 200 })));
      expect(proxy.connections()).toBe(4);
      expect(await gateway.metric('postern_gateway_links')).toBe(4);
    });

    it('requests are served', async () => {
      const body = 'x'.repeat(200_000);
      const { status, body: answer } = await gateway.fetch(HOSTNAME, '/sha256', {
        method: 'POST',
        body,
      });
      expect([status, JSON.parse(answer.toString())]).toMatchObject([200, { bytes: 200_000 }]);
    });

    it('links come back when the proxy cuts them', async () => {
      const before = proxy.requests.length;
      proxy.cutAll();
      await eventually(() => proxy.requests.length >= before + 4, { deadlineMs: RECOVERY_MS });
      await connector.linksUp();
      expect((await gateway.fetch(HOSTNAME, '/status/200')).status).toBe(200);
    });

    it('links come back when the proxy was gone', async () => {
      await proxy.stop();
      expect(await failure(connector, 'LINK_REFUSED')).toContain(
        `through the proxy "127.0.0.1:${proxy.port}": the proxy: connection refused`,
      );
      expect(await gateway.fetch(HOSTNAME, '/')).toMatchObject({ status: 503 });
      await proxy.start();
      await connector.linksUp(4, RECOVERY_MS);
      expect((await gateway.fetch(HOSTNAME, '/status/200')).status).toBe(200);
      expect(proxy.connections()).toBe(4);
    });

    it('links come back when the proxy has refused for a while', async () => {
      proxy.refuse(403);
      proxy.cutAll();
      expect(await failure(connector, 'LINK_PROXY')).toContain('it answers CONNECT with 403');
      proxy.refuse(undefined);
      await connector.linksUp(4, RECOVERY_MS);
    });

    it('no password is in the log', () => {
      const said = connector.process.output.text();
      for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), basicLogin()])
        expect(said).not.toContain(secret);
    });
  });

  it.each(['https_proxy', 'ALL_PROXY', 'all_proxy'])('%s names it as well', async (variable) => {
    const before = proxy.requests.length;
    await connect({ [variable]: proxy.url }, { ingress: [{ service: origin.service }] });
    expect(proxy.requests.length).toBeGreaterThan(before);
  });

  it('NO_PROXY leads past it', async () => {
    const before = proxy.requests.length;
    const env = { HTTPS_PROXY: proxy.url, NO_PROXY: 'localhost,127.0.0.0/8' };
    const connector = await connect(env, { ingress: [{ service: origin.service }] });
    await connector.linksUp();
    expect(proxy.requests.length).toBe(before);
  });

  it('that wants other credentials: LINK_PROXY, which says so and not the password', async () => {
    const url = `http://lab:hunter2@127.0.0.1:${proxy.port}`;
    const connector = await connectInVain({ HTTPS_PROXY: url });
    const why = await failure(connector, 'LINK_PROXY');
    expect(why).toContain('it does not accept the user name and password');
    expect(why).toContain('407');
    await keepsTrying(connector);
    expect(connector.process.output.text()).not.toContain('hunter2');
  });

  it('that wants credentials where there are none: LINK_PROXY, which says so', async () => {
    const connector = await connectInVain({ HTTPS_PROXY: proxy.urlWithoutCredentials });
    const why = await failure(connector, 'LINK_PROXY');
    expect(why).toContain('it wants a user name and password');
  });

  it('that refuses the gateway: LINK_PROXY, with its status', async () => {
    const other = await startHttpProxy();
    other.refuse(403);
    const connector = await connectInVain({ HTTPS_PROXY: other.url });
    expect(await failure(connector, 'LINK_PROXY')).toContain('it answers CONNECT with 403');
    other.refuse(undefined);
    await connector.ready(RECOVERY_MS);
  });
});

function basicLogin(): string {
  return Buffer.from(`${CREDENTIALS.user}:${PASSWORD}`).toString('base64');
}

describe('a gateway whose certificate is from an authority of its own', () => {
  let authority: TestAuthority;
  let stranger: TestAuthority;
  let gateway: Gateway;

  beforeAll(async () => {
    authority = await TestAuthority.create('Lab authority');
    stranger = await TestAuthority.create('Another authority');
    gateway = await Gateway.create({ config: { tls: { cert: './cert.pem', key: './key.pem' } } });
    await certify(authority);
    await gateway.start();
  });

  /** Has the gateway's certificate be from that authority, once it starts again. */
  const certify = async (by: TestAuthority): Promise<void> => {
    const { cert, key } = await by.issue({ dns: ['localhost'], ip: ['127.0.0.1'] });
    writeFileSync(join(gateway.dir, 'cert.pem'), cert);
    writeFileSync(join(gateway.dir, 'key.pem'), key);
  };
  const connect = (
    ca: string | undefined,
    how: Partial<ConnectorOptions> = {},
  ): Promise<Connector> =>
    startConnector({ gateway, ingress: [{ service: origin.service }], config: { ca }, ...how });

  it('is reached with that authority as "ca"', async () => {
    const connector = await connect(authority.writeFile());
    await connector.linksUp();
    expect(failedDials(connector)).toEqual([]);
  });

  it('is reached with that authority in NODE_EXTRA_CA_CERTS, also beside another "ca"', async () => {
    const env = { NODE_EXTRA_CA_CERTS: authority.writeFile() };
    await (await connect(undefined, { env })).linksUp();
    await (await connect(stranger.writeFile(), { env })).linksUp();
  });

  it('is LINK_TLS without, which names the remedy', async () => {
    const connector = await connect(undefined, { waitUntilReady: false });
    const why = await failure(connector, 'LINK_TLS');
    expect(why).toContain('authority that is not known here');
    expect(why).toContain('name the certificate of that authority in "ca:"');
    await keepsTrying(connector);
  });

  it('is LINK_TLS with another authority, until the gateway has a certificate of that one', async () => {
    const connector = await connect(stranger.writeFile(), { waitUntilReady: false });
    expect(await failure(connector, 'LINK_TLS')).toContain('"ca:"');
    await keepsTrying(connector);
    await certify(stranger);
    await gateway.restart();
    await connector.linksUp(4, 30_000);
  });

  it('is LINK_TLS by a name that its certificate has not, which says what it is for', async () => {
    const { cert, key } = await authority.issue({ dns: ['gw.example.com'] });
    writeFileSync(join(gateway.dir, 'cert.pem'), cert);
    writeFileSync(join(gateway.dir, 'key.pem'), key);
    await gateway.restart();
    const connector = await connect(authority.writeFile(), { waitUntilReady: false });
    const why = await failure(connector, 'LINK_TLS');
    expect(why).toContain('its certificate is for "DNS:gw.example.com" and not for "127.0.0.1"');
  });
});
