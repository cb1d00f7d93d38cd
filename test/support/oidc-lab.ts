/** Sign-in with one hostile OpenID provider or several, and a browser that walks through it. */
import { OidcFlow } from '../../src/access/oidc/oidc-flow.ts';
import type { WebResponse } from '../../src/access/web-message.ts';
import type { OidcProvider } from '../../src/config/access/identity-provider.ts';
import { HostileOidcProvider } from './hostile-oidc-provider.ts';
import { headerOf, signInLab, TestBrowser, type SignInLab } from './sign-in.ts';

export interface OidcLab extends SignInLab {
  readonly provider: HostileOidcProvider;
  readonly providers: readonly HostileOidcProvider[];
  readonly browser: TestBrowser;
}

/** `change`: of the provider's configuration. `ids`: of the providers; each has a server of its own. */
export async function oidcLab(
  change: Partial<OidcProvider> = {},
  ids: readonly string[] = ['corp'],
): Promise<OidcLab> {
  const providers = await Promise.all(ids.map(async () => HostileOidcProvider.start()));
  const [provider] = providers;
  if (provider === undefined) throw new Error('Cannot make a lab without a provider');
  const lab = signInLab((parts) => {
    const { clock } = parts;
    // The library reads the system's clock, so ours must agree with it.
    clock.setWall(Date.now() - clock.wall());
    return providers.map(
      ({ issuer, clientId }, at) =>
        new OidcFlow({
          provider: {
            type: 'oidc',
            id: ids[at] ?? '',
            name: `Provider ${ids[at] ?? ''}`,
            issuer,
            clientId,
            scopes: ['openid', 'email', 'profile'],
            groupsClaim: 'groups',
            claims: ['department'],
            emailVerification: 'required',
            refreshIntervalMs: 60_000,
            ...change,
          },
          ...parts,
        }),
    );
  });
  return {
    ...lab,
    provider,
    providers,
    browser: new TestBrowser(lab.signIn),
  };
}

/** Begins at the gateway and signs in at the provider; the address the browser is led back to. */
export async function toCallback(
  lab: OidcLab,
  browser = lab.browser,
  id = 'corp',
): Promise<string> {
  const led = await browser.get(`/.postern/sign-in/${id}`);
  return lab.provider.visit(headerOf(led, 'location'));
}

/** A whole sign-in; what the gateway answers to the callback. */
export async function signIn(lab: OidcLab, browser = lab.browser): Promise<WebResponse> {
  return browser.get(await toCallback(lab, browser));
}

/** Why the last sign-in failed. */
export function lastReason(lab: OidcLab): unknown {
  return lab.audit.findLast(({ type }) => type === 'login.fail')?.detail?.['reason'];
}
