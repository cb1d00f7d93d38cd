/**
 * Whether a stream was opened for somebody whom an application of the gateway let in, for rules with
 * `originRequest.access`. docs/access.md "Checked by the connector", docs/protocol.md §12.
 *
 * The gateway says so in a JWT of its own for each stream, bound to the stream by hostname, rule, kind and request id.
 * Everything that was not signed with a key which the gateway told on a registered link is nothing.
 */
import { createLocalJWKSet, jwtVerify, type JWTPayload } from 'jose';
import type { RequiredAccess } from '../../config/connector/origin-request.ts';
import { systemClock, type Clock } from '../../core/clock.ts';
import { messageOf, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { GatewayKey } from '../../protocol/message/gateway-key.ts';
import type { StreamRequest } from '../../protocol/message/stream-request.ts';

/** By what right the gateway may have let somebody in; `bypass` is none. */
const SIGNED_IN: ReadonlySet<unknown> = new Set(['user', 'service']);

export class StreamAccess {
  readonly #clock: Pick<Clock, 'wall'>;
  /** By the index of the link that told them: gateways may be a moment apart when keys are replaced. */
  readonly #keysOfLinks = new Map<number, readonly GatewayKey[]>();
  #findKey = createLocalJWKSet({ keys: [] });

  constructor(clock: Pick<Clock, 'wall'> = systemClock) {
    this.#clock = clock;
  }

  /** The gateway at a link told its keys. They replace those that were told on the same link before. */
  setKeys(link: number, keys: readonly GatewayKey[]): void {
    this.#keysOfLinks.set(link, keys);
    const all = [...this.#keysOfLinks.values()].flat();
    const once = new Map(all.map((key) => [key.kid, key]));
    this.#findKey = createLocalJWKSet({ keys: [...once.values()].map((key) => ({ ...key })) });
  }

  /** Throws ORIGIN_ACCESS unless the stream may use a rule that wants this. */
  async check(required: RequiredAccess, request: StreamRequest): Promise<void> {
    const { hostname, kind, rule, requestId, assertion } = request;
    if (assertion === undefined) throw refused(hostname, 'the gateway names no application');
    const claims = await this.#verify(assertion, hostname);
    const isOfStream =
      claims['hostname'] === hostname &&
      claims['kind'] === kind &&
      claims['rule'] === rule &&
      claims.jti === requestId;
    if (!isOfStream) throw refused(hostname, 'what proves it was made for another stream');
    const { aud: application } = claims;
    if (typeof application !== 'string' || application === '') {
      throw refused(hostname, 'the gateway names no application');
    }
    if (required.applications?.includes(application) === false) {
      throw refused(hostname, `application "${application}" is not in access.audTag`);
    }
    if (!SIGNED_IN.has(claims['by'])) {
      throw refused(hostname, `application "${application}" let them in without a sign-in`);
    }
  }

  async #verify(assertion: string, hostname: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(assertion, this.#findKey, {
        algorithms: ['ES256'],
        typ: 'postern-stream+jwt',
        requiredClaims: ['exp', 'iat', 'jti', 'aud'],
        clockTolerance: LIMITS.clockSkewMs / 1000,
        maxTokenAge: LIMITS.streamAssertionMs / 1000,
        currentDate: new Date(this.#clock.wall()),
      });
      return payload;
    } catch (cause) {
      throw refused(hostname, `what proves it is not good: ${messageOf(cause)}`, cause);
    }
  }
}

function refused(hostname: string, why: string, cause?: unknown): PosternError {
  const message = `Cannot serve "${hostname}": its rule requires access, and ${why}`;
  return new PosternError('ORIGIN_ACCESS', message, { cause });
}
