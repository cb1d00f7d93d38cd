/** What users choose, and what origins learn about them. */
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import type { OriginConnection } from '../../../../src/connector/origin/origin-dialer.ts';
import type { Lookup } from '../../../../src/connector/origin/origin-resolver.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { TestAuthority } from '../../../support/test-authority.ts';
import { aRule } from '../a-rule.ts';
import { listen } from './deaf-server.ts';
import { aDialer, answering, forever, request, startEcho, startTls, talk } from './dialer-lab.ts';

describe('OriginDialer, for a bastion,', () => {
  const here = { range: parseIpRange('127.0.0.1'), ports: [], allow: true };

  function dialChosen(
    destination: { host: string; port: number } | undefined,
    options: Parameters<typeof aRule>[1] = { ipRules: [here] },
    lookup: Lookup = answering('127.0.0.1'),
  ): Promise<OriginConnection> {
    const asked = { ...request, ...(destination && { destination }) };
    const dialed = aDialer({ lookup }).dial(aRule('bastion', options), asked, { signal: forever });
    return dialed;
  }

  it('reaches what the client names, by address and by name', async () => {
    const { port } = await startEcho();
    for (const host of ['127.0.0.1', 'DB.internal']) {
      const { socket, info } = await dialChosen({ host, port });
      expect(info).toEqual({ origin: `${host.toLowerCase()}:${port}` });
      await expect(talk(socket, 'hello')).resolves.toBe('hello bye');
    }
  });

  it('K6 K7 refuses a destination that no rule allows, without a look at its name if the port is not', async () => {
    const echo = await startEcho();
    const { port } = echo;
    const asked: string[] = [];
    const lookup: Lookup = (host) => {
      asked.push(host);
      return Promise.resolve([{ address: '127.0.0.1' }]);
    };
    const others = [{ range: parseIpRange('0.0.0.0/0'), ports: [port], allow: true }];
    for (const host of ['127.0.0.1', 'localhost', '2130706433', '::ffff:127.0.0.1', '0.0.0.0']) {
      await expect(dialChosen({ host, port }, { ipRules: others }, lookup)).rejects.toMatchObject({
        code: 'ORIGIN_FORBIDDEN',
      });
    }
    await expect(
      dialChosen({ host: 'web', port: port - 1 }, { ipRules: others }, lookup),
    ).rejects.toMatchObject({ code: 'ORIGIN_FORBIDDEN' });
    await expect(dialChosen({ host: 'web', port }, {}, lookup)).rejects.toMatchObject({
      code: 'ORIGIN_FORBIDDEN',
    });
    expect(asked).toEqual(['localhost']);
    expect(echo.accepted).toBe(0);
  });

  it.each([
    undefined,
    { host: 'a/b', port: 22 },
    { host: '', port: 22 },
    { host: 'fe80::1%eth0', port: 22 },
    { host: 'db', port: 0 },
  ])('K14 wants a destination that is one: %j', async (destination) => {
    await expect(dialChosen(destination)).rejects.toMatchObject({ code: 'ORIGIN_DESTINATION' });
  });

  it.each(['tcp://127.0.0.1:1', 'http://localhost:1', 'unix:/run/app.sock', 'http_status:404'])(
    'K14 takes a destination for no other service: %s',
    async (service) => {
      const asked = { ...request, destination: { host: '127.0.0.1', port: 1 } };
      const dialed = aDialer().dial(aRule(service), asked, { signal: forever });
      await expect(dialed).rejects.toMatchObject({ code: 'ORIGIN_DESTINATION' });
    },
  );
});

describe('OriginDialer, with proxyProtocol,', () => {
  const user = {
    ...request,
    client: { address: '192.0.2.7', port: 50_000 },
    requestId: 'q',
  };

  it('says first who the user is, by TCP and over a Unix socket', async () => {
    const { port } = await startEcho();
    const path = join(tempDir('origin'), 'app.sock');
    await startEcho({ path });
    const rule = { proxyProtocol: 'v1' } as const;
    for (const [service, line] of [
      [`tcp://127.0.0.1:${port}`, `PROXY TCP4 192.0.2.7 127.0.0.1 50000 ${port}\r\n`],
      [`unix:${path}`, 'PROXY TCP4 192.0.2.7 0.0.0.0 50000 0\r\n'],
    ] as const) {
      const { socket } = await aDialer().dial(aRule(service, rule), user, { signal: forever });
      await expect(talk(socket, 'hello')).resolves.toBe(`${line}hello bye`);
    }
  });

  it('says it before TLS', async () => {
    const authority = await TestAuthority.create();
    const identity = await authority.issue({ dns: ['localhost'] });
    const inside = await startTls(identity);
    const headers: Buffer[] = [];
    const front = createServer((socket) => {
      socket.once('data', (chunk: Buffer) => {
        const end = chunk.indexOf('\r\n') + 2;
        headers.push(chunk.subarray(0, end));
        const back = connect(inside, '127.0.0.1');
        back.write(chunk.subarray(end));
        back
          .on('error', () => undefined)
          .pipe(socket.on('error', () => undefined))
          .pipe(back);
      });
    });
    const port = await listen(front);
    const rule = aRule(`https://localhost:${port}`, {
      caFile: authority.writeFile(),
      proxyProtocol: 'v1',
    });
    const { socket, info } = await aDialer().dial(rule, user, { signal: forever });
    cleanup(() => socket.destroy());
    expect(info.alpn).not.toBe('h2');
    expect(String(headers[0])).toMatch(/^PROXY TCP4 192\.0\.2\.7 127\.0\.0\.1 50000 \d+\r\n$/);
  });

  it('says that it does not know where no user is', async () => {
    const { port } = await startEcho();
    const rule = aRule(`tcp://127.0.0.1:${port}`, { proxyProtocol: 'v1' });
    const { socket } = await aDialer().dial(rule, request, { signal: forever });
    await expect(talk(socket, '')).resolves.toBe('PROXY UNKNOWN\r\n bye');
  });
});
