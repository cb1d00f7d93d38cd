/**
 * What a connector is told about a stream, where its rule wants to know (docs/protocol.md §12): which application let
 * somebody in, and by what right.
 *
 * A JWT like those for origins, with a `typ` of its own, and bound to one stream. Signed at once, with node:crypto: streams
 * are opened where nothing waits. Nobody is named on streams for HTTP, which carry requests of several people.
 */
import { sign } from 'node:crypto';
import type { Stickiness } from '../../config/access/application.ts';
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Verdict } from '../gate.ts';
import type { PublicAddress } from '../public-address.ts';
import { TOKEN_ALGORITHM, type SigningKeys } from './signing-keys.ts';

/** The part of a verdict that a stream is opened by. */
export type StreamRight = Pick<Verdict, 'by' | 'principal'> & {
  readonly application?:
    { readonly name: string; readonly stickiness?: Stickiness | undefined } | undefined;
};

/** The stream. */
export interface StreamSubject {
  readonly kind: 'http' | 'tcp';
  readonly hostname: string;
  /** Id of the announced rule. */
  readonly rule: string;
  readonly requestId: string;
}

export class StreamAssertions {
  readonly #keys: Pick<SigningKeys, 'currentNow'>;
  readonly #address: Pick<PublicAddress, 'authOrigin'>;
  readonly #clock: Pick<Clock, 'wall'>;

  constructor(
    keys: Pick<SigningKeys, 'currentNow'>,
    address: Pick<PublicAddress, 'authOrigin'>,
    clock: Pick<Clock, 'wall'>,
  ) {
    this.#keys = keys;
    this.#address = address;
    this.#clock = clock;
  }

  /** Undefined where no application let anybody in, and while there is no key: connectors then refuse the stream. */
  sign(stream: StreamSubject, right: StreamRight): string | undefined {
    const key = this.#keys.currentNow();
    const { application, by } = right;
    if (key === undefined || application === undefined || by === 'none') return undefined;
    const iat = Math.floor(this.#clock.wall() / 1000);
    const { kind, hostname, rule, requestId } = stream;
    const claims = {
      iss: this.#address.authOrigin,
      aud: application.name,
      iat,
      exp: iat + LIMITS.streamAssertionMs / 1000,
      jti: requestId,
      hostname,
      rule,
      kind,
      by,
    };
    const header = { alg: TOKEN_ALGORITHM, typ: 'postern-stream+jwt', kid: key.kid };
    const make = (payload: object): string => {
      const text = `${encode(header)}.${encode(payload)}`;
      const signature = sign('sha256', Buffer.from(text), {
        key: key.key,
        dsaEncoding: 'ieee-p1363',
      });
      return `${text}.${signature.toString('base64url')}`;
    };
    const whole = make({ ...claims, ...(kind === 'tcp' && personOf(right)) });
    // Names may be long, and nothing depends on them.
    return whole.length > LIMITS.streamAssertionChars ? make(claims) : whole;
  }
}

function personOf({ by, principal }: StreamRight): object {
  const { session, serviceToken } = principal;
  if (by === 'service' && serviceToken !== undefined) {
    return { sub: serviceToken.id, service_token: serviceToken.name };
  }
  if (by !== 'user' || session === undefined) return {};
  const { subject, email } = session.identity;
  return { sub: subject, ...(email !== undefined && { email }) };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
