import { describe, expect, it } from '@jest/globals';
import type { ServerHttp2Stream } from 'node:http2';
import { PosternError } from '../../../../../src/core/error.ts';
import type { OriginStream } from '../../../../../src/gateway/http/origin/origin-opener.ts';
import { LIMITS } from '../../../../../src/core/limits.ts';
import { eventually } from '../../../../support/eventually.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';
import {
  codeIn,
  dial,
  exchangeBytes,
  httpOrigin,
  rawOrigin,
  startGateway,
  statusIn,
} from '../http-fixture.ts';
import { http2Origin, http2Target } from './http2-fixture.ts';

const H = 'Host: app.test\r\n';
const GET = `GET /x?y=1 HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;

describe('the stream to an origin that speaks HTTP/2', () => {
  it('says what became of it, under a request and before its first one', async () => {
    const held: ServerHttp2Stream[] = [];
    const origin = await http2Origin((stream) => void held.push(stream));
    const target = http2Target(origin.port);
    const opened: OriginStream[] = [];
    const open: typeof target.open = async (request) => {
      const stream = await target.open(request);
      opened.push(stream);
      return stream;
    };
    const lost = new PosternError('STREAM_LOST', 'Cannot go on: the connector is gone');
    const { port } = await startGateway({ origin: { ...target, open } });
    const post = `POST / HTTP/1.1\r\n${H}Connection: close\r\nContent-Length: 2\r\n\r\nhi`;
    const response = exchangeBytes(port, post);
    await eventually(() => held.length === 1);
    opened[0]?.destroy(lost);
    expect(codeIn(await response)).toBe('STREAM_LOST');
    const silent = await rawOrigin(() => undefined);
    const other = await startGateway({
      origin: http2Target(silent, {
        open: async () => {
          const stream = Object.assign(await dial(silent), { alpnProtocol: 'h2c' });
          setImmediate(() => stream.destroy(lost));
          return stream;
        },
      }),
    });
    expect(codeIn(await exchangeBytes(other.port, GET))).toBe('STREAM_LOST');
  });
});

describe('an origin that should speak HTTP/2', () => {
  it('and agreed on HTTP/1.1 gets that, over connections that are kept', async () => {
    const origin = await httpOrigin((request, response) => response.end(request.httpVersion));
    const { port, handler } = await startGateway({
      origin: http2Target(origin, { alpn: 'http/1.1' }),
    });
    const responses = await Promise.all(
      Array.from({ length: 8 }, async () => exchangeBytes(port, GET)),
    );
    expect(responses.filter((text) => text.endsWith('\r\n\r\n1.1'))).toHaveLength(8);
    await eventually(() => handler.stats.origins.busy === 0);
    const { idle } = handler.stats.origins;
    expect(idle).toBeGreaterThan(0);
    expect(statusIn(await exchangeBytes(port, GET))).toBe(200);
    expect(handler.stats.origins.idle).toBeLessThanOrEqual(idle);
  });

  it('and agreed on HTTP/1.1 gets no gRPC', async () => {
    const origin = await httpOrigin((_request, response) => response.end());
    const { port, summaries } = await startGateway({
      origin: http2Target(origin, { alpn: 'http/1.1' }),
    });
    const head = `POST /a.B/C HTTP/1.1\r\n${H}Content-Type: application/grpc\r\nContent-Length: 5\r\n\r\n`;
    const response = await exchangeBytes(port, `${head}\0\0\0\0\0`);
    expect(response).toMatch(/^HTTP\/1\.1 200 .*Grpc-Status: 13\r\n/s);
    await eventually(() => summaries.length === 1);
    expect(summaries[0]?.code).toBe('ORIGIN_PROTOCOL');
  });

  it('and answers with something else is told apart', async () => {
    const origin = await rawOrigin((socket) => {
      socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
    });
    const { port } = await startGateway({ origin: http2Target(origin) });
    const response = await exchangeBytes(port, GET);
    expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_PROTOCOL']);
  });

  it('and says nothing is given up in time', async () => {
    const clock = new FakeClock();
    let connections = 0;
    const origin = await rawOrigin(() => (connections += 1));
    const { port, handler } = await startGateway({
      origin: http2Target(origin),
      pools: { clock },
    });
    const response = exchangeBytes(port, GET);
    await eventually(() => connections === 1 && clock.pending > 0);
    clock.run(LIMITS.originHttp2SettingsMs);
    expect([statusIn(await response), codeIn(await response)]).toEqual([504, 'ORIGIN_TIMEOUT']);
    expect(handler.stats.origins.pools).toBe(0);
  });

  it('and refuses connections fails all who wait for one', async () => {
    const { port } = await startGateway({ origin: http2Target(1) });
    const responses = await Promise.all(
      Array.from({ length: 20 }, async () => exchangeBytes(port, GET)),
    );
    expect(responses.map((text) => codeIn(text))).toEqual(Array(20).fill('ORIGIN_REFUSED'));
  });
});
