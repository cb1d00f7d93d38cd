/** A real OpenID provider, npm's oidc-provider, in a process of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Gateway } from '../gateway.ts';
import { startProcess, type TestProcess } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

export interface RealOidcProvider {
  readonly issuer: string;
  /** Its entry for `identity-providers:`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly process: TestProcess;
}

export interface RealOidcProviderOptions {
  readonly gateway: Gateway;
  /** Claims by the login name that is typed at its login page. */
  readonly accounts: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const PROGRAM = join(import.meta.dirname, 'oidc-provider-process.js');

/** Starts the provider on a port of its own, for a gateway that may start later. The clean-up stops it. */
export async function startOidcProvider({
  gateway,
  accounts,
}: RealOidcProviderOptions): Promise<RealOidcProvider> {
  const id = 'corp';
  const how = JSON.stringify({
    authOrigin: `https://auth.postern.test:${gateway.ports.https}`,
    id,
    caFile: gateway.caFile,
    accounts,
  });
  const server = startProcess(process.execPath, [PROGRAM], {
    name: 'oidc-provider',
    env: { OIDC_PROVIDER: how, NODE_OPTIONS: undefined },
  });
  const [, issuer = ''] = await server.waitForLine(/^listening (\S+)$/, 30_000);
  const secretFile = join(tempDir('secret'), 'client-secret');
  writeFileSync(secretFile, 'a-secret-that-only-two-know\n', { mode: 0o600 });
  return {
    issuer,
    process: server,
    config: {
      id,
      type: 'oidc',
      name: 'Example Corp',
      issuer,
      'client-id': 'postern',
      'client-secret-file': secretFile,
    },
  };
}
