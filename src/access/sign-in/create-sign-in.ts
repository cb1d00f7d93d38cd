/**
 * Sign-in as a gateway runs it: a flow for each identity provider of the configuration, on the store of the gateway.
 */
import type { IdentityProvider } from '../../config/access/identity-provider.ts';
import type { Store } from '../../store/store.ts';
import { LocalFlow } from '../local/local-flow.ts';
import { OidcFlow } from '../oidc/oidc-flow.ts';
import { SamlFlow, type KnownProvider } from '../saml/saml-flow.ts';
import type { SamlPorts } from '../saml/saml-ports.ts';
import { ensureSpKeys } from '../saml/sp-keys.ts';
import type { ProviderFlow } from './provider-flow.ts';
import { SignIn, type SignInOptions } from './sign-in.ts';
import { ticketKey } from './ticket-key.ts';
import { Tickets } from './tickets.ts';

export interface CreateSignInOptions extends Omit<SignInOptions, 'flows' | 'rows' | 'tickets'> {
  readonly providers: readonly IdentityProvider[];
  readonly store: Pick<Store, 'onceItems' | 'users' | 'keys'>;
  /** The SAML ones of `providers`; readSamlProviders(). */
  readonly samlProviders: readonly KnownProvider[];
  /** Makes the certificates of the keys that SAML needs. */
  readonly certify: SamlPorts['certify'];
}

/** Asks no provider anything: one that is down is found out when somebody signs in. Rejects with STORE_*. */
export async function createSignIn(options: CreateSignInOptions): Promise<SignIn> {
  const { providers, store, ...parts } = options;
  const rows = store.onceItems;
  const tickets = new Tickets(await ticketKey(store.keys, parts.clock));
  const samlFlows = await openSamlFlows(options, tickets);
  const flows = providers.flatMap((provider): ProviderFlow[] => {
    if (provider.type === 'saml') return samlFlows.filter(({ id }) => id === provider.id);
    if (provider.type === 'oidc') return [new OidcFlow({ ...parts, rows, provider })];
    const { id, name } = provider;
    return [new LocalFlow({ ...parts, id, label: name, users: store.users })];
  });
  return new SignIn({ ...parts, flows, rows, tickets });
}

async function openSamlFlows(options: CreateSignInOptions, tickets: Tickets): Promise<SamlFlow[]> {
  const { samlProviders, certify, store, sessions, clock, address } = options;
  if (samlProviders.length === 0) return [];
  const ports: SamlPorts = {
    keys: store.keys,
    rows: store.onceItems,
    endSessions: async (picks, because) => sessions.revokeWhere(picks, because),
    ticketTo: (path) => tickets.issue(path),
    certify,
  };
  const keys = await ensureSpKeys(ports, clock.wall());
  return samlProviders.map((known) => new SamlFlow({ ...known, keys, ports, clock, address }));
}
