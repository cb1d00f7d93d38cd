import { once } from 'node:events';
import { connect } from 'node:net';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { startDemoOrigins, type DemoOrigins } from '../../../../src/cli/quickstart/demo-origins.ts';
import { cleanup } from '../../../support/cleanup.ts';

let origins: DemoOrigins;

beforeEach(async () => {
  origins = await startDemoOrigins((origin) => ({
    gateway: '127.0.0.1:8443',
    replica: '0f04eef5',
    origin,
    commands: [],
  }));
  cleanup(() => origins.close());
});

describe('the demo services', () => {
  it('show the page to browsers and text to everybody else', async () => {
    const url = `http://127.0.0.1:${origins.pagePort}/x`;
    const browser = await fetch(url, {
      headers: { accept: 'text/html,*/*', 'x-request-id': 'abc' },
    });
    expect(browser.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(browser.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await browser.text()).toContain('<td>GET /x</td>');
    const other = await fetch(url, { headers: { 'x-forwarded-for': '192.0.2.1' } });
    expect(other.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const text = await other.text();
    expect(text).toContain('you           192.0.2.1');
    expect(text).toContain(`this page     127.0.0.1:${origins.pagePort}`);
  });

  it('echo, also after the client has ended its side', async () => {
    const socket = connect(origins.echoPort, '127.0.0.1');
    cleanup(() => socket.destroy());
    socket.end('over and out');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, 'end');
    expect(text).toBe('over and out');
  });
});
