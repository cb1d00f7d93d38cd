/** Client sessions and the browser sessions that they came from, on a real database. */
import { describe, expect, it } from '@jest/globals';
import {
  BROWSER_SESSION,
  FollowedSessions,
} from '../../../../src/access/client-sign-in/followed-sessions.ts';
import { PROVIDER_ENDED } from '../../../../src/access/sign-in/claim-refresh.ts';
import { accessCore, ANN, ANNS_BROWSER } from '../../../support/access-core.ts';
import { eventually } from '../../../support/eventually.ts';

async function start() {
  const core = await accessCore();
  const { sessions } = core;
  const used: string[] = [];
  const problems: unknown[] = [];
  const followed = new FollowedSessions({
    sessions,
    used: ({ id }) => used.push(id),
    onProblem: (error) => problems.push(error),
  });
  const { session: browser } = await sessions.create(ANNS_BROWSER);
  const provider = { [BROWSER_SESSION]: browser.id };
  const { session: client } = await sessions.create({ ...ANNS_BROWSER, kind: 'client', provider });
  return { core, sessions, followed, used, problems, browser, client };
}

describe('FollowedSessions', () => {
  it('has the provider asked about the browser session while the client session is used', async () => {
    const { followed, used, browser, client } = await start();
    await followed.used(client);
    expect(used).toEqual([browser.id]);
  });

  it('O23 takes from the client what the provider takes from the browser', async () => {
    const { core, sessions, followed, browser, client, problems } = await start();
    await followed.used(client);
    await core.pass(1_000);
    await sessions.refresh(browser.id, { ...ANN, groups: [] }, {});
    await eventually(async () => {
      expect((await sessions.find(client.id))?.identity.groups).toEqual([]);
    });
    expect((await sessions.find(client.id))?.provider).toEqual(client.provider);
    expect(problems).toEqual([]);
  });

  it('O23 brings a client in step that was not used while the provider said so', async () => {
    const { core, sessions, followed, browser, client } = await start();
    await core.pass(1_000);
    await sessions.refresh(browser.id, { ...ANN, groups: [] }, {});
    await followed.used(client);
    expect((await sessions.find(client.id))?.identity.groups).toEqual([]);
  });

  it('ends with the browser session where the provider ended that, and not where its user signed out', async () => {
    for (const [because, isAlive] of [
      [PROVIDER_ENDED, false],
      ['signed out', true],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const { core, sessions, followed, browser, client } = await start();
      // oxlint-disable-next-line no-await-in-loop
      await followed.used(client);
      // oxlint-disable-next-line no-await-in-loop
      await sessions.revoke(browser.id, because);
      // oxlint-disable-next-line no-await-in-loop
      await core.pass(1_000);
      // oxlint-disable-next-line no-await-in-loop
      await eventually(async () => ((await sessions.find(client.id)) !== undefined) === isAlive);
    }
  });

  it('asks nobody about a client session whose browser session is over', async () => {
    const { sessions, followed, used, browser, client, problems } = await start();
    await sessions.revoke(browser.id, 'signed out');
    await followed.used(client);
    await followed.used({ ...client, provider: {} });
    expect([used, problems]).toEqual([[], []]);
  });
});
