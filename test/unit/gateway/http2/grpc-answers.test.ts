/** What a gRPC client makes of the gateway's own answers: `@grpc/grpc-js` over TLS against the handler. */
import { describe, expect, it } from '@jest/globals';
import { Client, Metadata, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { PosternError } from '../../../../src/core/error.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { rawOrigin, targetAt } from '../http/http-fixture.ts';
import { CA, ask, openSession, startHttp2Gateway } from './http2-fixture.ts';

/** The error of a call with a small body. */
async function call(port: number): Promise<ServiceError> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(CA)), {
    'grpc.ssl_target_name_override': 'app.test',
    'grpc.default_authority': 'app.test',
  });
  cleanup(() => client.close());
  const asIs = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve, reject) => {
    const deadline = { deadline: Date.now() + 10_000 };
    const metadata = new Metadata();
    client.makeUnaryRequest('/a/B', asIs, asIs, Buffer.from('hi'), metadata, deadline, (error) => {
      if (error === null) reject(new Error('the call succeeded'));
      else resolve(error);
    });
  });
}

/** A target that cannot be reached. */
function failing(error: PosternError): ReturnType<typeof targetAt> {
  return targetAt(1, {
    open: async () => {
      throw error;
    },
  });
}

describe('a gRPC call that the gateway answers', () => {
  it.each([
    ['ORIGIN_REFUSED', status.UNAVAILABLE],
    ['ORIGIN_TIMEOUT', status.DEADLINE_EXCEEDED],
    ['ORIGIN_TLS', status.UNAVAILABLE],
    ['ROUTE_NO_REPLICA', status.UNAVAILABLE],
    ['ROUTE_NO_RULE', status.UNIMPLEMENTED],
    ['ORIGIN_ACCESS', status.PERMISSION_DENIED],
    ['STREAM_LIMIT', status.UNAVAILABLE],
  ] as const)('fails with the status of %s, %i', async (code, expected) => {
    const { port, summaries } = await startHttp2Gateway({
      origin: failing(new PosternError(code, 'Cannot reach 10.0.0.7:80: no')),
    });
    const error = await call(port);
    expect(error).toMatchObject({
      code: expected,
      details: expect.stringMatching(new RegExp(`^${code}: .+\\(request [\\w-]+\\)$`)),
    });
    expect(error.details).toContain(`(request ${summaries[0]?.requestId})`);
    expect(error.details).not.toContain('10.0.0.7');
    expect(error.metadata.get('x-request-id')).toEqual([summaries[0]?.requestId]);
    expect(summaries[0]).toMatchObject({ status: 200, code });
  });

  it('fails with INTERNAL where the origin does not speak HTTP', async () => {
    const origin = await rawOrigin((socket) => {
      socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    });
    const { port } = await startHttp2Gateway({ origin });
    expect(await call(port)).toMatchObject({
      code: status.INTERNAL,
      details: expect.stringMatching(/^ORIGIN_BAD_RESPONSE: /),
    });
  });

  it('is HTTP 200 and one head, as other clients of HTTP/2 see it', async () => {
    const { port } = await startHttp2Gateway({
      origin: failing(new PosternError('ORIGIN_REFUSED', 'Cannot reach it')),
    });
    const head = { ':method': 'POST', 'content-type': 'application/grpc-web+proto' };
    const { status: httpStatus, headers, body } = await ask(await openSession(port), head, 'hi');
    expect([httpStatus, body.length]).toEqual([200, 0]);
    expect(headers).toMatchObject({
      'content-type': 'application/grpc-web',
      'grpc-status': '14',
      'cache-control': 'no-store',
    });
  });
});
