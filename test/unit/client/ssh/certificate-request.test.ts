/** Asking for a certificate: what is sent, and what is made of every answer that a gateway, or something else, may give. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { Pass } from '../../../../src/client/sign-in/ensure-credential.ts';
import { GatewayHttp } from '../../../../src/client/sign-in/gateway-http.ts';
import { requestCertificate } from '../../../../src/client/ssh/certificate-request.ts';
import { TestAuthority } from '../../../support/test-authority.ts';

const HOST = 'ssh.example.com';
const CERTIFICATE = `ssh-ed25519-cert-v01@openssh.com ${'A'.repeat(400)}==`;
const CREDENTIAL = { gateway: '', token: 'pcl_canary', expiresAt: 0, keys: [] };

let server: Server;
let http: GatewayHttp;
let gateway: string;
let answer: { status: number; json: unknown };
let asked: { url: string | undefined; headers: Record<string, unknown>; body: unknown }[];

beforeEach(async () => {
  const authority = await TestAuthority.create();
  const { cert, key } = await authority.issue({ dns: ['localhost'] });
  asked = [];
  server = createServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
      asked.push({ url: `${request.method} ${request.url}`, headers: request.headers, body });
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.json));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  gateway = `https://localhost:${typeof address === 'object' ? address?.port : ''}`;
  http = new GatewayHttp({ ca: authority.pem });
});

afterEach(async () => {
  http.close();
  server.close();
  await once(server, 'close');
});

async function ask(pass: Pass = { kind: 'session', credential: CREDENTIAL }) {
  return requestCertificate({ http, gateway, pass, hostname: HOST, publicLine: 'ssh-ed25519 A' });
}

describe('requestCertificate()', () => {
  it('shows the session, and gives the certificate with the user names', async () => {
    const principals = ['ann', `ann@${HOST}`];
    answer = { status: 200, json: { certificate: CERTIFICATE, principals } };
    expect(await ask()).toEqual({ line: CERTIFICATE, principals: ['ann'] });
    expect(asked).toMatchObject([
      {
        url: 'POST /.postern/ssh/certificate',
        headers: { authorization: 'Bearer pcl_canary' },
        body: { hostname: HOST, publicKey: 'ssh-ed25519 A' },
      },
    ]);
  });

  it('shows a service token', async () => {
    answer = { status: 200, json: { certificate: CERTIFICATE } };
    const pass = { kind: 'service-token', token: { id: 'i', secret: 's' } } as const;
    expect(await ask(pass)).toEqual({ line: CERTIFICATE, principals: [] });
    expect(asked[0]?.headers).toMatchObject({
      'postern-service-token-id': 'i',
      'postern-service-token-secret': 's',
    });
  });

  it('asks for nothing in the name of nobody', async () => {
    expect(await ask({ kind: 'none' })).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('gives none where the application issues none', async () => {
    answer = { status: 404, json: { code: 'ACCESS_SSH_OFF' } };
    expect(await ask()).toBeUndefined();
  });

  it.each([
    [401, { code: 'ACCESS_SIGN_IN' }, 'ACCESS_SIGN_IN'],
    [403, { code: 'ACCESS_DENIED' }, 'ACCESS_DENIED'],
    [403, { code: 'ACCESS_SSH_PRINCIPAL' }, 'ACCESS_SSH_PRINCIPAL'],
    [429, { code: 'ACCESS_TOO_MANY' }, 'ACCESS_TOO_MANY'],
    [500, { code: 'HTTP_INTERNAL' }, 'LINK_HANDSHAKE'],
    [403, { code: 'constructor' }, 'LINK_HANDSHAKE'],
    [200, {}, 'LINK_HANDSHAKE'],
    [200, { certificate: 7 }, 'LINK_HANDSHAKE'],
    [200, { certificate: `${CERTIFICATE}\nssh-rsa` }, 'LINK_HANDSHAKE'],
    [200, { certificate: CERTIFICATE.replace('-cert-v01@openssh.com', '') }, 'LINK_HANDSHAKE'],
  ])('makes of %i %j: %s', async (status, json, code) => {
    answer = { status, json };
    await expect(ask()).rejects.toMatchObject({ code });
  });

  it('keeps the secret out of what it says', async () => {
    answer = { status: 500, json: { code: 'pcl_canary' } };
    await expect(ask()).rejects.not.toMatchObject({ message: expect.stringContaining('canary') });
  });
});
