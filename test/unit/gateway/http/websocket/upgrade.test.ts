import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { WebSocket } from 'ws';
import { PosternError } from '../../../../../src/core/error.ts';
import {
  CLOSE_RESTART,
  CLOSE_REVOKED,
} from '../../../../../src/gateway/http/websocket/upgrade-registry.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { eventually } from '../../../../support/eventually.ts';
import {
  RawClient,
  codeIn,
  dial,
  exchangeBytes,
  fieldsIn,
  onHeads,
  rawOrigin,
  startGateway,
  statusIn,
  targetAt,
} from '../http-fixture.ts';
import { echoServer, switchingOrigin } from '../websocket-origins.ts';

jest.setTimeout(30_000);

const UPGRADE =
  'GET /chat?x HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n\r\n';

const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n\r\n';

async function openWebSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { Host: 'app.test' } });
  cleanup(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

describe('a WebSocket', () => {
  it('echoes messages from 1 byte to 8 MiB', async () => {
    const { port } = await startGateway({ origin: await echoServer() });
    const socket = await openWebSocket(port);
    for (const size of [1, 125, 126, 65_535, 65_536, 8 * 1024 * 1024]) {
      const message = randomBytes(size);
      socket.send(message);
      const [echoed]: Buffer[] = await once(socket, 'message');
      expect(message.equals(echoed ?? Buffer.alloc(0))).toBe(true);
    }
    socket.close(1000, 'bye');
    expect((await once(socket, 'close'))[0]).toBe(1000);
  });

  it('reaches the origin with its fields and ours, and the user with what the origin chose', async () => {
    const origin = await switchingOrigin(() => SWITCHING);
    const { port } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(UPGRADE);
    await client.sees('\r\n\r\n');
    const head = origin.heads[0] ?? '';
    expect(head).toMatch(/^GET \/chat\?x HTTP\/1\.1\r\n/);
    const sent = fieldsIn(head);
    expect(sent.get('connection')).toEqual(['upgrade']);
    expect(sent.get('upgrade')).toEqual(['websocket']);
    expect(sent.get('sec-websocket-key')).toEqual(['dGhlIHNhbXBsZSBub25jZQ==']);
    expect(sent.get('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(statusIn(client.text)).toBe(101);
    const got = fieldsIn(client.text);
    expect(got.get('upgrade')).toEqual(['websocket']);
    expect(got.get('connection')).toEqual(['Upgrade']);
    expect(got.get('sec-websocket-protocol')).toEqual(['b']);
  });

  it('gets what the origin sent along with its 101', async () => {
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => socket.write(`${SWITCHING}first words`)),
    );
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(UPGRADE);
    await client.sees(/\r\n\r\nfirst words$/);
  });

  it('has a connection of its own, and does not give it back', async () => {
    const { port, handler, summaries } = await startGateway({ origin: await echoServer() });
    const first = await openWebSocket(port);
    const second = await openWebSocket(port);
    expect(handler.stats).toMatchObject({ upgrades: 2, requests: 0, connections: 0 });
    first.close();
    second.close();
    await eventually(() => summaries.length === 2);
    expect(handler.stats).toMatchObject({
      upgrades: 0,
      origins: { idle: 0, busy: 0 },
    });
    expect(summaries[0]).toMatchObject({ status: 101, isUpgraded: true, code: undefined });
    expect(summaries[0]?.bytesReceived).toBeGreaterThan(0);
    expect(summaries[0]?.bytesSent).toBeGreaterThan(0);
  });

  it('is held up by a reader that does not read, in both directions', async () => {
    const origin = await switchingOrigin(() => SWITCHING);
    const { port } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(UPGRADE);
    await client.sees('\r\n\r\n');
    const [atOrigin] = origin.sockets;
    if (atOrigin === undefined) throw new Error('no socket');
    for (const [writer, reader] of [
      [client.socket, atOrigin],
      [atOrigin, client.socket],
    ] as const) {
      reader.pause();
      const block = Buffer.alloc(1024 * 1024);
      let accepted = 0;
      let before = -1;
      writer.on('drain', () => undefined);
      await eventually(
        () => {
          while (writer.writable && !writer.writableNeedDrain) {
            writer.write(block);
            accepted += block.length;
          }
          const isStill = accepted === before;
          before = accepted;
          return isStill;
        },
        { everyMs: 200 },
      );
      expect(accepted).toBeLessThan(32 * 1024 * 1024);
      reader.resume();
      await eventually(() => !writer.writableNeedDrain && writer.writableLength === 0);
    }
  });

  it('keeps half-close both ways', async () => {
    const origin = await switchingOrigin(() => SWITCHING);
    const { port } = await startGateway({ origin: targetAt(origin.port) });
    const client = await RawClient.connect(port);
    client.send(UPGRADE);
    await client.sees('\r\n\r\n');
    const [atOrigin] = origin.sockets;
    if (atOrigin === undefined) throw new Error('no socket');
    atOrigin.allowHalfOpen = true;
    client.socket.end('last words');
    await once(atOrigin, 'end');
    atOrigin.end('the answer to them');
    expect(await client.closed()).toMatch(/the answer to them$/);
  });

  it('ends on one side when the other breaks', async () => {
    const origin = await switchingOrigin(() => SWITCHING);
    const { port, summaries } = await startGateway({ origin: origin.port });
    const open = async (): Promise<RawClient> => {
      const client = await RawClient.connect(port);
      client.send(UPGRADE);
      await client.sees('\r\n\r\n');
      return client;
    };
    const first = await open();
    origin.sockets[0]?.resetAndDestroy();
    await first.closed();
    const second = await open();
    second.socket.resetAndDestroy();
    await eventually(() => origin.sockets[1]?.destroyed === true);
    await eventually(() => summaries.length === 2);
    expect(summaries.map(({ code }) => code)).toEqual(['ORIGIN_RESET', 'HTTP_ABORTED']);
  });
});

describe('an upgrade that the origin has not accepted', () => {
  it('P13 keeps what follows the head until 101', async () => {
    let received = '';
    let answer: (() => void) | undefined;
    const origin = await rawOrigin((socket) => {
      socket.on('data', (bytes) => (received += bytes.toString('latin1')));
      answer = () => socket.write(SWITCHING);
    });
    const { port } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(`${UPGRADE}GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n`);
    await eventually(() => received.includes('\r\n\r\n'));
    client.send('more');
    expect(received).not.toContain('smuggled');
    answer?.();
    await eventually(() => received.endsWith('\r\n\r\nmore'));
    expect(received).toContain('GET /smuggled');
  });

  it.each([
    ['200', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    [
      'a chunked 403',
      'HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    ],
    [
      '426 without a body',
      'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nX: hello\r\n\r\n',
    ],
    ['an answer that ends with its connection', 'HTTP/1.0 200 OK\r\n\r\nhello'],
  ])('P14 and answers %s is an ordinary response, and then the end', async (_name, answer) => {
    const heads: string[] = [];
    const origin = await rawOrigin((socket) =>
      onHeads(socket, (head) => {
        heads.push(head);
        socket.write(answer);
        if (answer.startsWith('HTTP/1.0')) socket.end();
      }),
    );
    const { port, summaries } = await startGateway({ origin });
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n';
    const response = await exchangeBytes(port, UPGRADE + smuggled);
    expect(response).toContain('hello');
    expect(fieldsIn(response).get('connection')).toEqual(['close']);
    expect(response.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(heads).toHaveLength(1);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: undefined, isUpgraded: false });
  });

  it('streams a large ordinary response under backpressure', async () => {
    const size = 8 * 1024 * 1024;
    const origin = await rawOrigin((socket) =>
      onHeads(socket, () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        socket.end(Buffer.alloc(size, 'x'));
      }),
    );
    const { port } = await startGateway({ origin });
    const response = await exchangeBytes(port, UPGRADE);
    expect(response.length - response.indexOf('\r\n\r\n') - 4).toBe(size);
  });

  it.each([
    ['switches to another protocol', SWITCHING.replace('Upgrade: websocket', 'Upgrade: foo')],
    ['switches to nothing', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ])('and %s is 502', async (_name, answer) => {
    const origin = await rawOrigin((socket) => onHeads(socket, () => socket.write(answer)));
    const { port } = await startGateway({ origin });
    const response = await exchangeBytes(port, UPGRADE);
    expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_BAD_RESPONSE']);
  });

  it('gets a page when there is no route or no origin', async () => {
    const { port, summaries } = await startGateway({ origin: 1 });
    const lost = await exchangeBytes(port, UPGRADE.replace('app.test', 'x.test'));
    expect([statusIn(lost), codeIn(lost)]).toEqual([404, 'ROUTE_NOT_FOUND']);
    const refused = await exchangeBytes(port, UPGRADE);
    expect([statusIn(refused), codeIn(refused)]).toEqual([502, 'ORIGIN_REFUSED']);
    await eventually(() => summaries.length === 2);
  });

  it.each([
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['closes', (socket: Socket) => socket.end()],
  ])('ends at the origin at once when the user %s', async (_name, leave) => {
    let isClosed = false;
    let hasHead = false;
    const origin = await rawOrigin((socket) => {
      onHeads(socket, () => (hasHead = true));
      socket.on('close', () => (isClosed = true));
    });
    const { port, summaries, handler } = await startGateway({ origin });
    const client = await RawClient.connect(port);
    client.send(UPGRADE);
    await eventually(() => hasHead);
    leave(client.socket);
    await eventually(() => isClosed && summaries.length === 1);
    expect(summaries[0]).toMatchObject({ code: 'HTTP_ABORTED', status: 0 });
    expect(handler.stats).toMatchObject({ requests: 0, upgrades: 0, connections: 0 });
  });

  it('P13 behind a request that is not answered yet ends the connection', async () => {
    const heads: string[] = [];
    const origin = await rawOrigin((socket) => onHeads(socket, (head) => heads.push(head)));
    const { port, summaries, handler } = await startGateway({ origin });
    const get = 'GET /first HTTP/1.1\r\nHost: app.test\r\n\r\n';
    expect(await exchangeBytes(port, get + UPGRADE)).toBe('');
    await eventually(() => summaries.length === 1);
    expect(heads.join()).not.toMatch(/upgrade/i);
    expect(handler.stats).toMatchObject({ requests: 0, connections: 0 });
  });

  it('takes no idle connection, and no retry', async () => {
    let connections = 0;
    const origin = await rawOrigin((socket) => {
      connections += 1;
      onHeads(socket, (head) => {
        if (/upgrade/i.test(head)) socket.destroy();
        else socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    const { port, handler } = await startGateway({ origin });
    await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n');
    await eventually(() => handler.stats.origins.idle === 1);
    const response = await exchangeBytes(port, UPGRADE);
    expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_RESET']);
    expect(connections).toBe(2);
    expect(handler.stats.origins.idle).toBe(1);
  });
});

describe('closing live WebSockets', () => {
  const REVOKED = new PosternError('ACCESS_DENIED', 'the session of somebody was revoked');

  it('tells the user the status, and the reason as a code only', async () => {
    const { port, handler, summaries } = await startGateway({ origin: await echoServer() });
    const sockets = await Promise.all([openWebSocket(port), openWebSocket(port)]);
    const closed = sockets.map((socket) => once(socket, 'close'));
    expect(handler.upgrades.close(CLOSE_REVOKED, REVOKED)).toBe(2);
    for (const end of closed) {
      const [status, reason] = await end;
      expect([status, String(reason)]).toEqual([CLOSE_REVOKED, 'ACCESS_DENIED']);
    }
    await eventually(() => summaries.length === 2);
    expect(summaries[0]).toMatchObject({ code: 'ACCESS_DENIED', status: 101 });
  });

  it('picks by request', async () => {
    const { port, handler } = await startGateway({ origin: await echoServer() });
    const kept = await openWebSocket(port);
    const [keep] = [...handler.upgrades.records()];
    const gone = await openWebSocket(port);
    const closed = once(gone, 'close');
    expect(handler.upgrades.close(CLOSE_RESTART, REVOKED, (record) => record !== keep)).toBe(1);
    expect((await closed)[0]).toBe(CLOSE_RESTART);
    kept.send('still here');
    expect(String((await once(kept, 'message'))[0])).toBe('still here');
  });

  it('waits for the end of the frame under way', async () => {
    const origin = await switchingOrigin(() => SWITCHING);
    const { port, handler } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(UPGRADE);
    await client.sees('\r\n\r\n');
    const head = client.bytes.length;
    // 81 04: text of 4 bytes, of which 2 have come.
    origin.sockets[0]?.write(Buffer.from('81046869', 'hex'));
    await eventually(() => client.bytes.length === head + 4);
    handler.upgrades.close(CLOSE_RESTART, REVOKED);
    origin.sockets[0]?.write(Buffer.from('6a6b8100', 'hex'));
    await client.closed();
    // The rest of the frame, then 88 0f 03f4 "ACCESS_DENIED"; the next frame is not sent.
    const frame = `810468696a6b880f03f4${Buffer.from('ACCESS_DENIED').toString('hex')}`;
    expect(client.bytes.subarray(head).toString('hex')).toBe(frame);
  });

  it('does not wait for ever: neither for a frame nor for the user', async () => {
    const origin = await switchingOrigin(() => SWITCHING);
    const { port, handler, summaries } = await startGateway({ origin: origin.port });
    const client = await RawClient.connect(port);
    client.send(UPGRADE);
    await client.sees('\r\n\r\n');
    origin.sockets[0]?.write(Buffer.from('810468', 'hex'));
    await eventually(() => client.bytes.subarray(-1).toString('hex') === '68');
    handler.upgrades.close(CLOSE_RESTART, REVOKED);
    await eventually(() => summaries.length === 1);
    expect(handler.upgrades.size).toBe(0);
  });

  it('destroy() ends them without a word', async () => {
    const { port, handler } = await startGateway({ origin: await echoServer() });
    const socket = await openWebSocket(port);
    const closed = once(socket, 'close');
    handler.upgrades.destroy();
    expect((await closed)[0]).toBe(1006);
  });
});

it('a dialled connection that breaks before the head is sent is a page, not a crash', async () => {
  const atOrigin: Socket[] = [];
  const origin = await rawOrigin((socket) => atOrigin.push(socket));
  const open = async (): Promise<Socket> => {
    const socket = await dial(origin);
    socket.on('error', () => undefined);
    await eventually(() => atOrigin.length === 1);
    atOrigin[0]?.resetAndDestroy();
    await eventually(() => socket.destroyed);
    return socket;
  };
  const { port } = await startGateway({ origin: targetAt(origin, { open }) });
  const response = await exchangeBytes(port, UPGRADE);
  expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_RESET']);
});
