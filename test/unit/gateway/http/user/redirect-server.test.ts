/** The port that only redirects, spoken to in raw bytes. */
import { describe, expect, it } from '@jest/globals';
import { createRedirectServer } from '../../../../../src/gateway/http/user/redirect-server.ts';
import { createLog } from '../../../../../src/telemetry/log.ts';
import { codeIn, exchangeBytes, fieldsIn, listen, statusIn } from '../http-fixture.ts';

async function start(httpsPort = 8443): Promise<{ port: number; lines: string[] }> {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog({ component: 'gateway', format: 'json', destination });
  return { port: await listen(createRedirectServer({ httpsPort, log })), lines };
}

describe('createRedirectServer()', () => {
  it.each([
    ['GET', 301],
    ['POST', 308],
  ])('sends %s to HTTPS with %i', async (method, status) => {
    const { port } = await start();
    const response = await exchangeBytes(
      port,
      `${method} /a?b=1 HTTP/1.1\r\nHost: app.test:80\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(statusIn(response)).toBe(status);
    expect(fieldsIn(response).get('location')).toEqual(['https://app.test:8443/a?b=1']);
    expect(fieldsIn(response).get('cache-control')).toEqual(['no-store']);
  });

  it('leaves out the usual port', async () => {
    const { port } = await start(443);
    const response = await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: app.test\r\n\r\n');
    expect(fieldsIn(response).get('location')).toEqual(['https://app.test/']);
  });

  it.each([
    ['a request that could be read in two ways', 'GET /#a HTTP/1.1\r\nHost: app.test\r\n\r\n', 400],
    ['what is no HTTP', 'hello\r\n\r\n', 400],
    ['a head beyond the limit', `GET /${'a'.repeat(40_000)} HTTP/1.1\r\n\r\n`, 431],
  ])('refuses %s with a code and a request id that the log knows', async (_name, bytes, status) => {
    const { port, lines } = await start();
    const response = await exchangeBytes(port, bytes);
    expect(statusIn(response)).toBe(status);
    const code = status === 431 ? 'HTTP_TOO_LARGE' : 'HTTP_BAD_REQUEST';
    expect(codeIn(response)).toBe(code);
    expect(fieldsIn(response).get('cache-control')).toEqual(['no-store']);
    const [requestId] = fieldsIn(response).get('x-request-id') ?? [];
    expect(JSON.parse(lines.join())).toMatchObject({ requestId, status, errCode: code });
  });
});
