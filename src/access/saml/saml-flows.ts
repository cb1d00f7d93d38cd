/** The SAML providers of a configuration, opened: their metadata read, our keys made where there are none. */
import type { Clock } from '../../core/clock.ts';
import { PosternError, messageOf } from '../../core/error.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import type { SamlProvider } from '../../config/identity-provider.ts';
import { readTextFile } from '../../config/read-text-file.ts';
import { placedError } from '../../config/value-place.ts';
import { parseIdpMetadata } from './idp-metadata.ts';
import type { IdpMetadata } from './idp-metadata.ts';
import { SamlFlow } from './saml-flow.ts';
import type { SamlPorts } from './saml-ports.ts';
import { ensureSpKeys } from './sp-keys.ts';

/** A SAML provider and what its metadata says. */
export interface KnownProvider {
  readonly provider: SamlProvider;
  readonly idp: IdpMetadata;
}

/** What flows are made with. */
export interface SamlSurroundings {
  readonly authOrigin: () => string;
  readonly ports: SamlPorts;
  readonly clock: Clock;
}

/**
 * Reads the metadata of every SAML provider, in order. Throws CONFIG_UNREADABLE and CONFIG_INVALID with the place in the
 * configuration and the element that is wrong.
 */
export async function readIdpMetadata(
  config: Pick<GatewayConfig, 'identityProviders'>,
): Promise<KnownProvider[]> {
  const known: KnownProvider[] = [];
  for (const [at, provider] of config.identityProviders.entries()) {
    if (provider.type !== 'saml') continue;
    try {
      // One after the other, so that the first problem in the file is the one that is told.
      // oxlint-disable-next-line no-await-in-loop
      const idp = parseIdpMetadata(await readTextFile(provider.idpMetadataFile));
      known.push({ provider, idp });
    } catch (cause) {
      const path = ['identity-providers', at, 'idp-metadata-file'];
      throw placedError(config, path, metadataError(provider, cause));
    }
  }
  return known;
}

function metadataError({ idpMetadataFile }: SamlProvider, cause: unknown): unknown {
  if (!(cause instanceof PosternError)) return cause;
  const text = `Cannot use the identity provider: file "${idpMetadataFile}" ${messageOf(cause)}`;
  return new PosternError(cause.code, text, { cause });
}

/** A flow for each. Throws STORE_* where our keys cannot be read or kept. */
export async function samlFlows(
  known: readonly KnownProvider[],
  { authOrigin, ports, clock }: SamlSurroundings,
): Promise<SamlFlow[]> {
  if (known.length === 0) return [];
  const keys = await ensureSpKeys(ports, clock.wall());
  return known.map((each) => new SamlFlow({ ...each, keys, authOrigin, ports, clock }));
}
