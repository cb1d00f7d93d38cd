/**
 * The token a connector runs with. Sources, the first that is there wins: `--token-file`, `POSTERN_TOKEN`, then
 * `POSTERN_TOKEN_FILE` or what the configuration names. Never an argument: every user of the machine can read those.
 */
import type { ConnectorConfig } from '../../config/connector/connector-config.ts';
import { readCredentials, type Credentials } from '../../config/connector/credentials-file.ts';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { parseTunnelToken } from '../../core/tunnel-token.ts';

export interface TokenSources {
  /** `--token-file`. */
  readonly tokenFile: string | undefined;
  readonly config: ConnectorConfig;
}

/** The credentials to run with. Throws REGISTER_REFUSED for what is no token, CLI_USAGE when there is none. */
export async function findCredentials({ tokenFile, config }: TokenSources): Promise<Credentials> {
  if (tokenFile !== undefined) return readTokenFile(tokenFile);
  const token = process.env['POSTERN_TOKEN'];
  if (token !== undefined && token !== '') return parseToken(token.trim());
  if (config.credentialsFile !== undefined) return readTokenFile(config.credentialsFile);
  const remedy = 'name a file with --token-file, or set POSTERN_TOKEN';
  throw new PosternError('CLI_USAGE', `Cannot run the connector: it has no token; ${remedy}`);
}

/** Reads a token file. REGISTER_REFUSED when what is in it is no token, CONFIG_UNREADABLE when it cannot be read. */
export async function readTokenFile(file: string): Promise<Credentials> {
  try {
    return await readCredentials(file);
  } catch (cause) {
    if (!hasCode(cause, 'CONFIG_INVALID')) throw cause;
    throw new PosternError('REGISTER_REFUSED', messageOf(cause), { cause });
  }
}

function parseToken(token: string): Credentials {
  const parts = parseTunnelToken(token);
  if (parts !== undefined) return { token, id: parts.tunnelId };
  const remedy = '"postern tunnel create NAME" prints one';
  throw new PosternError(
    'REGISTER_REFUSED',
    `Cannot use POSTERN_TOKEN: it is not a tunnel token (pst_…); ${remedy}`,
  );
}
