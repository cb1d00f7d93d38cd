/** The port to which a browser brings the code: what it takes, and what it lets pass. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { LoopbackListener } from '../../../../src/client/sign-in/loopback-listener.ts';
import { cleanup } from '../../../support/cleanup.ts';

const STATE = 's'.repeat(32);

async function open(): Promise<LoopbackListener> {
  const listener = await LoopbackListener.open(STATE);
  cleanup(() => listener.close());
  return listener;
}

async function send(
  { port }: LoopbackListener,
  path: string,
  options: { readonly host?: string; readonly method?: string } = {},
): Promise<IncomingMessage> {
  const { host = `127.0.0.1:${port}`, method = 'GET' } = options;
  const asked = request({ host: '127.0.0.1', port, path, method, headers: { host }, agent: false });
  asked.end();
  return new Promise((resolve, reject) => {
    asked.once('response', resolve);
    asked.once('error', reject);
  });
}

describe('LoopbackListener', () => {
  it('takes the code, and sends the browser on', async () => {
    const listener = await open();
    const answer = send(listener, `/callback?code=the-code&state=${STATE}`);
    const { code, redirect } = await listener.callback;
    await redirect('https://auth.postern.test/done');
    expect(code).toBe('the-code');
    const { statusCode, headers } = await answer;
    expect([statusCode, headers.location]).toEqual([303, 'https://auth.postern.test/done']);
  });

  it('takes a refusal for what it is', async () => {
    const listener = await open();
    void send(listener, `/callback?error=access_denied&code=x&state=${STATE}`);
    const { code, redirect } = await listener.callback;
    await redirect('https://auth.postern.test/done');
    expect(code).toBeUndefined();
  });

  it.each([
    ['L6 another state', `/callback?code=x&state=${'t'.repeat(32)}`, {}],
    ['L6 no state', '/callback?code=x', {}],
    ['L6 a state that is longer', `/callback?code=x&state=${STATE}s`, {}],
    ['L6 another path', `/other?code=x&state=${STATE}`, {}],
    ['L7 a host that resolves to us', `/callback?code=x&state=${STATE}`, { host: 'evil.test' }],
    [
      'L7 localhost, which may be another',
      `/callback?code=x&state=${STATE}`,
      { host: 'localhost' },
    ],
    ['L7 a form of another site', `/callback?code=x&state=${STATE}`, { method: 'POST' }],
    ['two queries', `/callback?code=x&state=${STATE}?state=${STATE}`, {}],
  ])('ignores %s, and still takes the right one', async (_, path, options) => {
    const listener = await open();
    expect((await send(listener, path, options)).statusCode).toBe(404);
    const answer = send(listener, `/callback?code=ours&state=${STATE}`);
    const { code, redirect } = await listener.callback;
    await redirect('https://x.test/');
    expect(code).toBe('ours');
    await answer;
  });

  it('L6 listens on loopback only, on a port that was free', async () => {
    const [one, other] = [await open(), await open()];
    expect(one.port).not.toBe(other.port);
    const outside = connect({ host: '127.0.0.2', port: one.port });
    const [error]: unknown[] = await once(outside, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('does not wait for a browser that has gone away', async () => {
    const listener = await open();
    const socket = connect({ host: '127.0.0.1', port: listener.port });
    socket.write(
      `GET /callback?code=x&state=${STATE} HTTP/1.1\r\nHost: 127.0.0.1:${listener.port}\r\n\r\n`,
    );
    const { redirect } = await listener.callback;
    socket.destroy();
    await once(socket, 'close');
    await redirect('https://x.test/');
    await redirect('https://x.test/');
  });
});
