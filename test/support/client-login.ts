/**
 * Clients that have signed in already: what a sign-in leaves in the store of the gateway and in the home of the user, without
 * the browser between them. The gateway may be running.
 */
import { calculateJwkThumbprint } from 'jose';

import type { Identity } from '../../src/access/identity.ts';
import { Sessions } from '../../src/access/sessions/sessions.ts';
import { SigningKeys } from '../../src/access/tokens/signing-keys.ts';
import { FileVault } from '../../src/client/credentials/file-vault.ts';
import { formatCredential } from '../../src/client/credentials/credential.ts';
import { systemClock } from '../../src/core/clock.ts';
import { openStore } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { clientEnv } from './client.ts';
import type { Gateway } from './gateway.ts';

const HOUR_MS = 3_600_000;

/** The environment of a client in which this person is signed in, the id of the session, and its secret. */
export async function signedInClient(
  gateway: Gateway,
  identity: Identity,
  lastsMs = HOUR_MS,
): Promise<{
  readonly env: Record<string, string>;
  readonly session: string;
  readonly secret: string;
}> {
  const own = clientEnv(gateway);
  const env = { ...own, POSTERN_KEYCHAIN: 'off' };
  return withStore(gateway, async (store) => {
    const sessions = new Sessions({
      store: store.sessions,
      clock: systemClock,
      audit: async () => undefined,
      durations: { browser: HOUR_MS, client: lastsMs },
    });
    const { session, secret } = await sessions.create({
      kind: 'client',
      identity,
      address: '127.0.0.1',
      agent: 'test',
    });
    const origin = `https://auth.postern.test:${gateway.ports.https}`;
    const credential = {
      gateway: origin,
      token: secret,
      expiresAt: session.expiresAt,
      keys: await thumbprints(store),
    };
    await new FileVault(own['POSTERN_HOME'] ?? '').write(origin, formatCredential(credential));
    return { env, session: session.id, secret };
  });
}

/** The environment of a client with a new service token. */
export async function serviceTokenClient(
  gateway: Gateway,
  name: string,
): Promise<Record<string, string>> {
  const { token, secret } = await withStore(gateway, async (store) =>
    store.serviceTokens.create(name),
  );
  return {
    ...clientEnv(gateway),
    POSTERN_KEYCHAIN: 'off',
    POSTERN_SERVICE_TOKEN_ID: token.id,
    POSTERN_SERVICE_TOKEN_SECRET: secret,
  };
}

async function thumbprints({ keys: store }: Store): Promise<string[]> {
  const keys = new SigningKeys({ store, clock: systemClock, rotationMs: 30 * 24 * HOUR_MS });
  await keys.current();
  return Promise.all(keys.jwks().keys.map(async (jwk) => calculateJwkThumbprint(jwk)));
}

async function withStore<T>({ dir }: Gateway, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ file: `${dir}/data/postern.db` });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}
