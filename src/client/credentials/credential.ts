/**
 * What the client keeps of one gateway between commands: the secret of its session there, and the keys by which it knows the
 * gateway again.
 *
 * Pure. Text that is not whole is no credential: it never throws, and never counts as half of one (case L4).
 */
import { isGatewayOrigin, isThumbprint } from '../gateway-identity.ts';

export interface Credential {
  /** Origin of the host on which people sign in, `https://auth.example.com[:port]`: the name of the gateway here. */
  readonly gateway: string;
  /** The client session's secret, `pcl_…`: what a link registers with. */
  readonly token: string;
  /** When the session ends, ms since 1970. */
  readonly expiresAt: number;
  /** Who signed in, for people. */
  readonly email?: string;
  /** RFC 7638 thumbprints of the gateway's keys, pinned at the sign-in (case L2). */
  readonly keys: readonly string[];
}

/** Longest text of a credential, bytes. A real one has some 400. */
export const MAX_CREDENTIAL_BYTES = 16 * 1024;

const TOKEN = /^pcl_[\w-]{20,200}$/;

/** The text to keep. */
export function formatCredential(credential: Credential): string {
  return JSON.stringify(credential);
}

/** Takes kept text apart; undefined when it is not a whole credential. */
export function parseCredential(text: string): Credential | undefined {
  const fields: unknown = parseJson(text);
  if (typeof fields !== 'object' || fields === null) return undefined;
  const { gateway, token, expiresAt, email, keys }: Partial<Record<string, unknown>> = {
    ...fields,
  };
  if (typeof gateway !== 'string' || !isGatewayOrigin(gateway)) return undefined;
  if (typeof token !== 'string' || !TOKEN.test(token)) return undefined;
  if (typeof expiresAt !== 'number' || !Number.isSafeInteger(expiresAt)) return undefined;
  if (!Array.isArray(keys) || !keys.every(isThumbprint)) return undefined;
  const who = typeof email === 'string' ? { email } : {};
  return { gateway, token, expiresAt, keys, ...who };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
