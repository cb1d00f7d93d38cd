import { describe, expect, it } from '@jest/globals';
import {
  changesOf,
  heededOf,
  OriginChanges,
} from '../../../../../src/gateway/http/fields/origin-changes.ts';
import { eventually } from '../../../../support/eventually.ts';
import {
  RawClient,
  exchangeBytes,
  rawOrigin,
  startGateway,
  statusIn,
  targetAt,
} from '../http-fixture.ts';

const H = 'Host: app.test\r\n';

const CHANGES = {
  rewrite: { path: '^/api/(.*)', to: '/$1' },
  headers: {
    request: { set: [['x-set', 'by rule']], remove: ['X-Secret', 'x-forwarded-for'] },
    response: { set: [['Strict-Transport-Security', 'max-age=1']], remove: ['Server'] },
  },
} as const;

describe('OriginChanges', () => {
  const changes = new OriginChanges(CHANGES);

  it('rewrites the path and leaves the query', () => {
    expect(changes.target('/api/a/b')).toBe('/a/b');
    expect(changes.target('/api/a?x=/api/&y=$1')).toBe('/a?x=/api/&y=$1');
    expect(changes.target('/b?/api/')).toBe('/b?/api/');
    expect(changes.target('*')).toBe('*');
  });

  it('is nothing for a rule that changes nothing', () => {
    expect(changesOf(undefined)).toBeUndefined();
    expect(changesOf({ hostHeader: 'a', http2: true })).toBeUndefined();
  });

  it('takes from a connector no more than from a file', () => {
    const bad = expect.objectContaining({ code: 'CONFIG_INVALID' });
    expect(() => changesOf({ rewrite: { path: '(', to: '/' } })).toThrow(bad);
    const set = [['Transfer-Encoding', 'chunked']] as const;
    expect(() => changesOf({ headers: { response: { set } } })).toThrow(bad);
  });

  it('says what is done of it', () => {
    expect(heededOf({}, true)).toEqual([]);
    const all = { ...CHANGES, http2: true, wholeBodies: true as const };
    expect(heededOf(all, true)).toEqual(['http2', 'rewrite', 'headers', 'wholeBodies']);
    expect(heededOf(all, false)).toEqual(['rewrite', 'headers', 'wholeBodies']);
  });
});

describe('a rule that changes requests and responses', () => {
  it('does so, also of a WebSocket, and what is logged is what came', async () => {
    const heads: string[] = [];
    const origin = await rawOrigin((socket) => {
      socket.on('data', (bytes) => {
        const head = bytes.toString('latin1');
        heads.push(head);
        const isUpgrade =
          head.includes('Upgrade: websocket') || head.includes('upgrade: websocket');
        const start = isUpgrade
          ? '101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket'
          : '200 OK\r\nContent-Length: 2\r\nConnection: close';
        socket.write(
          `HTTP/1.1 ${start}\r\nServer: secret/1\r\nX-Own: 1\r\n\r\n${isUpgrade ? '' : 'ok'}`,
        );
      });
    });
    const target = targetAt(origin, { changes: changesOf(CHANGES) });
    const { port, summaries } = await startGateway({ origin: target });
    const fields = 'X-Secret: 1\r\nX-Set: by user\r\nX_Set: by user\r\nX-Kept: 1\r\n';
    const response = await exchangeBytes(
      port,
      `GET /api/a%20b?c=d HTTP/1.1\r\n${H}${fields}Connection: close\r\n\r\n`,
    );
    expect(response).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(response).toContain('strict-transport-security: max-age=1\r\n');
    expect(response).toContain('X-Own: 1\r\n');
    expect(response).not.toContain('secret/1');
    expect(heads[0]).toMatch(/^GET \/a%20b\?c=d HTTP\/1\.1\r\nHost: app\.test\r\n/i);
    expect(heads[0]).toContain('x-set: by rule\r\n');
    expect(heads[0]).toContain('X-Kept: 1\r\n');
    expect(heads[0]).not.toMatch(/x-secret|by user|x-forwarded-for/i);
    expect(summaries[0]).toMatchObject({ path: '/api/a%20b' });

    const client = await RawClient.connect(port);
    client.send(
      `GET /api/ws HTTP/1.1\r\n${H}${fields}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    await client.sees('\r\n\r\n');
    expect(client.text).toMatch(/^HTTP\/1\.1 101 /);
    expect(client.text).toContain('strict-transport-security: max-age=1\r\n');
    expect(client.text).not.toContain('secret/1');
    expect(heads[1]).toMatch(/^GET \/ws HTTP/);
    expect(heads[1]).not.toMatch(/x-secret|by user/i);
  });

  it('refuses a path of which no plain one comes, and the origin hears nothing', async () => {
    let connections = 0;
    const origin = await rawOrigin(() => (connections += 1));
    const changes = changesOf({ rewrite: { path: '^/a', to: '' } });
    const { port, summaries } = await startGateway({ origin: targetAt(origin, { changes }) });
    const request = `GET /a../admin HTTP/1.1\r\n${H}Connection: close\r\n\r\n`;
    expect(statusIn(await exchangeBytes(port, request))).toBe(400);
    await eventually(() => summaries.length === 1);
    expect([summaries[0]?.code, connections]).toEqual(['HTTP_BAD_REQUEST', 0]);
  });
});
