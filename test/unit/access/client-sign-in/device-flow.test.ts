/** Signing in from a machine without a browser: codes that people type, and commands that ask. */
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import {
  ALICE,
  clientLab,
  type ClientBrowser,
  type ClientLab,
} from '../../../support/client-lab.ts';
import { AUTH_ORIGIN, fieldOf } from '../../../support/sign-in.ts';

const PATH = '/.postern/client/device';
const DEVICE = { device: 'build-7', command: 'postern access login' };

async function begin(lab: ClientLab, address = '198.51.100.9') {
  const { status, json } = await lab.ask('POST', 'device', { body: DEVICE, address });
  expect(status).toBe(200);
  const { deviceCode, userCode } = json;
  return {
    json,
    userCode: String(userCode),
    poll: async () => (await lab.ask('POST', 'token', { body: { deviceCode }, address })).json,
    pollAll: async () => lab.ask('POST', 'token', { body: { deviceCode }, address }),
  };
}

async function answer(browser: ClientBrowser, code: string, choice: string): Promise<string> {
  const asked = await browser.post(PATH, { code });
  const reference = fieldOf(asked, 'reference');
  return String((await browser.post(PATH, { reference, answer: choice })).body);
}

describe('signing in with a code', () => {
  it('signs the command in once the code was typed and allowed', async () => {
    const lab = clientLab();
    const command = await begin(lab);
    expect(command.json).toEqual({
      deviceCode: expect.any(String),
      userCode: expect.stringMatching(/^[B-DF-HJ-NP-TV-XZ2-9]{4}-[B-DF-HJ-NP-TV-XZ2-9]{4}$/),
      verificationUri: `${AUTH_ORIGIN}${PATH}`,
      expiresIn: 600,
      interval: 5,
    });
    expect(await command.poll()).toEqual({ error: 'authorization_pending' });
    const browser = await lab.signedInBrowser();
    expect((await browser.get(PATH)).body).toContain('name="code"');
    // As people type it.
    const typed = ` ${command.userCode.toLowerCase().replace('-', ' ')}`;
    expect(await answer(browser, typed, 'allow')).toContain('You are signed in');
    lab.clock.run(LIMITS.devicePollMs);
    expect(await command.poll()).toMatchObject({ token: expect.stringMatching(/^pcl_/) });
    lab.clock.run(LIMITS.devicePollMs);
    expect(await command.poll()).toEqual({ error: 'authorization_pending' });
    expect(lab.audit).toEqual([
      expect.objectContaining({ type: 'client.login', actor: ALICE.email }),
    ]);
  });

  it('L8 shows device, address of the command and the code, to be compared, before anything is given', async () => {
    const lab = clientLab();
    const command = await begin(lab);
    const browser = await lab.signedInBrowser();
    const page = await browser.post(PATH, { code: command.userCode });
    for (const text of ['build-7', '198.51.100.9', 'postern access login', command.userCode]) {
      expect(page.body).toContain(text);
    }
    lab.clock.run(LIMITS.devicePollMs);
    expect(await command.poll()).toEqual({ error: 'authorization_pending' });
    expect(String(command.json['verificationUri'])).not.toContain(command.userCode);
  });

  it('tells the command of a no', async () => {
    const lab = clientLab();
    const command = await begin(lab);
    expect(await answer(await lab.signedInBrowser(), command.userCode, 'deny')).toContain(
      'refused',
    );
    expect(await command.poll()).toEqual({ error: 'access_denied' });
  });

  it('takes a typed code once, and an answer only from who typed it', async () => {
    const lab = clientLab();
    const command = await begin(lab);
    const [alice, mallory] = [
      await lab.signedInBrowser(),
      await lab.signedInBrowser({ ...ALICE, subject: 'mallory' }),
    ];
    const reference = fieldOf(await alice.post(PATH, { code: command.userCode }), 'reference');
    expect((await mallory.post(PATH, { code: command.userCode })).status).toBe(400);
    expect((await mallory.post(PATH, { reference, answer: 'allow' })).status).toBe(400);
    expect(await command.poll()).toEqual({ error: 'authorization_pending' });
  });

  it('asks a command that polls too fast to slow down, more each time', async () => {
    const lab = clientLab();
    const command = await begin(lab);
    await command.poll();
    lab.clock.run(LIMITS.devicePollMs / 2);
    expect(await command.poll()).toEqual({ error: 'slow_down' });
    lab.clock.run(LIMITS.devicePollMs);
    expect(await command.poll()).toEqual({ error: 'slow_down' });
    lab.clock.run(LIMITS.devicePollMs * 3);
    expect(await command.poll()).toEqual({ error: 'authorization_pending' });
  });

  it('ends with its codes', async () => {
    const lab = clientLab();
    const command = await begin(lab);
    lab.clock.run(LIMITS.deviceCodeMs);
    expect(await command.poll()).toEqual({ error: 'expired_token' });
    const browser = await lab.signedInBrowser();
    const page = await browser.post(PATH, { code: command.userCode });
    expect(page.body).toContain('There is no such code');
  });

  it('L7 takes no code from a form of another site', async () => {
    const lab = clientLab();
    const command = await begin(lab);
    const browser = await lab.signedInBrowser();
    const page = await browser.post(
      PATH,
      { code: command.userCode },
      { origin: 'https://evil.test' },
    );
    expect(page.body).not.toContain('build-7');
    expect(fieldOf(await browser.post(PATH, { code: command.userCode }), 'reference')).not.toBe('');
  });

  it('A1 lets nobody guess codes, or fill the store with them', async () => {
    const lab = clientLab();
    const browser = await lab.signedInBrowser();
    const guesses: number[] = [];
    for (let n = 0; n < 200; n += 1) {
      guesses.push((await browser.post(PATH, { code: `BBBB-BBB${n % 8}` })).status);
    }
    expect(guesses.filter((status) => status === 400).length).toBe(LIMITS.signInBurst);
    expect(guesses.at(-1)).toBe(429);
    const begun: number[] = [];
    for (let n = 0; n < 200; n += 1) {
      begun.push((await lab.ask('POST', 'device', { body: DEVICE, address: '192.0.2.1' })).status);
    }
    expect(begun.filter((status) => status === 200).length).toBe(LIMITS.signInBurst);
    expect(lab.rows.rows.size).toBe(LIMITS.signInBurst);
    // Others are not held up.
    await begin(lab, '192.0.2.2');
  });

  it('A1 takes made-up device codes for pending ones, a few from one address', async () => {
    const lab = clientLab();
    const end = Math.floor(lab.clock.wall() / 1000 + 60).toString(36);
    const statuses: number[] = [];
    for (let n = 0; n < 100; n += 1) {
      const deviceCode = `${String(n).padStart(43, 'x')}.${end}`;
      const { status } = await lab.ask('POST', 'token', { body: { deviceCode } });
      statuses.push(status);
    }
    expect(statuses.filter((status) => status === 400).length).toBe(LIMITS.signInBurst);
    expect(statuses.at(-1)).toBe(429);
  });
});
