import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../../../support/eventually.ts';
import {
  codeIn,
  exchangeBytes,
  onHeads,
  rawOrigin,
  startGateway,
  statusIn,
} from '../http-fixture.ts';

const H = 'Host: app.test\r\n';
const GET_AND_CLOSE = `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;

describe('connections to an origin', () => {
  it('are used again', async () => {
    let connections = 0;
    const origin = await rawOrigin((socket) => {
      connections += 1;
      onHeads(socket, () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    const { port, handler } = await startGateway({ origin });
    for (let round = 0; round < 5; round += 1) {
      expect(statusIn(await exchangeBytes(port, GET_AND_CLOSE))).toBe(200);
      await eventually(() => handler.stats.origins.idle === 1);
    }
    expect(connections).toBe(1);
  });

  it.each(['GET', 'HEAD', 'OPTIONS', 'DELETE'])(
    'that close just when %s is on its way cost nothing: it is sent again on a fresh one',
    async (method) => {
      const served: string[] = [];
      const origin = await rawOrigin((socket, connection) =>
        onHeads(socket, (head, index) => {
          served.push(`${connection}.${index} ${head.slice(0, head.indexOf(' '))}`);
          if (connection === 0 && index === 1) socket.destroy();
          else socket.write('HTTP/1.1 204 No Content\r\n\r\n');
        }),
      );
      const { port, handler } = await startGateway({ origin });
      await exchangeBytes(port, GET_AND_CLOSE);
      await eventually(() => handler.stats.origins.idle === 1);
      const request = `${method} / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;
      expect(statusIn(await exchangeBytes(port, request))).toBe(204);
      expect(served).toEqual(['0.0 GET', `0.1 ${method}`, `1.0 ${method}`]);
    },
  );

  it('that close on a POST are not tried again', async () => {
    const served: string[] = [];
    const origin = await rawOrigin((socket, connection) =>
      onHeads(socket, (_head, index) => {
        served.push(`${connection}.${index}`);
        if (index === 1) socket.destroy();
        else socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      }),
    );
    const { port, handler } = await startGateway({ origin });
    await exchangeBytes(port, GET_AND_CLOSE);
    await eventually(() => handler.stats.origins.idle === 1);
    const post = `POST / HTTP/1.1\r\n${H}Connection: close\r\nContent-Length: 0\r\n\r\n`;
    const response = await exchangeBytes(port, post);
    expect([statusIn(response), codeIn(response)]).toEqual([502, 'ORIGIN_RESET']);
    expect(served).toEqual(['0.0', '0.1']);
  });

  it('that are fresh and close are not tried again', async () => {
    let connections = 0;
    const origin = await rawOrigin((socket) => {
      connections += 1;
      onHeads(socket, () => socket.destroy());
    });
    const { port } = await startGateway({ origin });
    expect(statusIn(await exchangeBytes(port, GET_AND_CLOSE))).toBe(502);
    expect(connections).toBe(1);
  });

  it('that the origin closed while idle are not used, whatever the method', async () => {
    let connections = 0;
    const origin = await rawOrigin((socket) => {
      connections += 1;
      onHeads(socket, () => socket.write('HTTP/1.1 204 No Content\r\n\r\n', () => socket.end()));
    });
    const { port } = await startGateway({ origin });
    const post = `POST / HTTP/1.1\r\n${H}Content-Length: 2\r\nConnection: close\r\n\r\nab`;
    for (let round = 1; round <= 10; round += 1) {
      expect(statusIn(await exchangeBytes(port, post))).toBe(204);
    }
    expect(connections).toBe(10);
  });

  it('that an answer says more on than was asked are not used again', async () => {
    const origin = await rawOrigin((socket, connection) =>
      onHeads(socket, () =>
        socket.write(
          `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${connection}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
        ),
      ),
    );
    const { port } = await startGateway({ origin });
    expect(await exchangeBytes(port, GET_AND_CLOSE)).toMatch(/\r\n\r\n0$/);
    expect(await exchangeBytes(port, GET_AND_CLOSE)).toMatch(/\r\n\r\n1$/);
  });
});
