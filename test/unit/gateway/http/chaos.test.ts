import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { PosternError } from '../../../../src/core/error.ts';
import { eventually } from '../../../support/eventually.ts';
import { resetSocket } from '../../../support/real/peer-end.ts';
import { sameNumbers } from '../../../support/same-numbers.ts';
import { RawClient, dial, rawOrigin, startGateway, targetAt } from './http-fixture.ts';

const H = 'Host: app.test\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const SWITCHING = 'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi';

/** What users send, whole and not. */
const REQUESTS = [
  `GET / HTTP/1.1\r\n${H}\r\n`,
  `GET / HTTP/1.0\r\n${H}\r\n`,
  `HEAD / HTTP/1.1\r\n${H}\r\n`,
  `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\n\r\nhello`,
  `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
  `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  `PUT / HTTP/1.1\r\n${H}Content-Length: 200000\r\n\r\n${'y'.repeat(100_000)}`,
  `PUT / HTTP/1.1\r\n${H}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
  `GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nextra`,
  `GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
  '\0\0\r\n\r\n',
];

/** What origins do with each piece they get. */
const ANSWERS: ((socket: Socket) => void)[] = [
  (socket) => socket.write(OK),
  (socket) => socket.write(OK),
  (socket) => socket.write(OK + OK),
  (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'),
  (socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(300_000)}`),
  (socket) => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}`),
  (socket) => socket.write(SWITCHING),
  (socket) => socket.write('garbage\r\n\r\n'),
  (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  (socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nall'),
  (socket) => socket.write('HTTP/1.0 200 OK\r\n\r\nhalf', () => resetSocket(socket)),
  (socket) => socket.end(),
  resetSocket,
  () => undefined,
];

it('P35 whatever users and origins do, nothing crashes, hangs or is left behind', async () => {
  const random = sameNumbers(20_240_607);
  const origin = await rawOrigin((socket) => {
    socket.on('data', () => ANSWERS[random(ANSWERS.length)]?.(socket));
  });
  const open = async (): Promise<Socket> => {
    const luck = random(20);
    if (luck === 0) throw new PosternError('ORIGIN_REFUSED', 'no');
    const socket = await dial(origin);
    if (luck === 1) socket.destroy();
    if (luck === 2) await delay(5);
    return socket;
  };
  const target = targetAt(origin, {
    open,
    keepAliveConnections: 5,
    isAlive: () => random(100) > 0,
  });
  const { port, handler, summaries } = await startGateway({
    origin: target,
    pools: { headersTimeoutMs: 1_000 },
  });

  const visit = async (): Promise<void> => {
    const client = await RawClient.connect(port);
    for (let count = 1 + random(3); count > 0; count -= 1) {
      client.send(REQUESTS[random(REQUESTS.length)] ?? '');
      if (random(3) === 0) await delay(random(10));
    }
    await delay(random(30));
    if (random(2) === 0) client.socket.destroy();
    else resetSocket(client.socket);
  };
  const user = async (): Promise<void> => {
    for (let visits = 0; visits < 30; visits += 1) await visit();
  };
  await Promise.all(Array.from({ length: 30 }, user));

  await eventually(() => {
    expect(handler.stats).toMatchObject({ connections: 0, requests: 0, upgrades: 0 });
    expect(handler.stats.origins.busy).toBe(0);
  });
  expect(summaries.length).toBeGreaterThan(500);
  const client = await RawClient.connect(port);
  await eventually(async () => {
    client.send(`GET / HTTP/1.1\r\n${H}\r\n`);
    await client.sees(/^HTTP\/1\.1 /);
  });
});
