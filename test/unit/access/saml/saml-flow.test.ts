import { expect, it } from '@jest/globals';

import { AUTH_ORIGIN } from '../../../support/sign-in.ts';
import { idp, samlLab } from '../../../support/saml-lab.ts';

it('signs in who the identity provider vouches for, and goes where the ticket leads', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const done = await lab.post(idp.answer(ask, lab.clock.wall()), ask.relayState);
  expect(lab.why()).toBeUndefined();
  expect(done.body).toContain(`url=${AUTH_ORIGIN}/after`);
  const [session] = lab.sessions.all.values();
  expect(session?.identity).toEqual({
    provider: 'okta',
    subject: 'ann-17',
    email: 'ann@example.com',
    name: 'Ann',
    groups: ['staff', 'admins'],
    methods: ['pwd'],
    claims: {},
  });
});
