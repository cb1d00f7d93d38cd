import { createServer as createNetServer } from 'node:net';
import { createSecureContext, createServer, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { OriginDialer } from '../../../../src/connector/origin/origin-dialer.ts';
import type { AcceptInfo } from '../../../../src/protocol/message/stream-opening.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { TestAuthority } from '../../../support/test-authority.ts';
import { aRule, type RuleOptions } from '../a-rule.ts';
import { listen } from './deaf-server.ts';

const HOSTNAME = 'a.example.com';
const forever = new AbortController().signal;

let caFile: string;
let port: number;
/** The names that clients asked for. */
const asked: string[] = [];

beforeAll(async () => {
  const authority = await TestAuthority.create();
  caFile = authority.writeFile();
  const contexts = new Map<string, ReturnType<typeof createSecureContext>>();
  for (const name of [HOSTNAME, 'b.example.com', 'app.internal', 'localhost']) {
    // One after the other: they share an authority.
    // oxlint-disable-next-line no-await-in-loop
    contexts.set(name, createSecureContext(await authority.issue({ dns: [name] })));
  }
  const server = createServer(
    {
      ALPNProtocols: ['h2', 'http/1.1'],
      SNICallback: (name, done) => {
        asked.push(name);
        done(null, contexts.get(name));
      },
    },
    (socket: TLSSocket) => {
      socket.on('error', () => undefined);
    },
  );
  server.on('tlsClientError', () => undefined);
  port = await listen(server);
});

async function dial(
  service: string,
  options: RuleOptions,
  request: { hostname: string; heeds?: readonly string[] } = { hostname: HOSTNAME },
): Promise<AcceptInfo> {
  const dialer = new OriginDialer({ identity: { tunnel: 'office', replica: 'r1' } });
  cleanup(() => dialer.close());
  const { socket, info } = await dialer.dial(aRule(service, options), request, { signal: forever });
  cleanup(() => socket.destroy());
  return info;
}

describe('an origin over TLS', () => {
  it.each([
    ['its host', {}, 'localhost'],
    ['originServerName', { originServerName: 'app.internal' }, 'app.internal'],
    ['the hostname of the request with matchSNItoHost', { matchesHost: true }, HOSTNAME],
    [
      'the Host that is sent with matchSNItoHost, without its port',
      { matchesHost: true, httpHostHeader: 'b.example.com:8443', originServerName: 'app.internal' },
      'b.example.com',
    ],
  ] as const)('is asked for %s', async (_what, options, name) => {
    await dial(`https://localhost:${port}`, { caFile, ...options });
    expect(asked.at(-1)).toBe(name);
  });

  it('K9: is refused where it has no certificate for the hostname, with matchSNItoHost', async () => {
    const options = { caFile, matchesHost: true } as const;
    await expect(
      dial(`https://localhost:${port}`, options, { hostname: 'other.example.com' }),
    ).rejects.toMatchObject({ code: 'ORIGIN_TLS' });
  });

  it('is offered HTTP/2 where the rule wants it and the gateway can, and otherwise not', async () => {
    const service = `https://localhost:${port}`;
    const able = { hostname: HOSTNAME, heeds: ['http2'] };
    expect((await dial(service, { caFile, http2: true }, able)).alpn).toBe('h2');
    expect((await dial(service, { caFile, http2: true })).alpn).toBe('http/1.1');
    expect((await dial(service, { caFile }, able)).alpn).toBe('http/1.1');
  });
});

describe('an origin without TLS', () => {
  it('is said to speak HTTP/2 where the rule says so and the gateway can', async () => {
    const plain = await listen(createNetServer());
    const able = { hostname: HOSTNAME, heeds: ['http2'] };
    const service = `http://localhost:${plain}`;
    expect((await dial(service, { http2: true }, able)).alpn).toBe('h2c');
    expect(await dial(service, { http2: true })).not.toHaveProperty('alpn');
    expect(await dial(service, {}, able)).not.toHaveProperty('alpn');
    expect(await dial(`tcp://localhost:${plain}`, { http2: true }, able)).not.toHaveProperty(
      'alpn',
    );
  });
});
