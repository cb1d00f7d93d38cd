import { once } from 'node:events';
import { connect } from 'node:net';

import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { dialChannel } from '../../../src/transport/dial/dial-channel.ts';
import { cleanup } from '../../support/cleanup.ts';
import { record, startLinkServer, type LinkServer } from './link-ends.ts';

const GOOD = {
  Host: 'localhost',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'AQIDBAUGBwgJCgsMDQ4PEA==',
  'Sec-WebSocket-Protocol': 'postern.v1',
} as const;

let server: LinkServer;
let hasRoom = true;
beforeEach(async () => {
  hasRoom = true;
  server = await startLinkServer(undefined, () => hasRoom);
});

/** What the server answers to these bytes until it closes, or until the head of an answer is there. */
async function answerTo(request: string): Promise<string> {
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  cleanup(() => socket.destroy());
  let answer = '';
  socket.setEncoding('latin1');
  socket.write(request);
  await new Promise<void>((resolve) => {
    socket.on('data', (text: string) => {
      answer += text;
      if (answer.startsWith('HTTP/1.1 101')) resolve();
    });
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
  });
  return answer;
}

function upgrade(
  changes: Record<string, string | undefined> = {},
  line = 'GET /.postern/link HTTP/1.1',
): string {
  const headers = Object.entries({ ...GOOD, ...changes }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  );
  return `${line}\r\n${headers.join('')}\r\n`;
}

describe('ChannelAccepter', () => {
  it('answers a right request with 101 and the subprotocol, and nothing more', async () => {
    const answer = await answerTo(upgrade());
    // The accept value belongs to the key above (RFC 6455 §4.2.2).
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer).toContain('Sec-WebSocket-Protocol: postern.v1\r\n');
    expect(answer).not.toMatch(/extensions/i);
    await server.next();
  });

  it('takes the subprotocol out of several, and ignores a query', async () => {
    const changes = { 'Sec-WebSocket-Protocol': 'postern.v2, postern.v1' };
    const answer = await answerTo(upgrade(changes, 'GET /.postern/link?x=1 HTTP/1.1'));
    expect(answer).toContain('Sec-WebSocket-Protocol: postern.v1\r\n');
  });

  it('does not agree to compression', async () => {
    const answer = await answerTo(upgrade({ 'Sec-WebSocket-Extensions': 'permessage-deflate' }));
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer).not.toMatch(/extensions/i);
  });

  it.each<[string, number, { line?: string; headers?: Record<string, string | undefined> }]>([
    ['another path', 404, { line: 'GET /.postern/links HTTP/1.1' }],
    ['a longer path', 404, { line: 'GET /.postern/link/ HTTP/1.1' }],
    ['an absolute target', 404, { line: 'GET http://localhost/.postern/link HTTP/1.1' }],
    ['POST', 405, { line: 'POST /.postern/link HTTP/1.1' }],
    ['HTTP/1.0', 505, { line: 'GET /.postern/link HTTP/1.0' }],
    ['another upgrade', 426, { headers: { Upgrade: 'h2c' } }],
    ['two upgrades', 426, { headers: { Upgrade: 'websocket, h2c' } }],
    ['an old version', 426, { headers: { 'Sec-WebSocket-Version': '8' } }],
    ['no version', 426, { headers: { 'Sec-WebSocket-Version': undefined } }],
    ['no key', 400, { headers: { 'Sec-WebSocket-Key': undefined } }],
    ['a short key', 400, { headers: { 'Sec-WebSocket-Key': 'AQID' } }],
    ['a body', 400, { headers: { 'Content-Length': '5' } }],
    ['a chunked body', 400, { headers: { 'Transfer-Encoding': 'chunked' } }],
    ['no subprotocol', 400, { headers: { 'Sec-WebSocket-Protocol': undefined } }],
    ['another subprotocol', 400, { headers: { 'Sec-WebSocket-Protocol': 'postern.v10' } }],
    ['a browser', 403, { headers: { Origin: 'https://wiki.postern.test' } }],
    ['a sandboxed browser', 403, { headers: { Origin: 'null' } }],
    ['an empty origin', 403, { headers: { Origin: '' } }],
  ])('refuses %s with %i in plain text and closes', async (_what, status, { line, headers }) => {
    const answer = await answerTo(upgrade(headers, line));
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head).toContain('Connection: close');
    expect(head).toContain('Content-Type: text/plain');
    expect(head).toContain(`Content-Length: ${body.length}`);
    expect(body.length).toBeLessThan(100);
  });

  it('says which version and method it takes', async () => {
    expect(await answerTo(upgrade({ 'Sec-WebSocket-Version': '7' }))).toContain(
      'Sec-WebSocket-Version: 13\r\n',
    );
    expect(await answerTo(upgrade({}, 'PUT /.postern/link HTTP/1.1'))).toContain('Allow: GET\r\n');
  });

  it('refuses links with 503 while there is no room, and takes them again', async () => {
    hasRoom = false;
    const answer = await answerTo(upgrade());
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toContain('Retry-After: 1\r\n');
    await expect(dialChannel({ url: server.url })).rejects.toMatchObject({
      code: 'LINK_HANDSHAKE',
      message: expect.stringContaining('503'),
    });
    hasRoom = true;
    expect(await answerTo(upgrade())).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('takes frames that came in the same packet as the request', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    cleanup(() => socket.destroy());
    // 82 81: binary, masked, one byte; a mask of zeros; "a"
    socket.write(Buffer.concat([Buffer.from(upgrade()), Buffer.from('82810000000061', 'hex')]));
    const recorder = record(await server.next());
    await once(socket, 'data');
    socket.end();
    await recorder.closed;
    expect(recorder.frames.map(String)).toEqual(['a']);
  });

  it('survives a peer that is gone before it is answered', async () => {
    for (let count = 0; count < 50; count += 1) {
      const socket = connect({ port: server.port, host: '127.0.0.1' });
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(upgrade(count % 2 === 0 ? {} : { Origin: 'x' }));
      socket.resetAndDestroy();
    }
    expect(await answerTo(upgrade())).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('M13 never throws on garbage in the headers it reads', async () => {
    const text = fc.oneof(
      fc.constantFrom('', ',', 'websocket', 'postern.v1', '13', 'GET', '0', '=='),
      fc.string({
        unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCodePoint(code)),
      }),
    );
    const names = [...Object.keys(GOOD).slice(2), 'Origin', 'Sec-WebSocket-Extensions'];
    const change = fc.tuple(fc.constantFrom(...names), text);
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 4 }), async (changes) => {
        const answer = await answerTo(upgrade(Object.fromEntries(changes)));
        expect(answer).toMatch(/^HTTP\/1\.1 (101|400|403|404|426) /);
      }),
      { numRuns: 200 },
    );
    expect(await answerTo(upgrade())).toMatch(/^HTTP\/1\.1 101 /);
  });
});
