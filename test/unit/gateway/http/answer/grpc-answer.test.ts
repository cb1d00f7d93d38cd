import { describe, expect, it } from '@jest/globals';
import {
  grpcAnswer,
  grpcKind,
  grpcStatusOf,
} from '../../../../../src/gateway/http/answer/grpc-answer.ts';

describe('grpcKind()', () => {
  it.each([
    ['application/grpc', 'application/grpc'],
    ['application/grpc+proto', 'application/grpc'],
    ['Application/GRPC; charset=utf-8', 'application/grpc'],
    ['application/grpc-web+proto', 'application/grpc-web'],
    ['application/grpc-web-text', 'application/grpc-web-text'],
    ['application/grpcx', undefined],
    ['application/grpc-webby', undefined],
    ['text/plain; application/grpc', undefined],
    [undefined, undefined],
  ])('takes %j for %j', (contentType, kind) => {
    expect(grpcKind(contentType)).toBe(kind);
  });
});

describe('grpcStatusOf()', () => {
  it.each([
    ['ROUTE_NOT_FOUND', 'UNIMPLEMENTED'],
    ['ROUTE_NO_REPLICA', 'UNAVAILABLE'],
    ['ORIGIN_REFUSED', 'UNAVAILABLE'],
    ['ORIGIN_TIMEOUT', 'DEADLINE_EXCEEDED'],
    ['ORIGIN_BAD_RESPONSE', 'INTERNAL'],
    ['ACCESS_SIGN_IN', 'UNAUTHENTICATED'],
    ['ACCESS_DENIED', 'PERMISSION_DENIED'],
    ['HTTP_BODY_TOO_LARGE', 'RESOURCE_EXHAUSTED'],
    ['HTTP_INTERNAL', 'INTERNAL'],
  ] as const)('says of %s that it is %s', (code, name) => {
    expect(grpcStatusOf(code)).toBe(name);
  });
});

describe('grpcAnswer()', () => {
  it('is a head that says it all: status 14, the code, the request id, and to keep nothing', () => {
    const { status, headers, body } = grpcAnswer('application/grpc', 'ORIGIN_REFUSED', 'cafe');
    expect([status, body]).toEqual([200, '']);
    const fields = Object.fromEntries(
      headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : [])),
    );
    expect(fields).toEqual({
      'Content-Type': 'application/grpc',
      'Grpc-Status': '14',
      'Grpc-Message': expect.stringMatching(/^ORIGIN_REFUSED: [ -$&-~]+ \(request cafe\)$/),
      'Cache-Control': 'no-store',
      'X-Request-Id': 'cafe',
      'Content-Length': '0',
    });
  });

  it('percent-encodes what is not printable ASCII', () => {
    const { headers } = grpcAnswer('application/grpc', 'ORIGIN_REFUSED', '50%\nü');
    expect(headers[headers.indexOf('Grpc-Message') + 1]).toContain('(request 50%25%0a%c3%bc)');
  });
});
