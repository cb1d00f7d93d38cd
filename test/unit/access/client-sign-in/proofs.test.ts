/** Proofs that a host is the gateway's: for which hosts, and for no other. */
import { describe, expect, it } from '@jest/globals';
import { Proofs, type ProofClaims } from '../../../../src/access/client-sign-in/proofs.ts';
import type { WebRequest } from '../../../../src/access/web-message.ts';

const NONCE = 'n'.repeat(32);

async function ask(hostname: string, search = `nonce=${NONCE}`, method = 'GET') {
  const signed: ProofClaims[] = [];
  const proofs = new Proofs({
    domain: 'postern.test',
    issuer: () => 'https://auth.postern.test:8443',
    isRouted: (name) => name === 'routed.example',
    applicationAt: (name) => (name === 'wiki.postern.test' ? 'wiki' : undefined),
    thumbprints: async () => ['key'],
    sign: async (claims) => {
      signed.push(claims);
      return 'jws';
    },
  });
  const request: WebRequest = {
    method,
    hostname,
    path: '/.postern/proof',
    search,
    query: new URLSearchParams(search),
    header: () => undefined,
    cookies: new Map(),
    body: Buffer.alloc(0),
    address: '203.0.113.7',
    requestId: 'r',
  };
  const { status, body } = await proofs.handle(request);
  const json: Record<string, unknown> = JSON.parse(String(body));
  return { status, json, signed };
}

describe('Proofs', () => {
  it('names the host, the nonce, the gateway and the application', async () => {
    const { status, json, signed } = await ask('wiki.postern.test');
    const iss = 'https://auth.postern.test:8443';
    expect({ status, json }).toEqual({ status: 200, json: { gateway: iss, proof: 'jws' } });
    expect(signed).toEqual([
      { iss, nonce: NONCE, host: 'wiki.postern.test', aud: 'wiki', keys: ['key'] },
    ]);
  });

  it.each([
    'postern.test',
    'auth.postern.test',
    'a.b.postern.test',
    'routed.example',
    'localhost',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '[::1]',
  ])('speaks for %s', async (host) => {
    const { status, signed } = await ask(host);
    expect([status, signed[0]?.host]).toEqual([200, host]);
  });

  it.each(['evil.test', 'evilpostern.test', 'postern.test.evil', '10.0.0.1', '127.0.0.1.evil', ''])(
    'L2 signs nothing for the foreign host %j',
    async (host) => {
      const { status, signed } = await ask(host);
      expect([status, signed]).toEqual([404, []]);
    },
  );

  it.each(['', 'nonce=', 'nonce=short', `nonce=${'n'.repeat(129)}`, `nonce=${'n'.repeat(30)}%0a`])(
    'signs nothing for the query %j',
    async (search) => {
      const { status, signed } = await ask('wiki.postern.test', search);
      expect([status, signed]).toEqual([400, []]);
    },
  );

  it('answers GET alone', async () => {
    expect((await ask('wiki.postern.test', `nonce=${NONCE}`, 'POST')).status).toBe(405);
  });
});
