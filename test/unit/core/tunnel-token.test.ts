import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  formatTunnelToken,
  parseTunnelToken,
  TUNNEL_SECRET_BYTES,
} from '../../../src/core/tunnel-token.ts';

const ID = '00112233-4455-6677-8899-aabbccddeeff';
const SECRET = Uint8Array.from({ length: TUNNEL_SECRET_BYTES }, (_, index) => 0xe0 + index);
// base64url of 16 bytes 00 11 22 … ff and 32 bytes e0 e1 … ff
const TOKEN = 'pst_ABEiM0RVZneImaq7zN3u_-Dh4uPk5ebn6Onq6-zt7u_w8fLz9PX29_j5-vv8_f7_';

describe('tunnel token', () => {
  it('formatTunnelToken() packs id and secret into 68 characters', () => {
    expect(formatTunnelToken(ID, SECRET)).toBe(TOKEN);
    expect(TOKEN).toHaveLength(68);
  });

  it('parseTunnelToken() takes apart what formatTunnelToken() made', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (id, secret) => {
        const token = parseTunnelToken(formatTunnelToken(id, secret));
        expect(token?.tunnelId).toBe(id);
        expect(Buffer.from(token?.secret ?? []).equals(secret)).toBe(true);
      }),
    );
  });

  it('parseTunnelToken() reads no other text', () => {
    const wrong = [
      '',
      'pst_',
      TOKEN.slice(0, -1),
      `${TOKEN}A`,
      `${TOKEN}\n`,
      ` ${TOKEN}`,
      TOKEN.replace('pst_', 'PST_'),
      TOKEN.replace('pst_', ''),
      TOKEN.replace('_-', '/+'),
      `${TOKEN.slice(0, -1)}=`,
      `pst_${'é'.repeat(64)}`,
      'a'.repeat(1_000_000),
    ];
    expect(wrong.filter((text) => parseTunnelToken(text) !== undefined)).toEqual([]);
  });

  it('parseTunnelToken() never throws, and what it reads is written the same way', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^pst_[A-Za-z0-9_-]{64}$/),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const token = parseTunnelToken(text);
        if (token !== undefined) expect(formatTunnelToken(token.tunnelId, token.secret)).toBe(text);
      }),
    );
  });

  it('formatTunnelToken() refuses an id that is no UUID and a secret of another length', () => {
    expect(() => formatTunnelToken('wiki', SECRET)).toThrow('Cannot make a token');
    expect(() => formatTunnelToken(ID, SECRET.subarray(1))).toThrow('Cannot make a token');
  });
});
