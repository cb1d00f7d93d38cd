/**
 * What is known of an OpenID provider: its metadata and keys, asked for when they are needed and kept for a while.
 *
 * The gateway starts and runs while a provider is away. Metadata is asked for by one request at a time, again after an hour, and after a
 * failure not before a few seconds; old metadata is better than none. Keys are asked for once a minute at most, whatever key ids
 * tokens name (cases O17, A2): both the library and back-channel logout get them through the same fetch.
 */
import { readFile } from 'node:fs/promises';
import {
  allowInsecureRequests,
  ClientSecretPost,
  clockTolerance,
  Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
  type ClientAuth,
  type CustomFetch,
} from 'openid-client';
import type { OidcProvider } from '../../config/access/identity-provider.ts';
import type { Clock } from '../../core/clock.ts';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { providerFetch } from './provider-fetch.ts';

/** Tokens may be this much too old or too new, s (case O19). */
export const CLOCK_TOLERANCE_SECONDS = 30;
const METADATA_MS = 60 * 60_000;
const RETRY_MS = 5_000;
const KEYS_MS = 60_000;
const KEYS_RETRY_MS = 10_000;

interface Kept<T> {
  readonly value: T;
  readonly until: number;
}

export class OidcConnection {
  readonly #provider: OidcProvider;
  readonly #clock: Clock;
  #fetch: Promise<CustomFetch> | undefined;
  #known: Kept<Configuration> | undefined;
  #asking: Promise<Configuration> | undefined;
  #failure: Kept<PosternError> | undefined;
  #keys: (Kept<Promise<Response>> & { readonly url: string }) | undefined;

  constructor(provider: OidcProvider, clock: Clock) {
    this.#provider = provider;
    this.#clock = clock;
  }

  /** The provider's configuration. Rejects with ACCESS_PROVIDER_DOWN when there is none to be had. */
  async configuration(): Promise<Configuration> {
    const now = this.#clock.now();
    if (this.#known !== undefined && now < this.#known.until) return this.#known.value;
    if (this.#failure !== undefined && now < this.#failure.until) {
      if (this.#known !== undefined) return this.#known.value;
      throw this.#failure.value;
    }
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** As openid-client and jose want it: bounded, and keys from what is kept. */
  readonly fetch: CustomFetch = async (url, options) => {
    const keysUrl = this.#known?.value.serverMetadata().jwks_uri;
    if (options.method !== 'GET' || keysUrl === undefined || url !== keysUrl) {
      return (await this.#open())(url, options);
    }
    return this.#keysResponse(url, options);
  };

  async #ask(): Promise<Configuration> {
    const { issuer } = this.#provider;
    try {
      const configuration = await this.#discover();
      this.#known = { value: configuration, until: this.#clock.now() + METADATA_MS };
      this.#failure = undefined;
      return configuration;
    } catch (cause) {
      const error = hasCode(cause, 'ACCESS_PROVIDER_DOWN')
        ? (cause as PosternError)
        : new PosternError(
            'ACCESS_PROVIDER_DOWN',
            `Cannot use identity provider "${issuer}": ${messageOf(cause)}`,
            { cause },
          );
      this.#failure = { value: error, until: this.#clock.now() + RETRY_MS };
      if (this.#known !== undefined) return this.#known.value;
      throw error;
    }
  }

  async #discover(): Promise<Configuration> {
    const { issuer, clientId, clientSecretFile } = this.#provider;
    const secret =
      clientSecretFile === undefined
        ? undefined
        : (await readFile(clientSecretFile, 'utf8')).trim();
    const url = new URL(issuer);
    // Only http on this machine gets past `providerFetch`; the library would refuse even that.
    const execute = [enableNonRepudiationChecks];
    if (url.protocol === 'http:') execute.push(allowInsecureRequests);
    const found = await discovery(url, clientId, undefined, None(), {
      execute,
      timeout: LIMITS.providerRequestMs / 1000,
      [customFetch]: this.fetch,
    });
    const metadata = found.serverMetadata();
    const configuration = new Configuration(
      metadata,
      clientId,
      { [clockTolerance]: CLOCK_TOLERANCE_SECONDS },
      clientAuth(secret, metadata.token_endpoint_auth_methods_supported),
    );
    for (const extend of execute) extend(configuration);
    configuration[customFetch] = this.fetch;
    configuration.timeout = LIMITS.providerRequestMs / 1000;
    return configuration;
  }

  async #open(): Promise<CustomFetch> {
    const { caFile } = this.#provider;
    this.#fetch ??= (async () =>
      providerFetch(caFile === undefined ? undefined : await readFile(caFile, 'utf8')))();
    try {
      return await this.#fetch;
    } catch (cause) {
      this.#fetch = undefined;
      throw cause;
    }
  }

  async #keysResponse(url: string, options: Parameters<CustomFetch>[1]): Promise<Response> {
    const now = this.#clock.now();
    if (this.#keys === undefined || this.#keys.url !== url || now >= this.#keys.until) {
      // Its own time limit holds, not that of whoever asks first.
      const { signal: _signal, ...rest } = options;
      const value = this.#open().then(async (fetch) => fetch(url, rest));
      this.#keys = { url, value, until: now + KEYS_MS };
      const retrySoon = () => {
        if (this.#keys?.value === value) this.#keys = { url, value, until: now + KEYS_RETRY_MS };
      };
      value.then((response) => response.ok || retrySoon(), retrySoon);
    }
    return (await this.#keys.value).clone();
  }
}

/** OpenID Connect's default is Basic; a provider that offers only POST says so. */
function clientAuth(
  secret: string | undefined,
  offered: readonly string[] | undefined,
): ClientAuth {
  if (secret === undefined) return None();
  const isPostOnly =
    offered?.includes('client_secret_post') === true && !offered.includes('client_secret_basic');
  return isPostOnly ? ClientSecretPost(secret) : basicAuth(secret);
}

/**
 * RFC 6749 §2.3.1. The library's own writes `-` and `_` as `%2D` and `%5F` too, which is allowed, and which providers that
 * decode nothing take for a wrong secret.
 */
function basicAuth(secret: string): ClientAuth {
  return (_server, { client_id: id }, _body, headers) => {
    const encoded = [id, secret].map((text) =>
      new URLSearchParams([['', text]]).toString().slice(1),
    );
    headers.set('authorization', `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`);
  };
}
