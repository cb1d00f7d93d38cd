import { describe, expect, it } from '@jest/globals';

import {
  formatAdminError,
  parseAdminAnswer,
  parseAdminRequest,
} from '../../../src/admin/admin-request.ts';

const ID = '36fd1780-c9af-4993-b963-235c3bb77cc3';

function body(params: unknown, actor: unknown = 'cli:alice'): string {
  return JSON.stringify({ actor, params });
}

describe('parseAdminRequest()', () => {
  it('takes a call with its parameters', () => {
    expect(parseAdminRequest('/v1/route.add', body({ tunnel: 'web', hostname: 'a.b' }))).toEqual({
      call: 'route.add',
      actor: 'cli:alice',
      params: { tunnel: 'web', hostname: 'a.b' },
    });
    expect(parseAdminRequest('/v1/route.list', body({})).params).toEqual({});
    expect(parseAdminRequest('/v1/route.list', body({ tunnel: 'web' })).params).toEqual({
      tunnel: 'web',
    });
    const revoked = { id: ID, name: 'web', reason: 'deleted' };
    expect(parseAdminRequest('/v1/gateway.refresh', body(revoked)).params).toEqual(revoked);
  });

  it.each([
    ['an unknown call', '/v1/tunnel.rename', body({}), 'not a call'],
    ['a name of every object', '/v1/constructor', body({}), 'not a call'],
    ['another version', '/v2/tunnel.list', body({}), 'not a call'],
    ['no JSON', '/v1/tunnel.list', 'tunnels please', 'not JSON'],
    ['a list', '/v1/tunnel.list', '[]', 'must be an object'],
    ['null', '/v1/tunnel.list', 'null', 'must be an object'],
    ['parameters that are a list', '/v1/tunnel.list', body([]), 'must be an object'],
    ['nobody who asks', '/v1/tunnel.list', '{"params":{}}', 'who asks'],
    ['somebody who is no text', '/v1/tunnel.list', body({}, 7), 'who asks'],
    ['a missing parameter', '/v1/route.add', body({ tunnel: 'web' }), 'needs parameter "hostname"'],
    ['an unknown parameter', '/v1/tunnel.info', body({ tunnel: 'web', all: 'yes' }), '"all"'],
    ['a number', '/v1/tunnel.info', body({ tunnel: 7 }), 'not text'],
    [
      'a parameter that is too long',
      '/v1/tunnel.info',
      body({ tunnel: 'x'.repeat(1001) }),
      'too long',
    ],
    ['half a revocation', '/v1/gateway.refresh', body({ id: ID }), 'or none of them'],
    [
      'a revocation for no reason',
      '/v1/gateway.refresh',
      body({ id: ID, name: 'web', reason: 'why not' }),
      'or none of them',
    ],
  ])('refuses %s', (_what, path, text, reason) => {
    expect(() => parseAdminRequest(path, text)).toThrow(
      expect.objectContaining({
        code: 'ADMIN_BAD_REQUEST',
        message: expect.stringContaining(reason),
      }),
    );
  });
});

describe('parseAdminAnswer()', () => {
  it('returns a result', () => {
    expect(parseAdminAnswer(200, '{"cut":3}')).toEqual({ cut: 3 });
  });

  it('throws the error that an answer carries, with its code', () => {
    const answer = formatAdminError('STORE_NOT_FOUND', 'Cannot show tunnel "x": it is not there');
    expect(() => parseAdminAnswer(400, answer)).toThrow(
      expect.objectContaining({
        code: 'STORE_NOT_FOUND',
        message: 'Cannot show tunnel "x": it is not there',
      }),
    );
  });

  it('keeps the sentence of an error whose code it does not know', () => {
    const answer = '{"error":{"code":"STORE_ON_FIRE","message":"Cannot read: it burns"}}';
    expect(() => parseAdminAnswer(400, answer)).toThrow(
      expect.objectContaining({ code: 'CLI_FAILED', message: 'Cannot read: it burns' }),
    );
  });

  it.each([
    [200, '<html>'],
    [404, '{"error":"Not Found"}'],
    [500, '[]'],
    [400, '{"error":{"code":"STORE_BUSY"}}'],
  ])('does not pretend to understand status %i with %s', (status, text) => {
    expect(() => parseAdminAnswer(status, text)).toThrow(
      expect.objectContaining({
        code: 'CLI_FAILED',
        message: expect.stringContaining('another version'),
      }),
    );
  });
});
