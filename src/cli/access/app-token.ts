/** Gets a token for one application: by the credential of the user, who signs in where that is needed and possible. */
import { isSignedOut, type CredentialAsk } from '../../client/sign-in/ensure-credential.ts';
import type { AppToken, Destination } from '../../client/sign-in/gateway-client.ts';
import type { ClientSession } from './client-session.ts';

export interface AppTokenAsk extends Destination {
  /** Of the application: it proves whose it is. */
  readonly origin: string;
  readonly interactive: boolean;
}

/** What to show an application. `none`: it asks for nothing. */
export type AppPass =
  | { readonly kind: 'none' }
  | { readonly kind: 'service-token'; readonly id: string; readonly secret: string }
  | { readonly kind: 'app-token'; readonly token: AppToken };

/** Rejects as CredentialSource.ensure() does, with ACCESS_DENIED and ROUTE_*. A session that is over is renewed once. */
export async function passForApplication(
  { source, gateway }: ClientSession,
  { interactive, origin, ...to }: AppTokenAsk,
): Promise<AppPass> {
  const ask: CredentialAsk = { ...to, origin, gateway, interactive };
  let granted = await source.ensure(ask);
  for (let isRenewed = false; ; isRenewed = true) {
    const { pass } = granted;
    if (pass.kind === 'none') return pass;
    if (pass.kind === 'service-token') return { kind: 'service-token', ...pass.token };
    try {
      // oxlint-disable-next-line no-await-in-loop
      const client = await source.client(granted);
      // oxlint-disable-next-line no-await-in-loop
      const token = await client.appToken(pass.credential, to);
      return token === undefined ? { kind: 'none' } : { kind: 'app-token', token };
    } catch (error) {
      if (isRenewed || !isSignedOut(error)) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    granted = await source.renew(ask, pass.credential);
  }
}
