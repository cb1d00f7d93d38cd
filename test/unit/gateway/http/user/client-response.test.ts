/** Cutting responses on real connections, at the moments at which Node would get it wrong. */
import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect } from 'node:net';

import { expect, it } from '@jest/globals';

import { withResolvers } from '../../../../../src/core/with-resolvers.ts';
import { cutResponse } from '../../../../../src/gateway/http/user/client-response.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { whenReset } from '../../../../support/real/peer-end.ts';
import { TestAuthority } from '../../../../support/test-authority.ts';
import { dialTls } from '../../../../support/tls-client.ts';
import { listen } from '../http-fixture.ts';

const REQUEST = 'GET / HTTP/1.0\r\nHost: app.test\r\n\r\n';

/** Half a response that only the end of its connection ends. */
function sendHalf(response: ServerResponse): void {
  response.writeHead(200);
  response.write('half');
}

/** Sends half a response to whoever asks, and cuts it when told. */
function cutter(): { serve: RequestListener; cut: () => void } {
  let half: ServerResponse | undefined;
  return {
    serve: (_request, response) => {
      half = response;
      sendHalf(response);
    },
    cut: () => {
      if (half !== undefined) cutResponse(half, undefined);
    },
  };
}

it('a response that ends with its connection is reset when it is cut', async () => {
  const { serve, cut } = cutter();
  const port = await listen(createServer(serve));
  const user = connect(port, '127.0.0.1');
  cleanup(() => user.destroy());
  user.write(REQUEST);
  await once(user, 'data');
  const reset = whenReset(user);
  cut();
  await reset;
});

it('so is one over TLS', async () => {
  const authority = await TestAuthority.create();
  const { cert, key } = await authority.issue({ dns: ['app.test'] });
  const { serve, cut } = cutter();
  const port = await listen(createHttpsServer({ cert, key }, serve));
  const { socket, carrier } = dialTls(port, { ca: authority.pem, servername: 'app.test' });
  socket.write(REQUEST);
  await once(socket, 'data');
  const reset = whenReset(carrier);
  cut();
  await reset;
});

it('one whose connection is just being ended closes all the same', async () => {
  const closed = withResolvers<unknown>();
  const port = await listen(
    createServer((_request, response) => {
      sendHalf(response);
      const { socket } = response;
      response.on('close', () => closed.resolve(socket?.errored));
      setImmediate(() => {
        // As Node does when the user has ended.
        socket?.end();
        cutResponse(response, undefined);
      });
    }),
  );
  const user = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  user.on('error', () => undefined);
  cleanup(() => user.destroy());
  user.write(REQUEST);
  expect(await closed.promise).toBeNull();
});
