import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { expect, it } from '@jest/globals';

import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { startHttpProxy, type HttpProxy } from '../../support/http-proxy.ts';
import { freePort } from '../../support/real/port.ts';
import { whenReset } from '../../support/real/peer-end.ts';
import { startEcho, startHalfCloseServer } from '../../support/real/tcp-origin.ts';

/** Asks for a tunnel. `answer()` is all that was read so far. */
async function ask(
  proxy: HttpProxy,
  authority: string,
  login?: string,
): Promise<{ socket: Socket; answer: () => string }> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  cleanup(() => socket.destroy());
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, 'connect');
  const encoded = login === undefined ? '' : Buffer.from(login).toString('base64');
  const auth = encoded === '' ? '' : `Proxy-Authorization: Basic ${encoded}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${auth}\r\n`);
  await eventually(() => text.includes('\r\n\r\n'));
  return { socket, answer: () => text };
}

it('carries a tunnel both ways, with its half-close', async () => {
  const server = await startHalfCloseServer();
  const proxy = await startHttpProxy();
  const { socket, answer } = await ask(proxy, `127.0.0.1:${server.port}`);
  expect(answer()).toMatch(/^HTTP\/1.1 200 /);
  expect(proxy.connections()).toBe(1);
  socket.end('12345');
  await once(socket, 'end');
  expect(answer()).toContain('"bytes":5');
  expect(proxy.requests).toEqual([{ authority: `127.0.0.1:${server.port}`, status: 200 }]);
  await eventually(() => proxy.connections() === 0);
});

it('asks for the password and takes only the right one', async () => {
  const echo = await startEcho();
  const proxy = await startHttpProxy({ credentials: { user: 'al', password: 'p@ss:word' } });
  const authority = `127.0.0.1:${echo.port}`;
  expect((await ask(proxy, authority)).answer()).toMatch(/^HTTP\/1.1 407 .*Proxy-Authenticate/s);
  expect((await ask(proxy, authority, 'al:wrong')).answer()).toMatch(/^HTTP\/1.1 407 /);
  expect((await ask(proxy, authority, 'al:p@ss:word')).answer()).toMatch(/^HTTP\/1.1 200 /);
  expect(proxy.requests.map(({ status }) => status)).toEqual([407, 407, 200]);
  const { username, password } = new URL(proxy.url);
  expect([username, decodeURIComponent(password)]).toEqual(['al', 'p@ss:word']);
});

it('says 502 where it cannot connect, and refuses as told until told otherwise', async () => {
  const echo = await startEcho();
  const proxy = await startHttpProxy();
  const nowhere = `127.0.0.1:${await freePort()}`;
  expect((await ask(proxy, nowhere)).answer()).toMatch(/^HTTP\/1.1 502 /);
  proxy.refuse(403);
  expect((await ask(proxy, `127.0.0.1:${echo.port}`)).answer()).toMatch(/^HTTP\/1.1 403 /);
  proxy.refuse(undefined);
  expect((await ask(proxy, `127.0.0.1:${echo.port}`)).answer()).toMatch(/^HTTP\/1.1 200 /);
});

it('cutAll() resets the tunnels and stop() closes the door', async () => {
  const echo = await startEcho();
  const proxy = await startHttpProxy();
  const { socket } = await ask(proxy, `127.0.0.1:${echo.port}`);
  const reset = whenReset(socket);
  proxy.cutAll();
  await reset;
  await eventually(() => echo.connections() === 0);
  await proxy.stop();
  await expect(ask(proxy, 'x:1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
