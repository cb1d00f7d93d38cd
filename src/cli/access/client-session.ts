/**
 * What `access` commands show a gateway: where credentials are kept, how one signs in, and the service token of the environment.
 */
import { CredentialCache } from '../../client/credentials/credential-cache.ts';
import { FileVault } from '../../client/credentials/file-vault.ts';
import { openKeychain } from '../../client/credentials/keychain-vault.ts';
import { clientHome } from '../../client/client-home.ts';
import { CredentialSource } from '../../client/sign-in/ensure-credential.ts';
import type { ServiceToken } from '../../client/sign-in/gateway-client.ts';
import { GatewayHttp } from '../../client/sign-in/gateway-http.ts';
import { systemClock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import type { GatewayAddress } from './access-options.ts';
import { printNote } from '../output.ts';
import { signInTerminal } from './sign-in-terminal.ts';

export interface ClientSession {
  readonly source: CredentialSource;
  readonly cache: CredentialCache;
  readonly http: GatewayHttp;
  /** Where every connection goes, if that was said. */
  readonly gateway: URL | undefined;
  readonly serviceToken: ServiceToken | undefined;
}

/** Calls `use` with what a command needs, and lets go of it. `command` without anything secret: `postern access tcp`. */
export async function withClientSession<T>(
  { gateway: address, isNamed, ca }: GatewayAddress,
  command: string,
  use: (session: ClientSession) => Promise<T>,
): Promise<T> {
  const { env } = process;
  const gateway = isNamed ? new URL(address) : undefined;
  const home = clientHome(env);
  const http = new GatewayHttp({ gateway, ca });
  const cache = new CredentialCache({
    file: new FileVault(home),
    openKeychain: async () => openKeychain(env),
    clock: systemClock,
    onNote: printNote,
  });
  const serviceToken = serviceTokenOf(env);
  const terminal = signInTerminal(env);
  const source = new CredentialSource({ http, cache, home, terminal, serviceToken, command });
  try {
    return await use({ source, cache, http, gateway, serviceToken });
  } finally {
    http.close();
  }
}

/** Whether somebody is there who can sign in. */
export function isAttended(): boolean {
  return process.stderr.isTTY || process.stdin.isTTY;
}

/** The service token of the environment. A program that has one signs nobody in. Throws CLI_USAGE for half of one. */
function serviceTokenOf(env: NodeJS.ProcessEnv): ServiceToken | undefined {
  const id = env['POSTERN_SERVICE_TOKEN_ID'] ?? '';
  const secret = env['POSTERN_SERVICE_TOKEN_SECRET'] ?? '';
  if (id === '' && secret === '') return undefined;
  if (id !== '' && secret !== '') return { id, secret };
  const missing = id === '' ? 'POSTERN_SERVICE_TOKEN_ID' : 'POSTERN_SERVICE_TOKEN_SECRET';
  throw new PosternError('CLI_USAGE', `Cannot use the service token: ${missing} is not set`);
}
