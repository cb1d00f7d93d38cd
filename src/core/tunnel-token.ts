/**
 * The text of a tunnel token: `pst_` and base64url of the tunnel's UUID (16 bytes) and its secret (32 bytes).
 *
 * The id travels in front so that a verifier needs one lookup by key and never searches by anything secret.
 * This module only packs and unpacks: whether a token is good is for the store to say.
 */
import { isId } from './id.ts';

/** Length of a tunnel's secret, bytes. */
export const TUNNEL_SECRET_BYTES = 32;

const PREFIX = 'pst_';
const ID_BYTES = 16;
/** 48 bytes are exactly 64 characters of base64url, so no two texts mean the same token. */
const TOKEN = /^pst_[A-Za-z0-9_-]{64}$/;

/** What a token says, before anybody has checked it. */
export interface TunnelToken {
  readonly tunnelId: string;
  readonly secret: Uint8Array;
}

/** The token of a tunnel. Throws TypeError for anything but a lower-case UUID and a secret of 32 bytes: a bug. */
export function formatTunnelToken(tunnelId: string, secret: Uint8Array): string {
  if (!isId(tunnelId) || secret.byteLength !== TUNNEL_SECRET_BYTES) {
    throw new TypeError(`Cannot make a token: "${tunnelId}" or the length of its secret is wrong`);
  }
  const id = Buffer.from(tunnelId.replaceAll('-', ''), 'hex');
  return PREFIX + Buffer.concat([id, secret]).toString('base64url');
}

/** Takes a token apart; undefined when the text is not one. Never throws, whatever the text. */
export function parseTunnelToken(text: string): TunnelToken | undefined {
  if (!TOKEN.test(text)) return undefined;
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
  const hex = bytes.toString('hex', 0, ID_BYTES);
  const tunnelId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { tunnelId, secret: bytes.subarray(ID_BYTES) };
}
