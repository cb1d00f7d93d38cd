import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';

import { describe, expect, it } from '@jest/globals';

import { askReadiness } from '../../../../src/cli/connector/readiness-probe.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { freePort, portOf } from '../../../support/real/port.ts';

async function serve(listener: RequestListener, host = '127.0.0.1'): Promise<number> {
  const server = createServer(listener);
  cleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server.listen(0, host), 'listening');
  return portOf(server);
}

async function reasonOf(port: number): Promise<string> {
  const answer = askReadiness({ host: '127.0.0.1', port });
  const error: unknown = await answer.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({ code: 'CLI_NOT_READY' });
  return String(Reflect.get(Object(error), 'message'));
}

describe('askReadiness()', () => {
  it('returns what a ready connector says', async () => {
    const port = await serve((request, response) => {
      response.end(JSON.stringify({ ready: request.url === '/ready', readyConnections: 4 }));
    });
    expect(await askReadiness({ host: '127.0.0.1', port })).toEqual({
      ready: true,
      readyConnections: 4,
    });
  });

  it.each(['', '0.0.0.0', '::'])('asks this machine when it listens on "%s"', async (host) => {
    const port = await serve((_request, response) => void response.end('{}'), 'localhost');
    expect(await askReadiness({ host, port })).toEqual({});
  });

  it('repeats the answer of a connector that is not ready', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(503).end('{"ready":false,"readyConnections":0}\n');
    });
    expect(await reasonOf(port)).toMatch(/answers 503: {"ready":false,"readyConnections":0}$/);
  });

  it('says that nothing listens', async () => {
    expect(await reasonOf(await freePort())).toContain('nothing listens there');
  });

  it('does not wait for ever', async () => {
    const port = await serve(() => undefined);
    expect(await reasonOf(port)).toContain('no answer in 3000 ms');
  });

  it('does not read for ever', async () => {
    const port = await serve((_request, response) => {
      response.on('error', () => undefined);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    expect(await reasonOf(port)).toContain('too long');
  });

  it('is not fooled by something else', async () => {
    const port = await serve((_request, response) => void response.end('<html>'));
    expect(await reasonOf(port)).toContain('JSON');
  });
});
