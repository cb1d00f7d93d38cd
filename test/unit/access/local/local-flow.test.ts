import { expect, it } from '@jest/globals';

import { LocalFlow } from '../../../../src/access/local/local-flow.ts';
import { hashPassword } from '../../../../src/access/local/password-hash.ts';
import { newTotpSecret, totpCode } from '../../../../src/access/local/totp.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import type { UserRecord } from '../../../../src/store/store.ts';
import {
  AUTH_ORIGIN,
  fieldOf,
  headerOf,
  signInLab,
  TestBrowser,
  type SignInLab,
} from '../../../support/sign-in.ts';

const PASSWORD = 'correct horse battery staple';
const passwordHash = await hashPassword(PASSWORD);
const totpSecret = newTotpSecret();
const ann: UserRecord = {
  name: 'ann',
  passwordHash,
  groups: ['staff'],
  disabled: false,
  createdAt: 0,
};

const FORM = '/.postern/local/local/password';
const CODE = '/.postern/local/local/code';

function lab(...list: UserRecord[]): SignInLab {
  const users = new Map(list.map((user) => [user.name, user]));
  return signInLab(({ address, clock }) => [
    new LocalFlow({
      id: 'local',
      label: 'Local users',
      address,
      clock,
      users: {
        find: async (name) => users.get(name),
        claimTotpStep: async (name, step) => {
          const user = users.get(name);
          if (user === undefined || (user.totpLastStep ?? -1) >= step) return false;
          users.set(name, { ...user, totpLastStep: step });
          return true;
        },
      },
    }),
  ]);
}

async function openForm(browser: TestBrowser): Promise<string> {
  return fieldOf(await browser.get('/.postern/sign-in/local'), 'ticket');
}

it('signs in who knows the password, and goes where the ticket leads', async () => {
  const { signIn, sessions, audit, tickets } = lab(ann);
  const browser = new TestBrowser(signIn);
  const ticket = tickets.issue('/.postern/authorize?app=wiki');
  const form = await browser.get(`/.postern/sign-in/local?ticket=${ticket}`);
  expect(fieldOf(form, 'ticket')).toBe(ticket);

  const done = await browser.post(FORM, { ticket, name: ' Ann ', password: PASSWORD });
  expect(done.status).toBe(200);
  expect(done.body).toContain(`url=${AUTH_ORIGIN}/.postern/authorize?app=wiki`);
  const [session] = sessions.all.values();
  expect(session?.identity).toEqual({
    provider: 'local',
    subject: 'ann',
    name: 'ann',
    groups: ['staff'],
    methods: ['pwd'],
    claims: {},
  });
  expect(browser.cookies.get('__Host-postern_session')).toBe(session?.secret);
  expect(audit.map(({ type, actor }) => [type, actor])).toEqual([['login.ok', 'ann']]);
});

it('answers the same to a wrong password, an unknown name and a disabled user', async () => {
  const { signIn, sessions, audit } = lab(ann, { ...ann, name: 'bob', disabled: true });
  const answers: string[] = [];
  for (const [name, password] of [
    ['ann', 'wrong'],
    ['nobody', PASSWORD],
    ['bob', PASSWORD],
  ] as const) {
    const browser = new TestBrowser(signIn);
    const ticket = await openForm(browser);
    const answer = await browser.post(FORM, { ticket, name, password });
    expect(answer.status).toBe(401);
    answers.push(String(answer.body).replace(`value="${name}"`, ''));
  }
  expect(new Set(answers).size).toBe(1);
  expect(sessions.all.size).toBe(0);
  expect(audit.map(({ type, detail }) => [type, detail?.['reason']])).toEqual([
    ['login.fail', 'password'],
    ['login.fail', 'password'],
    ['login.fail', 'disabled'],
  ]);
});

it('asks for a one-time code where one is set up, on a page of its own', async () => {
  const { signIn, sessions, clock } = lab({ ...ann, totpSecret });
  const browser = new TestBrowser(signIn);
  const ticket = await openForm(browser);
  const second = await browser.post(FORM, { ticket, name: 'ann', password: PASSWORD });
  expect(second.body).toContain('autocomplete="one-time-code"');
  expect(sessions.all.size).toBe(0);

  const code = totpCode(totpSecret, clock.wall());
  const done = await browser.post(CODE, { reference: fieldOf(second, 'reference'), code });
  expect(done.status).toBe(200);
  const [session] = sessions.all.values();
  expect(session?.identity.methods).toEqual(['pwd', 'otp', 'mfa']);
});

it('takes a code once', async () => {
  const { signIn, sessions, clock, audit } = lab({ ...ann, totpSecret });
  const code = totpCode(totpSecret, clock.wall());
  for (const status of [200, 401]) {
    const browser = new TestBrowser(signIn);
    const ticket = await openForm(browser);
    const second = await browser.post(FORM, { ticket, name: 'ann', password: PASSWORD });
    const reference = fieldOf(second, 'reference');
    expect((await browser.post(CODE, { reference, code })).status).toBe(status);
  }
  expect(sessions.all.size).toBe(1);
  expect(audit.at(-1)?.detail?.['reason']).toBe('code');
});

it('shows the form again after a wrong code, and bans after three', async () => {
  const { signIn, clock } = lab({ ...ann, totpSecret });
  const browser = new TestBrowser(signIn);
  const ticket = await openForm(browser);
  let page = await browser.post(FORM, { ticket, name: 'ann', password: PASSWORD });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    page = await browser.post(CODE, { reference: fieldOf(page, 'reference'), code: '000000' });
    expect(page.status).toBe(401);
  }
  const code = totpCode(totpSecret, clock.wall());
  const last = await browser.post(CODE, { reference: fieldOf(page, 'reference'), code });
  expect(last.status).toBe(429);
});

it('the code of one browser is refused in another', async () => {
  const { signIn, sessions, clock, audit } = lab({ ...ann, totpSecret });
  const browser = new TestBrowser(signIn);
  const ticket = await openForm(browser);
  const second = await browser.post(FORM, { ticket, name: 'ann', password: PASSWORD });
  const reference = fieldOf(second, 'reference');
  const code = totpCode(totpSecret, clock.wall());
  expect((await new TestBrowser(signIn).post(CODE, { reference, code })).status).toBe(400);
  expect(sessions.all.size).toBe(0);
  expect(audit.at(-1)?.detail?.['reason']).toBe('state');
});

it('A3 three wrong passwords ban the address at this name for five minutes, and nobody else', async () => {
  const { signIn, clock } = lab(ann);
  const attacker = new TestBrowser(signIn, '198.51.100.9');
  const owner = new TestBrowser(signIn, '203.0.113.7');
  const ticket = await openForm(attacker);
  const attempt = async (browser: TestBrowser, password: string) =>
    (await browser.post(FORM, { ticket, name: 'ann', password })).status;
  for (let count = 0; count < 3; count += 1) expect(await attempt(attacker, 'wrong')).toBe(401);
  expect(await attempt(attacker, PASSWORD)).toBe(429);
  expect(await attempt(owner, PASSWORD)).toBe(200);
  clock.run(LIMITS.passwordBanMs);
  expect(await attempt(attacker, PASSWORD)).toBe(200);
});

it('A1 of a thousand passwords of one address in a minute few are checked, and others sign in', async () => {
  const { signIn, clock, audit, rows } = lab(ann);
  const attacker = new TestBrowser(signIn, '198.51.100.9');
  const ticket = await openForm(attacker);
  const statuses = new Map<number, number>();
  for (let count = 0; count < 1_000; count += 1) {
    const name = `user${count}`;
    // oxlint-disable-next-line no-await-in-loop
    const { status } = await attacker.post(FORM, { ticket, name, password: 'wrong' });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    clock.run(60);
  }
  expect(statuses.get(401)).toBe(LIMITS.passwordFailuresOfAddress);
  expect(statuses.get(429)).toBe(1_000 - LIMITS.passwordFailuresOfAddress);
  expect(audit.length).toBeLessThanOrEqual(LIMITS.signInBurst + 61 * LIMITS.signInPerSecond);
  expect(rows.rows.size).toBe(0);
  const owner = new TestBrowser(signIn, '203.0.113.7');
  const done = await owner.post(FORM, { ticket, name: 'ann', password: PASSWORD });
  expect(done.body).toContain('You are signed in');
});

it('refuses a form of another site', async () => {
  const { signIn, sessions, audit } = lab(ann);
  const browser = new TestBrowser(signIn);
  const fields = { ticket: await openForm(browser), name: 'ann', password: PASSWORD };
  const elsewhere = [
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: 'null' },
    { 'sec-fetch-site': 'same-site' },
    {},
  ];
  for (const headers of elsewhere)
    expect((await browser.post(FORM, fields, headers)).status).toBe(400);
  expect(sessions.all.size).toBe(0);
  expect(audit.every(({ detail }) => detail?.['reason'] === 'form')).toBe(true);
});

it('A8 neither password nor code reaches the audit log or the log', async () => {
  const secret = 'canary-7f3a9-password';
  const { signIn, audit, log, sessions } = lab(ann);
  const browser = new TestBrowser(signIn);
  const ticket = await openForm(browser);
  const page = await browser.post(FORM, { ticket, name: 'ann', password: secret });
  expect(JSON.stringify([audit, log, [...sessions.all.values()]])).not.toContain(secret);
  expect(page.body).not.toContain(secret);
  expect(headerOf(page, 'cache-control')).toBe('no-store');
});

it('A7 what is typed as a name stays text, on the page and in the audit log', async () => {
  const { signIn, audit } = lab(ann);
  const browser = new TestBrowser(signIn);
  const ticket = await openForm(browser);
  const name = '"><script>alert(1)</script>\r\n{"type":"login.ok"}\u001b[2J';
  const page = await browser.post(FORM, { ticket, name, password: 'x' });
  expect(page.body).not.toContain('<script');
  expect(page.body).not.toContain('\u001b');
  expect(audit).toHaveLength(1);
  expect(audit[0]?.type).toBe('login.fail');
});
