/**
 * The public keys that a gateway signs `assertion` with, in `registered` and `keys`. See docs/protocol.md §12.
 *
 * Keys of kinds that we cannot check are passed over: they are for connectors of another version.
 */
import { LIMITS } from '../../core/limits.ts';
import { badControl, JsonFields } from './json-fields.ts';

/** 32 bytes. */
const COORDINATE_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** A public key of the gateway's, for `assertion`: P-256, with coordinates in base64url. */
export interface GatewayKey {
  readonly kid: string;
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

/** The `keys` of a message. Throws PROTO_BAD_CONTROL. */
export function parseGatewayKeys(fields: JsonFields): GatewayKey[] {
  return fields.list('keys', LIMITS.gatewayKeys).flatMap((value) => {
    const key = JsonFields.of(value, 'keys');
    if (key.text('kty') !== 'EC' || key.text('crv') !== 'P-256') return [];
    const [x, y] = [key.text('x'), key.text('y')];
    if (![x, y].every((text) => COORDINATE_PATTERN.test(text))) {
      throw badControl('a key of the gateway is not one');
    }
    return { kid: key.text('kid', 64), kty: 'EC' as const, crv: 'P-256' as const, x, y };
  });
}
