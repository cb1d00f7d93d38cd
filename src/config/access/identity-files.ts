/**
 * Identity providers with their files checked and their names absolute.
 *
 * A secret is looked at and never kept: who uses it reads it again, and it is in no configuration that could be printed.
 */
import { stat } from 'node:fs/promises';
import { messageOf } from '../../core/error.ts';
import type { ConfigSource } from '../config-source.ts';
import type { IdentityProvider, WrittenProvider } from './identity-provider.ts';
import { checkCaFile } from '../pem-file.ts';
import { readTextFile } from '../read-text-file.ts';
import type { KeyPath } from '../yaml-file.ts';

/** The providers, and what an operator should be told about their files. */
export interface ResolvedProviders {
  readonly providers: readonly IdentityProvider[];
  readonly warnings: readonly string[];
}

/** Checks the files of every provider, in order. Throws CONFIG_UNREADABLE, CONFIG_INVALID and CONFIG_TLS. */
export async function resolveProviders(
  source: ConfigSource,
  written: readonly WrittenProvider[],
): Promise<ResolvedProviders> {
  const providers: IdentityProvider[] = [];
  const warnings: string[] = [];
  for (const [at, provider] of written.entries()) {
    const path = ['identity-providers', at];
    // One after the other, so that the first problem in the file is the one that is told.
    // oxlint-disable-next-line no-await-in-loop
    providers.push(await resolveProvider(source, path, provider, warnings));
  }
  return { providers, warnings };
}

async function resolveProvider(
  source: ConfigSource,
  path: KeyPath,
  written: WrittenProvider,
  warnings: string[],
): Promise<IdentityProvider> {
  const { id, name = id } = written;
  if (written.type === 'local') return { type: 'local', id, name };
  if (written.type === 'saml') {
    const at = [...path, 'idp-metadata-file'];
    return {
      type: 'saml',
      id,
      name,
      idpMetadataFile: await checkText(source, at, written['idp-metadata-file']),
      entityId: written['entity-id'],
      attributes: written.attributes,
      signRequests: written['sign-requests'],
      wantSigned: written['want-signed'],
      encryptedAssertions: written['encrypted-assertions'],
      idpInitiated: written['idp-initiated'],
      clockSkewMs: written['clock-skew'],
    };
  }
  const { ca, 'client-secret-file': secret } = written;
  const secretPath = [...path, 'client-secret-file'];
  return {
    type: 'oidc',
    id,
    name,
    issuer: written.issuer,
    clientId: written['client-id'],
    clientSecretFile: secret && (await checkSecret(source, secretPath, secret, warnings)),
    scopes: written.scopes,
    groupsClaim: written['groups-claim'],
    claims: written.claims,
    emailVerification: written['email-verification'],
    caFile: ca && (await checkCaFile(source, [...path, 'ca'], ca)),
    refreshIntervalMs: written['refresh-interval'],
  };
}

async function checkText(source: ConfigSource, path: KeyPath, name: string): Promise<string> {
  const file = source.resolveFile(path, name);
  let content: string;
  try {
    content = await readTextFile(file);
  } catch (cause) {
    const text = `file "${name}" ${messageOf(cause)}; correct the name or the file's permissions`;
    throw source.problem('CONFIG_UNREADABLE', path, text, { cause });
  }
  if (content.trim() !== '') return file;
  throw source.problem('CONFIG_INVALID', path, `file "${name}" is empty; write it again`);
}

async function checkSecret(
  source: ConfigSource,
  path: KeyPath,
  name: string,
  warnings: string[],
): Promise<string> {
  const file = await checkText(source, path, name);
  const { mode } = await stat(file);
  // Not an error: secrets that containers are given are often 0444, in a folder that nobody else can enter.
  if ((mode & 0o004) !== 0) {
    const text = `file "${name}" can be read by every user of this machine; use mode 0600`;
    warnings.push(`${source.where(path)}: ${text}`);
  }
  return file;
}
