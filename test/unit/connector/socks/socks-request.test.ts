import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  encodeReply,
  parseGreeting,
  parseRequest,
  replyFor,
  type Parsed,
} from '../../../../src/connector/socks/socks-request.ts';
import { codeOf } from '../../../../src/core/error.ts';

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

/** Reads a message as it would arrive, never more than was asked for; the bytes that it took come too. */
function read<Message>(
  parse: (given: Uint8Array) => Parsed<Message>,
  sent: Uint8Array,
): { message: Message | 'not whole'; taken: number } {
  let taken = 0;
  for (;;) {
    const parsed = parse(sent.subarray(0, taken));
    if ('message' in parsed) return { message: parsed.message, taken };
    expect(parsed.needs).toBeGreaterThan(taken);
    expect(parsed.needs).toBeLessThanOrEqual(262);
    if (parsed.needs > sent.length) return { message: 'not whole', taken };
    taken = parsed.needs;
  }
}

describe('parseGreeting()', () => {
  it.each([
    // version 5, one method: none
    ['05 01 00', true, 3],
    // GSSAPI, name and password, none; then what belongs to the request
    ['05 03 01 02 00 05 01', true, 5],
    // only name and password
    ['05 01 02', false, 3],
    // no method at all
    ['05 00', false, 2],
  ])('%s', (hex, offersNone, taken) => {
    expect(read(parseGreeting, bytes(hex))).toEqual({ message: { offersNone }, taken });
  });

  it('waits for what is missing', () => {
    expect(read(parseGreeting, bytes('05 03 00')).message).toBe('not whole');
    expect(read(parseGreeting, bytes('')).message).toBe('not whole');
  });

  it.each(['04 01 00 50 7f 00 00 01 00', '47 45 54 20', '16 03 01', '00 00'])(
    'refuses what is not SOCKS5: %s',
    (hex) => {
      expect(() => parseGreeting(bytes(hex))).toThrow(
        expect.objectContaining({ code: 'ORIGIN_SOCKS' }),
      );
    },
  );
});

describe('parseRequest()', () => {
  it.each([
    // CONNECT 10.0.0.5:5432
    ['05 01 00 01 0a 00 00 05 15 38', { host: '10.0.0.5', port: 5432 }, 10],
    // CONNECT "db":22
    ['05 01 00 03 02 64 62 00 16', { host: 'db', port: 22 }, 9],
    // CONNECT "DB":22, and data behind it
    ['05 01 00 03 02 44 42 00 16 ff ff', { host: 'db', port: 22 }, 9],
    // CONNECT [2001:db8::1]:443
    [
      '05 01 00 04 2001 0db8 0000 0000 0000 0000 0000 0001 01bb',
      { host: '2001:db8:0:0:0:0:0:1', port: 443 },
      22,
    ],
    // BIND, UDP ASSOCIATE
    ['05 02 00 01 0a 00 00 05 15 38', { refused: 'badCommand' }, 10],
    ['05 03 00 01 00 00 00 00 00 00', { refused: 'badCommand' }, 10],
    // a type of address that there is not
    ['05 01 00 02 00 00', { refused: 'badAddressType' }, 5],
    // port 0, an empty name, a name that is none
    ['05 01 00 01 0a 00 00 05 00 00', { refused: 'failed' }, 10],
    ['05 01 00 03 00 00 16', { refused: 'failed' }, 7],
    ['05 01 00 03 03 61 0a 62 00 16', { refused: 'failed' }, 10],
    ['05 01 00 03 03 61 00 62 00 16', { refused: 'failed' }, 10],
  ])('%s', (hex, message, taken) => {
    expect(read(parseRequest, bytes(hex))).toEqual({ message, taken });
  });

  it('is not whole before its last byte', () => {
    const whole = bytes('05 01 00 04 2001 0db8 0000 0000 0000 0000 0000 0001 01bb');
    for (let length = 0; length < whole.length; length += 1) {
      expect(read(parseRequest, whole.subarray(0, length)).message).toBe('not whole');
    }
  });

  it('refuses another version', () => {
    expect(() => parseRequest(bytes('04 01'))).toThrow(
      expect.objectContaining({ code: 'ORIGIN_SOCKS' }),
    );
  });

  it('M13 finds a message, what it needs, or ORIGIN_SOCKS in any bytes', () => {
    const anything = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(anything, fc.boolean(), (tail, isSocks) => {
        const sent = isSocks ? Uint8Array.of(5, 1, 0, ...tail) : tail;
        for (const parse of [parseGreeting, parseRequest]) {
          try {
            read<unknown>(parse, sent);
          } catch (error) {
            if (codeOf(error) !== 'ORIGIN_SOCKS') throw error;
          }
        }
      }),
    );
  });
});

describe('a reply', () => {
  it('names no address of ours', () => {
    // version 5, succeeded, reserved, IPv4 0.0.0.0, port 0
    expect(Buffer.from(encodeReply('succeeded')).toString('hex')).toBe('05000001000000000000');
    expect(Buffer.from(encodeReply('notAllowed')).toString('hex')).toBe('05020001000000000000');
  });

  it.each([
    ['ORIGIN_FORBIDDEN', 'notAllowed'],
    ['ORIGIN_REFUSED', 'refused'],
    ['ORIGIN_DNS', 'hostUnreachable'],
    ['ORIGIN_TIMEOUT', 'hostUnreachable'],
    ['ORIGIN_UNREACHABLE', 'hostUnreachable'],
    ['ORIGIN_TLS', 'failed'],
    [undefined, 'failed'],
  ])('tells %s as %s', (code, reply) => {
    expect(replyFor(code)).toBe(reply);
  });
});
