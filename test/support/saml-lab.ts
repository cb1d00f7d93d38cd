/** One SAML provider behind sign-in, and a browser that can be sent to it. */
import { parseIdpMetadata } from '../../src/access/saml/idp-metadata.ts';
import { SamlFlow } from '../../src/access/saml/saml-flow.ts';
import { ensureSpKeys, type SpKeys } from '../../src/access/saml/sp-keys.ts';
import type { WebResponse } from '../../src/access/web-message.ts';
import type { SamlProvider } from '../../src/config/access/identity-provider.ts';
import { createKeyCertificate } from '../../src/gateway/tls/make-certificate.ts';
import type { KeyRecord } from '../../src/store/store.ts';
import { HostileIdp, idpKey, readAsk, type Ask } from './hostile-idp.ts';
import { headerOf, signInLab, TestBrowser, type SignInLab } from './sign-in.ts';

export const ACS = '/.postern/saml/okta/acs';
export const SLO = '/.postern/saml/okta/slo';

/** Keys in memory. */
class MemoryKeys {
  readonly rows: KeyRecord[] = [];

  async list(use: string): Promise<KeyRecord[]> {
    return this.rows.filter((row) => row.use === use);
  }

  async add(row: KeyRecord): Promise<void> {
    this.rows.push(row);
  }
}

/** Made once a file: keys take a while. */
export const idp = new HostileIdp(await idpKey());
export const ourKeys: SpKeys = await ensureSpKeys(
  { keys: new MemoryKeys(), certify: createKeyCertificate },
  Date.now(),
);

export interface SamlLab extends SignInLab {
  readonly browser: TestBrowser;
  /** Sends the browser to the IdP; resolves to what it is asked there. */
  readonly begin: (browser?: TestBrowser) => Promise<Ask>;
  /** Posts a response as the IdP's page would. */
  readonly post: (xml: string, relayState?: string, browser?: TestBrowser) => Promise<WebResponse>;
  /** Why the last sign-in failed; undefined when none did. */
  readonly why: () => string | undefined;
  /** Subjects of the sessions there are. */
  readonly subjects: () => string[];
}

/** `changes` to the provider's configuration; `metadata` instead of the IdP's own. */
export function samlLab(changes: Partial<SamlProvider> = {}, metadata = idp.metadata()): SamlLab {
  const provider: SamlProvider = {
    type: 'saml',
    id: 'okta',
    name: 'Okta',
    idpMetadataFile: '/unused',
    attributes: {},
    signRequests: true,
    wantSigned: 'assertion',
    encryptedAssertions: 'allow',
    clockSkewMs: 30_000,
    ...changes,
  };
  const lab: SignInLab = signInLab(({ clock, rows, sessions, address }) => [
    new SamlFlow({
      provider,
      idp: parseIdpMetadata(metadata),
      keys: ourKeys,
      address,
      landingHostname: 'wiki.postern.test',
      clock,
      ports: {
        keys: new MemoryKeys(),
        rows,
        endSessions: async (picks, because) => sessions.revokeWhere(picks, because),
        ticketTo: (path) => lab.tickets.issue(path),
        certify: createKeyCertificate,
      },
    }),
  ]);
  const first = new TestBrowser(lab.signIn);
  return {
    ...lab,
    browser: first,
    begin: async (browser = first) => {
      const ticket = lab.tickets.issue('/after');
      const sent = await browser.get(`/.postern/sign-in/okta?ticket=${ticket}`);
      return readAsk(headerOf(sent, 'location') ?? '');
    },
    post: async (xml, relayState, browser = first) => postForm(browser, xml, relayState),
    why: () => {
      const detail = lab.audit.findLast(({ type }) => type === 'login.fail')?.detail;
      return detail && `${String(detail['reason'])}: ${String(detail['why'])}`;
    },
    subjects: () => [...lab.sessions.all.values()].map(({ identity }) => identity.subject),
  };
}

async function postForm(
  browser: TestBrowser,
  xml: string,
  relayState: string | undefined,
): Promise<WebResponse> {
  const fields = { SAMLResponse: Buffer.from(xml).toString('base64') };
  const all = relayState === undefined ? fields : { ...fields, RelayState: relayState };
  return browser.post(ACS, all, { origin: 'https://idp.test', 'sec-fetch-site': 'cross-site' });
}

/** Posts a response and checks that nobody is signed in and that the page says nothing; resolves to the reason in the audit log. */
export async function refusal(lab: SamlLab, xml: string, relayState?: string): Promise<string> {
  const before = lab.subjects().length;
  const answer = await lab.post(xml, relayState);
  const why = lab.why();
  if (answer.status < 400 || lab.subjects().length !== before || why === undefined) {
    throw new Error(`It was accepted: ${answer.status} ${lab.subjects().join(', ')}`);
  }
  const told = why.slice(why.lastIndexOf(': ') + 2);
  if (String(answer.body).includes(told)) throw new Error(`The page tells the reason: ${told}`);
  return why;
}

/** Where a response leads, by header or by the page that goes on by itself. */
export function locationOf(response: WebResponse): string {
  const refresh = /content="0;url=([^"]*)"/.exec(String(response.body))?.[1] ?? '';
  return headerOf(response, 'location') ?? refresh.replaceAll('&amp;', '&');
}
