import { expect, it } from '@jest/globals';

import type { ProviderFlow } from '../../../../src/access/sign-in/provider-flow.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { signInLab, type SignInLab } from '../../../support/sign-in.ts';
import type { Session } from '../../../../src/access/sign-in/sign-in-ports.ts';

const INTERVAL_MS = 60_000;
const identity = { provider: 'a', subject: 's', groups: [], methods: [], claims: {} };

function lab(refresh: NonNullable<ProviderFlow['refresh']>): SignInLab {
  const never = async () => Promise.reject(new Error('not used'));
  return signInLab(() => [
    {
      id: 'a',
      label: 'A',
      type: 'oidc',
      refreshIntervalMs: INTERVAL_MS,
      start: never,
      handle: never,
      refresh,
    },
  ]);
}

async function session({ sessions }: SignInLab): Promise<Session> {
  const made = await sessions.create({ kind: 'browser', identity, address: '', agent: '' });
  return made.session;
}

it('asks so many at once, and the others when they are used again', async () => {
  let open = 0;
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const own = lab(async (one) => {
    open += 1;
    await gate;
    return { identity: one.identity, provider: {} };
  });
  const sessions = await Promise.all(
    Array.from({ length: LIMITS.claimRefreshes + 5 }, async () => session(own)),
  );
  own.clock.run(INTERVAL_MS);
  const used = sessions.map(async (one) => own.signIn.used(one));
  expect(open).toBe(LIMITS.claimRefreshes);
  release();
  await Promise.all(used);
  await Promise.all(sessions.map(async (one) => own.signIn.used(one)));
  expect(open).toBeGreaterThan(LIMITS.claimRefreshes);
});

it('remembers so many failures at most', async () => {
  let asked = 0;
  const own = lab(async () => {
    asked += 1;
    throw new Error('down');
  });
  const first = await session(own);
  own.clock.run(INTERVAL_MS);
  await own.signIn.used(first);
  await own.signIn.used(first);
  expect(asked).toBe(1);
  for (let count = 0; count < LIMITS.claimRefreshesFailed; count += 1) {
    // oxlint-disable-next-line no-await-in-loop
    await own.signIn.used({ ...first, id: `other-${count}` });
  }
  await own.signIn.used(first);
  expect(asked).toBe(LIMITS.claimRefreshesFailed + 2);
});
