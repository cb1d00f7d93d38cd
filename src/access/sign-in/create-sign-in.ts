/**
 * Sign-in as a gateway runs it: a flow for each identity provider of the configuration, on the store of the gateway.
 */
import type { IdentityProvider, SamlProvider } from '../../config/identity-provider.ts';
import type { Store } from '../../store/store.ts';
import { LocalFlow } from '../local/local-flow.ts';
import { OidcFlow } from '../oidc/oidc-flow.ts';
import type { ProviderFlow } from './provider-flow.ts';
import { SignIn, type SignInOptions } from './sign-in.ts';
import { ticketKey } from './ticket-key.ts';
import { Tickets } from './tickets.ts';

export interface CreateSignInOptions extends Omit<SignInOptions, 'flows' | 'rows' | 'tickets'> {
  readonly providers: readonly IdentityProvider[];
  readonly store: Pick<Store, 'onceItems' | 'users' | 'keys'>;
  /** The flow of a SAML provider. */
  readonly samlFlow: (provider: SamlProvider) => Promise<ProviderFlow>;
}

/** Asks no provider anything: one that is down is found out when somebody signs in. Rejects with STORE_*. */
export async function createSignIn(options: CreateSignInOptions): Promise<SignIn> {
  const { providers, store, samlFlow, ...parts } = options;
  const rows = store.onceItems;
  const flows = await Promise.all(
    providers.map(async (provider): Promise<ProviderFlow> => {
      if (provider.type === 'saml') return samlFlow(provider);
      if (provider.type === 'oidc') return new OidcFlow({ ...parts, rows, provider });
      const { id, name } = provider;
      return new LocalFlow({ ...parts, id, label: name, users: store.users });
    }),
  );
  const key = await ticketKey(store.keys, parts.clock);
  return new SignIn({ ...parts, flows, rows, tickets: new Tickets(key) });
}
