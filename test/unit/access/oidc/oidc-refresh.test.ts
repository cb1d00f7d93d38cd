import { expect, it } from '@jest/globals';

import { oidcLab, signIn, type OidcLab } from '../../../support/oidc-lab.ts';
import type { Session } from '../../../../src/access/sign-in/sign-in-ports.ts';

const INTERVAL_MS = 60_000;

async function signedIn(): Promise<OidcLab> {
  const lab = await oidcLab({ refreshIntervalMs: INTERVAL_MS });
  await signIn(lab);
  lab.provider.tokenRequests.length = 0;
  return lab;
}

function onlySession({ sessions }: OidcLab): Session {
  const [session] = sessions.all.values();
  if (session === undefined) throw new Error('Cannot find the session');
  return session;
}

it('O23 a group that the provider took away is gone from the session after the interval', async () => {
  const lab = await signedIn();
  lab.provider.user['groups'] = ['guests'];
  await lab.signIn.used(onlySession(lab));
  expect(onlySession(lab).identity.groups).toEqual(['staff']);

  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  expect(onlySession(lab).identity.groups).toEqual(['guests']);
  expect(onlySession(lab).identity.email).toBe('ann@example.com');
});

it('C17 many requests at the time of a refresh make one, and nobody is signed out', async () => {
  const lab = await signedIn();
  for (let round = 1; round <= 3; round += 1) {
    lab.clock.run(INTERVAL_MS);
    const session = onlySession(lab);
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all(Array.from({ length: 10 }, async () => lab.signIn.used(session)));
    expect(lab.provider.tokenRequests).toHaveLength(round);
  }
  expect(lab.sessions.revoked).toEqual([]);
});

it('O21 another subject at the refresh ends the session', async () => {
  const lab = await signedIn();
  lab.provider.user['sub'] = 'user-2';
  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  expect(lab.sessions.all.size).toBe(0);
  expect(lab.audit.at(-1)?.type).toBe('session.refresh-failed');
});

it('O21 another subject in UserInfo at the refresh ends the session', async () => {
  const lab = await signedIn();
  lab.provider.malform.userInfo = (claims) => ({ ...claims, sub: 'user-2' });
  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  expect(lab.sessions.all.size).toBe(0);
});

it('a refresh token that the provider no longer takes ends the session', async () => {
  const lab = await signedIn();
  const session = onlySession(lab);
  await lab.sessions.refresh(session.id, session.identity, { refreshToken: 'refresh-old' });
  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  expect(lab.sessions.revoked).toEqual([
    { id: session.id, because: 'the identity provider ended it' },
  ]);
});

it('a provider that is down ends nothing, and is not asked again at once', async () => {
  const lab = await signedIn();
  let asked = 0;
  lab.provider.malform.answer = (_, response) => {
    asked += 1;
    response.writeHead(503).end();
    return true;
  };
  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  await lab.signIn.used(onlySession(lab));
  expect([asked, lab.sessions.all.size]).toEqual([1, 1]);

  lab.provider.malform = {};
  lab.clock.run(30_000);
  await lab.signIn.used(onlySession(lab));
  expect(onlySession(lab).refreshedAt).toBe(lab.clock.wall());
});

it('an ID token at the refresh is checked like the first one', async () => {
  const lab = await signedIn();
  lab.provider.user['groups'] = ['root'];
  lab.provider.malform.claims = (claims) => ({ ...claims, aud: 'other' });
  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  expect(onlySession(lab).identity.groups).toEqual(['staff']);
});

it('without a refresh token the claims stay as they are, and the provider is not asked', async () => {
  const lab = await oidcLab({ refreshIntervalMs: INTERVAL_MS });
  lab.provider.malform.tokens = (answer) => ({ ...answer, refresh_token: undefined });
  await signIn(lab);
  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  expect(lab.provider.tokenRequests).toHaveLength(1);
  expect(onlySession(lab).identity.groups).toEqual(['staff']);
});

it('A8 a refresh that fails leaves no token in the log', async () => {
  const lab = await signedIn();
  lab.provider.malform.tokens = (answer) => ({ ...answer, id_token: 'eyJjYW5hcnk.x.y' });
  lab.clock.run(INTERVAL_MS);
  await lab.signIn.used(onlySession(lab));
  expect(lab.log.join('')).toContain('claims could not be refreshed');
  expect(JSON.stringify([lab.log, lab.audit])).not.toMatch(/refresh-\w|access-\w|eyJ/);
});
