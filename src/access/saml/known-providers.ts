/** The SAML providers of a configuration with what their metadata files say. */
import type { GatewayConfig } from '../../config/gateway-config.ts';
import type { SamlProvider } from '../../config/access/identity-provider.ts';
import { readTextFile } from '../../config/read-text-file.ts';
import { placedError } from '../../config/value-place.ts';
import { PosternError, isPosternError, messageOf } from '../../core/error.ts';
import { parseIdpMetadata } from './idp-metadata.ts';
import type { KnownProvider } from './saml-flow.ts';

/**
 * Reads the metadata of every SAML provider, in order; opens nothing else. Throws CONFIG_UNREADABLE and CONFIG_INVALID with
 * the place in the configuration and the element that is wrong.
 */
export async function readSamlProviders(
  config: Pick<GatewayConfig, 'identityProviders' | 'applications'>,
): Promise<KnownProvider[]> {
  const known: KnownProvider[] = [];
  for (const [at, provider] of config.identityProviders.entries()) {
    if (provider.type !== 'saml') continue;
    try {
      // One after the other, so that the first problem in the file is the one that is told.
      // oxlint-disable-next-line no-await-in-loop
      const idp = parseIdpMetadata(await readTextFile(provider.idpMetadataFile));
      known.push({ provider, idp, landingHostname: landingHostname(config, provider) });
    } catch (cause) {
      const path = ['identity-providers', at, 'idp-metadata-file'];
      throw placedError(config, path, metadataError(provider, cause));
    }
  }
  return known;
}

/** The hostname of the application that sign-ins from the IdP lead to; undefined for one with a wildcard. */
function landingHostname(
  { applications }: Pick<GatewayConfig, 'applications'>,
  { idpInitiated }: SamlProvider,
): string | undefined {
  const landing = applications.find(({ name }) => name === idpInitiated?.application)?.hostname;
  return landing?.kind === 'exact' ? landing.hostname : undefined;
}

function metadataError({ idpMetadataFile }: SamlProvider, cause: unknown): unknown {
  if (!isPosternError(cause)) return cause;
  const remedy = 'save the metadata of the identity provider there';
  const text = `File "${idpMetadataFile}" ${messageOf(cause)}; ${remedy}`;
  return new PosternError(cause.code, text, { cause });
}
