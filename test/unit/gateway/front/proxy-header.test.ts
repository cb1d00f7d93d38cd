/** The PROXY protocol as load balancers write it, and everything that only looks like it. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { codeOf } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { parseProxyHeader } from '../../../../src/gateway/front/proxy-header.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

function line(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Version, command and family as hex digits, then what the length counts. */
function binary(head: string, body = ''): Buffer {
  const rest = Buffer.from(body, 'hex');
  const fixed = Buffer.from(`${SIGNATURE}${head}0000`, 'hex');
  fixed.writeUInt16BE(rest.length, 14);
  return Buffer.concat([fixed, rest]);
}

const WHOLE: readonly (readonly [string, Buffer, unknown])[] = [
  [
    'a line with IPv4',
    line('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n'),
    { address: '192.0.2.1', port: 56_324 },
  ],
  [
    'a line with IPv6',
    line('PROXY TCP6 2001:DB8::1 ::1 0 65535\r\n'),
    { address: '2001:db8::1', port: 0 },
  ],
  ['the longest line there can be', line(`PROXY UNKNOWN ${'f'.repeat(107 - 16)}\r\n`), undefined],
  ['a line that knows nothing', line('PROXY UNKNOWN\r\n'), undefined],
  [
    // c0000201 c6336401 dc04 01bb
    'bytes with IPv4',
    binary('2111', 'c0000201c6336401dc0401bb'),
    { address: '192.0.2.1', port: 56_324 },
  ],
  [
    'bytes with IPv6, and extensions: ALPN "h2", and one that is empty',
    binary(
      '2121',
      '20010db8000000000000000000000001000000000000000000000000000000010001ffff010002683204' +
        '0000',
    ),
    { address: '2001:db8::1', port: 1 },
  ],
  [
    'IPv4 that is written as IPv6',
    binary('2121', '00000000000000000000ffffc0000201000000000000000000000000000000010001ffff'),
    { address: '192.0.2.1', port: 1 },
  ],
  ['a proxy that asks for itself', binary('2011', 'c0000201c6336401dc0401bb'), undefined],
  ['a proxy that asks for itself, and says no more', binary('2000'), undefined],
  ['bytes that know nothing', binary('2100', 'ff'), undefined],
  ['a Unix socket', binary('2131', '00'.repeat(216)), undefined],
];

const BROKEN: readonly (readonly [string, Buffer])[] = [
  ['TLS', Buffer.from('16030100f8', 'hex')],
  ['HTTP', line('GET / HTTP/1.1\r\n')],
  ['the word in lower case', line('proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n')],
  ['another family', line('PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n')],
  ['the other family', line('PROXY TCP4 ::1 ::1 1 2\r\n')],
  ['a name', line('PROXY TCP4 localhost 198.51.100.1 1 2\r\n')],
  ['a zone', line('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n')],
  ['an address with zeros in front', line('PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n')],
  ['a port that is none', line('PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n')],
  ['a port with a sign', line('PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n')],
  ['a port with a zero in front', line('PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n')],
  ['a word too few', line('PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n')],
  ['a word too many', line('PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n')],
  ['two spaces', line('PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n')],
  ['an end without CR', line('PROXY TCP4 192.0.2.1 198.51.100.1 1 2\nGET / HTTP/1.1\r\n')],
  ['a line without an end', line(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
  ['version 1 in bytes', binary('1111', 'c0000201c6336401dc0401bb')],
  ['an unknown command', binary('2211', 'c0000201c6336401dc0401bb')],
  ['UDP', binary('2112', 'c0000201c6336401dc0401bb')],
  ['an unknown family', binary('2141', 'c0000201c6336401dc0401bb')],
  ['addresses that are cut short', binary('2111', 'c0000201c6336401dc0401')],
  ['IPv6 in the room of IPv4', binary('2121', 'c0000201c6336401dc0401bb')],
  ['an extension without a length', binary('2111', 'c0000201c6336401dc0401bb0100')],
  ['an extension beyond the end', binary('2111', 'c0000201c6336401dc0401bb01000268')],
  ['more than we take', Buffer.from(`${SIGNATURE}2111ffff`, 'hex')],
];

describe('parseProxyHeader()', () => {
  it.each(WHOLE)('reads %s, and only that, at whatever length it has come', (_, bytes, client) => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(parseProxyHeader(bytes.subarray(0, length))).toBeUndefined();
    }
    for (const behind of ['', '\r\n', 'PROXY UNKNOWN\r\n']) {
      const all = Buffer.concat([bytes, line(behind)]);
      expect(parseProxyHeader(all)).toEqual({ length: bytes.length, client });
    }
  });

  it.each(BROKEN)('refuses %s', (_, bytes) => {
    expect(() => parseProxyHeader(bytes)).toThrow(expect.objectContaining({ code: 'TCP_PROXY' }));
  });

  it('takes as much as the limit, and says so beyond', () => {
    const room = LIMITS.proxyHeaderBytes - 16 - 12;
    const body = (bytes: number): string => {
      const length = (bytes - 3).toString(16).padStart(4, '0');
      return `c0000201c6336401dc0401bb04${length}${'00'.repeat(bytes - 3)}`;
    };
    expect(parseProxyHeader(binary('2111', body(room)))).toMatchObject({
      length: LIMITS.proxyHeaderBytes,
    });
    expect(() => parseProxyHeader(binary('2111', body(room + 1)))).toThrow(/4097 bytes/);
  });

  it('makes a header, nothing or a coded error of any bytes, and never waits for more than the limit', () => {
    const starts = ['', 'PROXY ', 'PROXY TCP4 ', 'PROXY TCP6 ::1 '].map(line);
    const heads = ['20', '21', '2111', '2121', '2131', '21110100'].map((head) =>
      Buffer.from(`${SIGNATURE}${head}`, 'hex'),
    );
    const input = fc
      .tuple(fc.constantFrom(...starts, ...heads), fc.uint8Array({ maxLength: 300 }))
      .map(([start, rest]) => Buffer.concat([start, rest]));
    const check = (bytes: Buffer): void => {
      try {
        const header = parseProxyHeader(bytes);
        if (header === undefined) expect(bytes.length).toBeLessThan(LIMITS.proxyHeaderBytes);
        else expect(header.length).toBeLessThanOrEqual(bytes.length);
      } catch (error) {
        expect(codeOf(error)).toBe('TCP_PROXY');
      }
    };
    fc.assert(fc.property(input, check), { numRuns: 5_000 });
  });

  it('reads back every address that can be written', () => {
    const address = fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((text) => text.toLowerCase()),
    );
    const port = fc.integer({ min: 0, max: 65_535 });
    const check = (from: string, at: number): void => {
      const isV6 = from.includes(':');
      const to = isV6 ? '::1' : '127.0.0.1';
      const text = `PROXY ${isV6 ? 'TCP6' : 'TCP4'} ${from} ${to} ${at} 443\r\n`;
      const client = parseProxyHeader(line(text))?.client;
      expect(client?.port).toBe(at);
      expect(new URL(`http://[${isV6 ? from : `::ffff:${from}`}]`).hostname).toBe(
        new URL(
          `http://[${client?.address.includes(':') ? client.address : `::ffff:${client?.address}`}]`,
        ).hostname,
      );
    };
    fc.assert(fc.property(address, port, check), { numRuns: 2_000 });
  });
});
