/** The endpoint: who gets a certificate, for what, for how long, and what is written down about it. */
import { beforeEach, describe, expect, it } from '@jest/globals';

import type { Identity } from '../../../../src/access/identity.ts';
import { SshAuthority } from '../../../../src/access/ssh/ssh-authority.ts';
import { SshCertificates } from '../../../../src/access/ssh/ssh-certificates.ts';
import type { WebRequest } from '../../../../src/access/web-message.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { accessCore, ANN, type AccessCore } from '../../../support/access-core.ts';
import { accessRules } from '../../../support/access-rules.ts';
import { describeCertificate, makeKeyPair } from './ssh-keys.ts';

const HOST = 'ssh.example.com';
const POLICIES = [
  { action: 'service-auth', include: [{ 'service-token': 'any' }] },
  { action: 'allow', include: [{ group: 'staff' }] },
];

let core: AccessCore;
let headers: Record<string, string>;
let certificates: SshCertificates;
let publicKey: string;

/** Lets the application have this `ssh:`, and other keys. */
function configure(ssh: object | undefined, more: object = {}): void {
  const application = { name: 'shell', hostname: HOST, policies: POLICIES, ssh, ...more };
  core.gate.setRules(accessRules({ applications: [application] }));
}

async function signIn(identity: Partial<Identity> = {}, expiresAt?: number): Promise<string> {
  const { session, secret } = await core.sessions.create({
    kind: 'client',
    identity: { ...ANN, ...identity },
    address: '192.0.2.1',
    agent: 'test',
    ...(expiresAt !== undefined && { expiresAt }),
  });
  headers = { authorization: `Bearer ${secret}` };
  return session.id;
}

beforeEach(async () => {
  core = await accessCore();
  configure({});
  await signIn();
  certificates = new SshCertificates({
    ...core,
    authority: new SshAuthority(core.store.keys, core.clock),
    audit: async (fact) => void core.audit.push(fact),
    log: createLog({ level: 'silent', component: 'gateway' }),
  });
  publicKey = (await makeKeyPair('-t', 'ed25519')).line;
});

function request(body: unknown, own: Partial<WebRequest> = {}): WebRequest {
  const all = new Map(Object.entries({ 'content-type': 'application/json', ...headers }));
  return {
    method: 'POST',
    hostname: 'auth.example.com',
    path: '/.postern/ssh/certificate',
    search: '',
    query: new URLSearchParams(),
    header: (name) => all.get(name),
    cookies: new Map(),
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    address: '192.0.2.1',
    requestId: '0123456789abcdef',
    ...own,
  };
}

/** Events about certificates. */
function audited() {
  return core.audit.filter(({ type }) => type.startsWith('ssh.'));
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(body: unknown = { hostname: HOST, publicKey }): Promise<Answer> {
  const { status, body: text } = await certificates.handle(request(body));
  return { status, body: JSON.parse(String(text)) };
}

/** Lines of `ssh-keygen -L`. */
async function issued(): Promise<string[]> {
  const { status, body } = await ask();
  expect(status).toBe(200);
  const text = await describeCertificate(String(body['certificate']));
  return text.split('\n').map((line) => line.trim());
}

function between(lines: readonly string[], from: string, to?: string): string[] {
  return lines.slice(lines.indexOf(from) + 1, to === undefined ? -1 : lines.indexOf(to));
}

function seconds(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19);
}

describe('a certificate', () => {
  it('is for the user names of who asks, for minutes, back-dated for clocks that are late', async () => {
    const id = await signIn();
    const lines = await issued();
    const now = core.clock.wall();
    expect(lines).toContain(`Valid: from ${seconds(now - 30_000)} to ${seconds(now + 300_000)}`);
    expect(between(lines, 'Principals:', 'Critical Options: (none)')).toEqual([
      'ann',
      `ann@${HOST}`,
    ]);
    expect(lines).toContain(`Key ID: "ann@example.com session ${id} request 0123456789abcdef"`);
    expect(between(lines, 'Extensions:')).toEqual([
      'permit-agent-forwarding',
      'permit-port-forwarding',
      'permit-pty',
      'permit-user-rc',
    ]);
  });

  it('K16 is valid no longer than the application allows', async () => {
    configure({ 'max-validity': '45s' });
    expect((await ask()).body['expiresAt']).toBe(core.clock.wall() + 45_000);
  });

  it('K16 is valid no longer than the session', async () => {
    const now = core.clock.wall();
    await signIn({}, now + 20_000);
    expect((await ask()).body['expiresAt']).toBe(now + 20_000);
    const period = `Valid: from ${seconds(now - 30_000)} to ${seconds(now + 20_000)}`;
    expect(await issued()).toContain(period);
  });

  it('K16 is valid no longer than a sign-in is good for at the application', async () => {
    configure({ 'max-validity': '15m' }, { 'session-duration': '10m' });
    const now = core.clock.wall();
    await core.pass(60_000);
    expect((await ask()).body['expiresAt']).toBe(now + 600_000);
  });

  it('has the addresses and extensions of the application', async () => {
    configure({ extensions: [], 'source-address': ['10.0.0.0/8', '2001:db8::1'] });
    const lines = await issued();
    expect(lines).toContain('source-address 10.0.0.0/8,2001:db8::1');
    expect(lines).toContain('Extensions: (none)');
  });

  it('has the user names that a claim or a list says', async () => {
    await signIn({ claims: { login: ['al', 'Domain Users'] } });
    configure({ principals: { claim: 'login' } });
    expect((await ask()).body['principals']).toEqual(['al', `al@${HOST}`]);
    configure({ principals: ['deploy', 'root'] });
    const all = ['deploy', 'root', `deploy@${HOST}`, `root@${HOST}`];
    expect((await ask()).body['principals']).toEqual(all);
  });

  it('is made for service tokens too, and ends with them', async () => {
    const expiresAt = core.clock.wall() + 30_000;
    const { token, secret } = await core.store.serviceTokens.create('backup', expiresAt);
    await core.serviceTokens.load();
    headers = { 'postern-service-token-id': token.id, 'postern-service-token-secret': secret };
    const principals = ['backup', `backup@${HOST}`];
    expect((await ask()).body).toMatchObject({ principals, expiresAt });
    const detail = expect.objectContaining({ serviceToken: token.id });
    expect(audited()).toEqual([expect.objectContaining({ actor: 'service:backup', detail })]);
  });

  it('is in the audit log with its key, and without a secret', async () => {
    const session = await signIn();
    const { body } = await ask();
    const now = core.clock.wall();
    expect(audited()).toEqual([
      {
        type: 'ssh.certificate',
        actor: 'ann@example.com',
        hostname: HOST,
        detail: {
          application: 'shell',
          principals: `ann,ann@${HOST}`,
          serial: body['serial'],
          validFrom: new Date(now - 30_000).toISOString(),
          validUntil: new Date(now + 300_000).toISOString(),
          key: expect.stringMatching(/^SHA256:/),
          session,
          address: '192.0.2.1',
          requestId: '0123456789abcdef',
        },
      },
    ]);
    expect(JSON.stringify([core.audit, body])).not.toContain('pcl_');
  });

  it('has a serial number of its own', async () => {
    const serials = [await ask(), await ask(), await ask()].map(({ body }) => body['serial']);
    expect(new Set(serials).size).toBe(3);
  });

  it('tells sshd a name that is plain text on one line', async () => {
    const { email: _email, ...nameless } = ANN;
    const { session, secret } = await core.sessions.create({
      kind: 'client',
      identity: { ...nameless, name: 'Änn\n"x"', claims: { login: 'al' } },
      address: '192.0.2.1',
      agent: 'test',
    });
    headers = { authorization: `Bearer ${secret}` };
    configure({ principals: { claim: 'login' } });
    expect((await issued()).find((line) => line.startsWith('Key ID'))).toBe(
      `Key ID: "?nn?"x" session ${session.id} request 0123456789abcdef"`,
    );
  });
});

describe('nobody', () => {
  it.each<[string, number, string, () => unknown]>([
    ['without a credential', 401, 'ACCESS_SIGN_IN', () => (headers = {})],
    [
      'with a wrong secret',
      401,
      'ACCESS_SIGN_IN',
      () => (headers = { authorization: `Bearer pcl_${'x'.repeat(43)}` }),
    ],
    [
      'with a wrong service token',
      401,
      'ACCESS_SIGN_IN',
      () => (headers = { 'postern-service-token-id': 'x', 'postern-service-token-secret': 'y' }),
    ],
    ['whose session was revoked', 401, 'ACCESS_SIGN_IN', async () => revokeAll()],
    ['of an application without ssh', 404, 'ACCESS_SSH_OFF', () => configure(undefined)],
    [
      'of a hostname without application',
      403,
      'ACCESS_DENIED',
      () => core.gate.setRules(accessRules({ applications: [] })),
    ],
    ['whom no policy lets in', 403, 'ACCESS_DENIED', async () => signIn({ groups: [] })],
    [
      'who has not said why',
      403,
      'ACCESS_DENIED',
      () => configure({}, { 'purpose-justification': true }),
    ],
    [
      'without a user name',
      403,
      'ACCESS_SSH_PRINCIPAL',
      async () => signIn({ email: 'ann+x@example.com' }),
    ],
    ['with a key that is none', 400, 'ACCESS_SSH_KEY', () => (publicKey = 'ssh-ed25519 x')],
  ])('%s gets one (%i)', async (_who, status, code, prepare) => {
    await prepare();
    const answer = await ask();
    expect(answer).toEqual({ status, body: { code, requestId: '0123456789abcdef' } });
    expect(audited().filter(({ type }) => type === 'ssh.certificate')).toEqual([]);
  });

  it('with the session of a browser gets one', async () => {
    const { secret } = await core.sessions.create({
      kind: 'browser',
      identity: ANN,
      address: '192.0.2.1',
      agent: 'test',
    });
    headers = { authorization: `Bearer ${secret}` };
    expect((await ask()).status).toBe(401);
  });

  it.each([
    ['no JSON', 'hostname=x'],
    ['no object', []],
    ['no hostname', { publicKey: 'x' }],
    ['a hostname that is none', { hostname: 'a b' }],
    ['a pattern', { hostname: '*.example.com' }],
    ['a hostname that is no text', { hostname: { toString: 'x' } }],
  ])('who sends %s gets one (400)', async (_what, body) => {
    expect(await ask(body)).toMatchObject({ status: 400, body: { code: 'HTTP_BAD_REQUEST' } });
  });

  it.each([
    ['GET', '/.postern/ssh/certificate', 405],
    ['POST', '/.postern/ssh/other', 404],
  ])('who sends %s %s gets one (%i)', async (method, path, status) => {
    const answer = await certificates.handle(request('', { method, path }));
    expect(answer.status).toBe(status);
  });

  it('who fails again and again from one address is heard, until the minute is over', async () => {
    const good = headers;
    headers = {};
    for (let i = 0; i < LIMITS.signInBurst; i += 1) expect((await ask()).status).toBe(401);
    headers = good;
    expect((await ask()).status).toBe(429);
    const elsewhere = request({ hostname: HOST, publicKey }, { address: '192.0.2.2' });
    expect((await certificates.handle(elsewhere)).status).toBe(200);
  });

  it('gets more than a burst of them with one session', async () => {
    for (let i = 0; i < LIMITS.signInBurst; i += 1) expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(429);
    expect(audited()).toHaveLength(LIMITS.signInBurst);
    await signIn();
    expect((await ask()).status).toBe(200);
  });

  it('is kept from certificates by how often there were none to have', async () => {
    configure(undefined);
    for (let i = 0; i <= LIMITS.signInBurst; i += 1) expect((await ask()).status).toBe(404);
  });
});

async function revokeAll(): Promise<void> {
  await core.sessions.revokeWhere(() => true, 'test');
}

it('the keys of the authority are public', async () => {
  headers = {};
  const get = { method: 'GET', path: '/.postern/ssh/authorities' };
  const answer = await certificates.handle(request('', get));
  expect(answer.status).toBe(200);
  expect(Object.fromEntries(answer.headers)['content-type']).toBe('text/plain; charset=utf-8');
  expect(String(answer.body)).toMatch(/^ssh-ed25519 \S+ postern-ssh-ca-2026-01-01\n$/);
});
