/** The endpoint: who gets a certificate, for what, for how long, and what is written down about it. */
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import type { Identity } from '../../../../src/access/identity.ts';
import type { Session } from '../../../../src/access/sign-in/sign-in-ports.ts';
import { SshAuthority } from '../../../../src/access/ssh/ssh-authority.ts';
import { SshCertificates, type SshRequester } from '../../../../src/access/ssh/ssh-certificates.ts';
import type { WebRequest } from '../../../../src/access/web-message.ts';
import { applicationSchema, type Application } from '../../../../src/config/application.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { openStore } from '../../../../src/store/sqlite/open.ts';
import type { AuditFact } from '../../../../src/telemetry/audit-event.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { describeCertificate, makeKeyPair } from './ssh-keys.ts';

const HOST = 'ssh.example.com';
const SECRET = 'pcl_canary-of-a-session';
const ANN: Identity = {
  provider: 'corp',
  subject: '1',
  email: 'ann@example.com',
  groups: [],
  methods: [],
  claims: {},
};

let clock: FakeClock;
let requester: SshRequester | undefined;
let application: Application | undefined;
let audited: AuditFact[];
let certificates: SshCertificates;
let publicKey: string;

function app(ssh?: Readonly<Record<string, unknown>>): Application {
  const written = { name: 'shell', hostname: HOST, ...(ssh !== undefined && { ssh }) };
  return { ...applicationSchema.parse(written), index: 0 };
}

function session(own: Partial<Session> = {}): SshRequester {
  const now = clock.wall();
  const times = { createdAt: now, authenticatedAt: now, refreshedAt: now };
  const expiresAt = now + 3_600_000;
  const rest = { address: '192.0.2.1', agent: 'test', provider: {} };
  return {
    session: { id: 's1', kind: 'client', identity: ANN, ...times, expiresAt, ...rest, ...own },
  };
}

beforeEach(async () => {
  clock = new FakeClock();
  requester = session();
  application = app({});
  audited = [];
  const store = await openStore({ file: join(tempDir('ssh'), 'postern.db') });
  cleanup(async () => store.close());
  certificates = new SshCertificates({
    authority: new SshAuthority(store.keys, clock),
    identify: async () => requester,
    allowed: async (hostname) => (hostname === HOST ? application : undefined),
    audit: async (fact) => void audited.push(fact),
    log: createLog({ level: 'silent', component: 'gateway' }),
    clock,
  });
  publicKey = (await makeKeyPair('-t', 'ed25519')).line;
});

function request(body: unknown, own: Partial<WebRequest> = {}): WebRequest {
  const headers = new Map([
    ['content-type', 'application/json'],
    ['authorization', `Bearer ${SECRET}`],
  ]);
  return {
    method: 'POST',
    hostname: 'auth.example.com',
    path: '/.postern/ssh/certificate',
    search: '',
    query: new URLSearchParams(),
    header: (name) => headers.get(name),
    cookies: new Map(),
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    address: '192.0.2.1',
    requestId: '0123456789abcdef',
    ...own,
  };
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
  process.env['TZ'] = 'UTC';
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
    const lines = await issued();
    const now = clock.wall();
    expect(lines).toContain(`Valid: from ${seconds(now - 30_000)} to ${seconds(now + 300_000)}`);
    expect(between(lines, 'Principals:', 'Critical Options: (none)')).toEqual([
      'ann',
      `ann@${HOST}`,
    ]);
    expect(lines).toContain('Key ID: "ann@example.com session s1 request 0123456789abcdef"');
    expect(between(lines, 'Extensions:')).toEqual([
      'permit-agent-forwarding',
      'permit-port-forwarding',
      'permit-pty',
      'permit-user-rc',
    ]);
  });

  it('K16 is valid no longer than the application allows, and than the session', async () => {
    application = app({ 'max-validity': '45s' });
    const now = clock.wall();
    expect((await ask()).body['expiresAt']).toBe(now + 45_000);
    requester = session({ expiresAt: now + 20_000 });
    expect((await ask()).body['expiresAt']).toBe(now + 20_000);
    expect(await issued()).toContain(
      `Valid: from ${seconds(now - 30_000)} to ${seconds(now + 20_000)}`,
    );
  });

  it('has the addresses and extensions of the application', async () => {
    application = app({ extensions: [], 'source-address': ['10.0.0.0/8', '2001:db8::1'] });
    const lines = await issued();
    expect(lines).toContain('source-address 10.0.0.0/8,2001:db8::1');
    expect(lines).toContain('Extensions: (none)');
  });

  it('has the user names that a claim or a list says', async () => {
    requester = session({ identity: { ...ANN, claims: { login: ['al', 'Domain Users'] } } });
    application = app({ principals: { claim: 'login' } });
    expect((await ask()).body['principals']).toEqual(['al', `al@${HOST}`]);
    application = app({ principals: ['deploy', 'root'] });
    expect((await ask()).body['principals']).toEqual([
      'deploy',
      'root',
      `deploy@${HOST}`,
      `root@${HOST}`,
    ]);
  });

  it('is made for service tokens too', async () => {
    requester = { serviceToken: { id: 't1', name: 'backup' } };
    expect((await ask()).body).toMatchObject({ principals: ['backup', `backup@${HOST}`] });
    expect(audited[0]).toMatchObject({ actor: 'service:backup', detail: { serviceToken: 't1' } });
  });

  it('is in the audit log with its key, and without a secret', async () => {
    const { body } = await ask();
    expect(audited).toEqual([
      {
        type: 'ssh.certificate',
        actor: 'ann@example.com',
        hostname: HOST,
        detail: {
          application: 'shell',
          principals: `ann,ann@${HOST}`,
          serial: body['serial'],
          validFrom: new Date(clock.wall() - 30_000).toISOString(),
          validUntil: new Date(clock.wall() + 300_000).toISOString(),
          key: expect.stringMatching(/^SHA256:/),
          session: 's1',
          address: '192.0.2.1',
          requestId: '0123456789abcdef',
        },
      },
    ]);
    expect(JSON.stringify([audited, body])).not.toContain(SECRET);
  });

  it('has a serial number of its own', async () => {
    const serials = [await ask(), await ask(), await ask()].map(({ body }) => body['serial']);
    expect(new Set(serials).size).toBe(3);
  });

  it('tells sshd a name that is plain text on one line', async () => {
    const { email: _email, ...nameless } = ANN;
    requester = session({ identity: { ...nameless, name: 'Änn\n"x"', claims: { login: 'al' } } });
    application = app({ principals: { claim: 'login' } });
    expect((await issued()).find((line) => line.startsWith('Key ID'))).toBe(
      String.raw`Key ID: "?nn?"x" session s1 request 0123456789abcdef"`,
    );
  });
});

describe('nobody', () => {
  const { email: _email, ...nameless } = ANN;

  it.each<[string, number, string, () => unknown]>([
    ['who is not signed in', 401, 'ACCESS_SIGN_IN', () => void (requester = undefined)],
    ['whom no application lets in', 403, 'ACCESS_DENIED', () => void (application = undefined)],
    ['of an application without ssh', 404, 'ACCESS_SSH_OFF', () => void (application = app())],
    [
      'without a user name',
      403,
      'ACCESS_SSH_PRINCIPAL',
      () => void (requester = session({ identity: nameless })),
    ],
    ['with a key that is none', 400, 'ACCESS_SSH_KEY', () => void (publicKey = 'ssh-ed25519 x')],
  ])('%s gets one (%i)', async (_who, status, code, prepare) => {
    prepare();
    const answer = await ask();
    expect(answer).toEqual({ status, body: { code, requestId: '0123456789abcdef' } });
    expect(audited).toEqual([]);
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
    requester = undefined;
    for (let i = 0; i < LIMITS.signInBurst; i += 1) expect((await ask()).status).toBe(401);
    expect((await ask()).status).toBe(429);
    requester = session();
    const elsewhere = request({ hostname: HOST, publicKey }, { address: '192.0.2.2' });
    expect((await certificates.handle(elsewhere)).status).toBe(200);
  });

  it('gets more than a burst of them with one session', async () => {
    for (let i = 0; i < LIMITS.signInBurst; i += 1) expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(429);
    expect(audited).toHaveLength(LIMITS.signInBurst);
    requester = session({ id: 's2' });
    expect((await ask()).status).toBe(200);
  });
});

it('the keys of the authority are public', async () => {
  const get = { method: 'GET', path: '/.postern/ssh/authorities' };
  const { status, headers, body } = await certificates.handle(request('', get));
  expect([status, headers]).toEqual([
    200,
    expect.arrayContaining([['content-type', 'text/plain; charset=utf-8']]),
  ]);
  expect(String(body)).toMatch(/^ssh-ed25519 \S+ postern-ssh-ca-2026-01-01\n$/);
});
