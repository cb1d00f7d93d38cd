/**
 * Services that let users say what to reach: `bastion` and `socks-proxy`. Gateway, connector, clients and curl are real
 * processes, the origins real servers; what the rules do not allow is never connected.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';

import { auditEvents } from '../support/audit-log.ts';
import { clientEnv, startForward } from '../support/client.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startProcess } from '../support/processes.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { whenReset } from '../support/real/peer-end.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { posternCommand, posternEnv, run, type RunResult } from '../support/run.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';
import { tempDir } from '../support/temp-dir.ts';
import { requireTools } from '../support/tools.ts';

const BASTION = 'bastion.postern.test';
const SOCKS = 'socks.postern.test';
const FIXED = 'fixed.postern.test';
const WIDE = 'wide.postern.test';
const LEGACY = 'legacy.postern.test';
const CLUSTER = 'cluster.postern.test';

let gateway: Gateway;
let connector: Connector;
let echo: TcpOrigin;
let other: TcpOrigin;
let web: HttpOrigin;

beforeAll(async () => {
  requireTools('curl');
  [echo, other, web] = await Promise.all([startEcho(), startEcho(), startHttpOrigin()]);
  gateway = await startGateway({ tcp: [BASTION] });
  const tunnel = await gateway.createTunnel('inside', ['*.postern.test']);
  const allowed = { prefix: '127.0.0.1/32', ports: [echo.port, web.port], allow: true };
  connector = await startConnector({
    gateway,
    tunnel,
    config: { originRequest: { ipRules: [allowed] } },
    ingress: [
      { hostname: BASTION, service: 'bastion' },
      { hostname: SOCKS, service: 'socks-proxy' },
      { hostname: FIXED, service: web.service, originRequest: {} },
      {
        hostname: LEGACY,
        service: `http://127.0.0.1:${other.port}`,
        originRequest: { bastionMode: true },
      },
      {
        hostname: CLUSTER,
        service: `tcp://127.0.0.1:${web.port}`,
        originRequest: { proxyType: 'socks' },
      },
      {
        hostname: WIDE,
        service: 'bastion',
        originRequest: { ipRules: [{ prefix: '0.0.0.0/0', allow: true }] },
      },
    ],
  });
});

function pipe(hostname: string, destination: string): Promise<RunResult> {
  const words = ['access', 'tcp', '--hostname', hostname, '--destination', destination];
  const [command, args] = posternCommand(...words);
  return run(command, args, { input: 'hello', env: posternEnv(clientEnv(gateway)) });
}

describe('a bastion', () => {
  it('reaches what the client names, over standard input and output and over a port', async () => {
    const piped = await pipe(BASTION, `localhost:${echo.port}`);
    expect([piped.stdout, piped.code]).toEqual(['hello', 0]);
    expect(await pipe(LEGACY, `localhost:${echo.port}`)).toMatchObject({
      stdout: 'hello',
      code: 0,
    });
    const destination = `127.0.0.1:${echo.port}`;
    const forward = await startForward({ gateway, hostname: BASTION, destination });
    expect(forward.process.stderr).toContain(`${destination} by ${BASTION} is on`);
    const client = new EchoClient(openTcp(forward.port), 0);
    await client.round(300_000);
    await client.end();
    expect(gateway.log).toContainEqual(
      expect.objectContaining({ msg: 'client stream opened', destination }),
    );
    await eventually(async () => {
      const details = (await auditEvents(gateway)).map(({ detail }) => detail?.['destination']);
      expect(details).toContain(destination);
    });
  });

  it('goes on where it was when the gateway is killed, to the same destination', async () => {
    const destination = `localhost:${echo.port}`;
    const forward = await startForward({ gateway, hostname: BASTION, destination });
    const client = new EchoClient(openTcp(forward.port), 3);
    await client.round(10_000);
    const accepted = echo.accepted();
    gateway.killWorker();
    await client.round(10_000);
    expect(echo.accepted()).toBe(accepted);
    expect(gateway.log).toContainEqual(
      expect.objectContaining({ msg: 'client stream resumed', destination }),
    );
    await client.end();
    await connector.linksUp();
  });

  it('K6 K7 refuses what no rule of the connector allows, and its own machine where all are', async () => {
    const before = other.accepted();
    const asked = [
      pipe(BASTION, `127.0.0.1:${other.port}`),
      pipe(BASTION, `localhost:${other.port}`),
      pipe(WIDE, `127.0.0.1:${other.port}`),
      pipe(WIDE, `[::ffff:127.0.0.1]:${other.port}`),
      pipe(WIDE, '169.254.169.254:80'),
    ];
    for (const { code, stderr, stdout } of await Promise.all(asked)) {
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain('ORIGIN_FORBIDDEN');
    }
    expect(other.accepted()).toBe(before);
    expect(connector.log.filter(({ errCode }) => errCode === 'ORIGIN_FORBIDDEN')).toHaveLength(5);
  });

  it('is refused without a destination, and a destination where there is no bastion', async () => {
    const words = ['access', 'tcp', '--hostname', BASTION];
    const [command, args] = posternCommand(...words);
    const how = { input: '', env: posternEnv(clientEnv(gateway)) };
    const [without, needless] = await Promise.all([
      run(command, args, how),
      pipe(FIXED, `127.0.0.1:${echo.port}`),
    ]);
    expect(without.stderr).toMatch(/name a destination, with --destination.*ORIGIN_DESTINATION/s);
    expect(needless.stderr).toMatch(/it takes no destination.*ORIGIN_DESTINATION/s);
    expect((await pipe(BASTION, 'db')).code).toBe(2);
    // Nobody can name one at a plain port.
    await whenReset(openTcp(gateway.tcpPort(BASTION)));
  });
});

describe('a SOCKS proxy', () => {
  it('is a local SOCKS5 port for curl, which reaches by name and by address what the rules allow', async () => {
    const file = join(tempDir('client'), 'forwards.yaml');
    const listen = '127.0.0.1:0';
    writeFileSync(
      file,
      stringify({
        gateway: gateway.url,
        ca: gateway.caFile,
        forwards: [
          { hostname: SOCKS, listen },
          { hostname: CLUSTER, listen },
          { hostname: BASTION, listen, destination: `127.0.0.1:${web.port}` },
        ],
      }),
    );
    const [command, args] = posternCommand('access', 'tcp', '--config', file);
    const client = startProcess(command, args, {
      name: 'access tcp',
      env: posternEnv(clientEnv(gateway)),
    });
    const [, socks = ''] = await client.waitForLine(/socks\.postern\.test is on (\S+)$/);
    const [, cluster = ''] = await client.waitForLine(/cluster\.postern\.test is on (\S+)$/);
    const [, direct = ''] = await client.waitForLine(/by bastion\.postern\.test is on (\S+)$/);
    const curl = (...words: string[]): Promise<RunResult> =>
      run('curl', ['--silent', '--show-error', '--max-time', '20', ...words]);
    const url = `http://localhost:${web.port}/echo`;
    const answers = await Promise.all([
      curl('--socks5-hostname', socks, url),
      curl('--socks5', socks, `http://127.0.0.1:${web.port}/echo`),
      curl(`http://${direct}/echo`),
      // By proxyType there is one origin, whatever is asked for.
      curl('--socks5-hostname', cluster, 'http://kubernetes.default:6443/echo'),
    ]);
    for (const { stdout, code } of answers) {
      expect(code).toBe(0);
      expect(stdout).not.toBe('');
    }
    const before = other.accepted();
    const refused = await curl('--socks5-hostname', socks, `http://localhost:${other.port}/`);
    // 97: the proxy would not. 2 is "connection not allowed by ruleset" (RFC 1928 §6).
    expect([refused.code, other.accepted()]).toEqual([97, before]);
    expect(refused.stderr).toMatch(/\(2\)/);
    await eventually(() =>
      connector.log.some(({ hostname, errCode }) => hostname === SOCKS && errCode !== undefined),
    );
  });
});
