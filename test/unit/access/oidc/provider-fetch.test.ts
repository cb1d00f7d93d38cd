import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

import { expect, it } from '@jest/globals';
import type { CustomFetch } from 'openid-client';

import { providerFetch } from '../../../../src/access/oidc/provider-fetch.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { currentScope } from '../../../support/cleanup.ts';
import { makeCertificates } from '../../../support/test-authority.ts';

const GET = { method: 'GET', headers: {}, body: undefined, redirect: 'manual' } as const;
const DOWN = expect.objectContaining({ code: 'ACCESS_PROVIDER_DOWN' });

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  currentScope().add(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

it('gives up on an answer that is too long', async () => {
  const url = await serve((_, response) => {
    response.end(Buffer.alloc(LIMITS.providerResponseBytes + 1));
  });
  await expect(providerFetch()(url, GET)).rejects.toEqual(DOWN);
});

it('gives up on a provider that is silent in the middle of its answer', async () => {
  const url = await serve((_, response) => void response.write('{'));
  const signal = AbortSignal.timeout(50);
  await expect(providerFetch()(url, { ...GET, signal })).rejects.toEqual(DOWN);
});

it('has a limit for requests that are open at once', async () => {
  const url = await serve(() => undefined);
  const fetch: CustomFetch = providerFetch();
  const abort = new AbortController();
  const open = Array.from({ length: LIMITS.providerRequests }, async () =>
    fetch(url, { ...GET, signal: abort.signal }).catch(() => 'ended'),
  );
  await expect(fetch(url, GET)).rejects.toThrow(/the limit/);
  abort.abort();
  expect(new Set(await Promise.all(open))).toEqual(new Set(['ended']));
});

it('O18 speaks plain http with this machine only, and follows no redirect', async () => {
  await expect(providerFetch()('http://192.0.2.1/', GET)).rejects.toEqual(DOWN);
  const url = await serve((_, response) => {
    response.writeHead(302, { location: 'http://192.0.2.1/' }).end();
  });
  expect((await providerFetch()(url, GET)).status).toBe(302);
});

it('trusts the authority it is given, and no unknown one', async () => {
  const { ca, good } = await makeCertificates();
  const server = createHttpsServer(good, (_, response) => response.end('{}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  currentScope().add(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  expect((await providerFetch(ca)(url, GET)).status).toBe(200);
  await expect(providerFetch()(url, GET)).rejects.toEqual(DOWN);
});
