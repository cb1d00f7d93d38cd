/** ClientHellos of a real client, and of those who would like to be taken for one. */
import { Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { codeOf } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { parseClientHello } from '../../../../src/gateway/tcp/client-hello.ts';

const NAME = 'app.postern.test';
const HEAD = 5;

/** What Node's client sends first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const carrier = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(chunk);
        done();
      },
    });
    connect({ ...options, socket: carrier }).on('error', () => undefined);
  });
}

/** The same message in records of these lengths, and the rest in one. */
function reframed(hello: Buffer, lengths: readonly number[]): Buffer {
  const message = hello.subarray(HEAD);
  const records: Buffer[] = [];
  let at = 0;
  for (const length of [...lengths, message.length]) {
    const piece = message.subarray(at, at + length);
    at += length;
    if (piece.length === 0) break;
    const head = Buffer.from('1603010000', 'hex');
    head.writeUInt16BE(piece.length, 3);
    records.push(head, piece);
  }
  return Buffer.concat(records);
}

function block(lengthBytes: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(lengthBytes);
  head.writeUIntBE(body.length, 0, lengthBytes);
  return Buffer.concat([head, body]);
}

function extension(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(type);
  return Buffer.concat([head, block(2, body)]);
}

function serverName(text: string, kind = 0): Buffer {
  const entry = Buffer.concat([Buffer.from([kind]), block(2, Buffer.from(text, 'latin1'))]);
  return extension(0, block(2, entry));
}

/** A record with a ClientHello that has these extensions; none where there is no list of them at all. */
function made(extensions?: readonly Buffer[]): Buffer {
  const body = Buffer.concat([
    Buffer.from('0303', 'hex'),
    Buffer.alloc(32),
    block(1),
    block(2, Buffer.from('1301', 'hex')),
    block(1, Buffer.from([0])),
    ...(extensions === undefined ? [] : [block(2, ...extensions)]),
  ]);
  return Buffer.concat([Buffer.from('160301', 'hex'), block(2, Buffer.from([1]), block(3, body))]);
}

function refused(bytes: Buffer): unknown {
  try {
    return parseClientHello(bytes);
  } catch (error) {
    expect(codeOf(error)).toBe('TCP_HELLO');
    return Reflect.get(Object(error), 'message');
  }
}

let hello: Buffer;

beforeAll(async () => {
  hello = await helloOf({ servername: NAME });
});

describe('parseClientHello()', () => {
  it('reads the name that a client asks for, at whatever length it has come', () => {
    for (let length = 0; length < hello.length; length += 1) {
      expect(parseClientHello(hello.subarray(0, length))).toBeUndefined();
    }
    const whole = { name: NAME, hasHiddenName: false };
    expect(parseClientHello(hello)).toEqual(whole);
    expect(parseClientHello(Buffer.concat([hello, Buffer.from('early data')]))).toEqual(whole);
  });

  it('reads it in several records, split anywhere', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 12 });
    const check = (split: readonly number[]): void => {
      expect(parseClientHello(reframed(hello, split))).toMatchObject({ name: NAME });
    };
    fc.assert(fc.property(lengths, check), { numRuns: 500 });
    check([1, 1, 1, 1, 1]);
  });

  it('reads a hello without a name, and without extensions', async () => {
    expect(parseClientHello(await helloOf({}))).toEqual({ name: undefined, hasHiddenName: false });
    expect(parseClientHello(made())).toEqual({ name: undefined, hasHiddenName: false });
    expect(parseClientHello(made([]))).toEqual({ name: undefined, hasHiddenName: false });
  });

  it('says whether a name may be hidden', () => {
    const ech = extension(0xfe0d, Buffer.alloc(200));
    expect(parseClientHello(made([ech, serverName('Outer.Example.COM.')]))).toEqual({
      name: 'outer.example.com',
      hasHiddenName: true,
    });
  });

  it.each([
    ['plain text', Buffer.from('GET / HTTP/1.1\r\n'), 'it does not begin with TLS'],
    ['SSLv2', Buffer.from('802e0100', 'hex'), 'it does not begin with TLS'],
    ['an alert', Buffer.from('15030100020100', 'hex'), 'it does not begin with TLS'],
    ['another version', Buffer.from('1602', 'hex'), 'its version is unknown'],
    ['an empty record', Buffer.from('1603010000', 'hex'), 'a record has a length it cannot have'],
    ['a long record', Buffer.from('1603014001', 'hex'), 'a record has a length it cannot have'],
    ['a ServerHello', Buffer.from('160301000402000000', 'hex'), 'its first message is another one'],
    ['a long message', Buffer.from('160301000401004000', 'hex'), 'it is too long'],
    ['a message that is cut short', Buffer.from('160301000401000000', 'hex'), 'it is cut short'],
    ['two names', made([serverName('a'), serverName('b')]), 'it names two servers'],
    ['a name of another kind', made([serverName('a', 1)]), 'the name in it is not one'],
    ['an empty name', made([serverName('')]), 'the name in it is not one'],
    ['a name with a zero', made([serverName('a.test\0.b')]), 'the name in it is not one'],
    ['a name with a line', made([serverName('a\r\nb')]), 'the name in it is not one'],
    ['an IPv6 address', made([serverName('::1')]), 'the name in it is not one'],
    ['a name beyond DNS', made([serverName('a'.repeat(254))]), 'the name in it is not one'],
    ['an empty list', made([extension(0, Buffer.alloc(2))]), 'it is cut short'],
    [
      'a list beyond its end',
      made([extension(0, Buffer.from('00ff00', 'hex'))]),
      'it is cut short',
    ],
  ])('refuses %s', (_, bytes, why) => {
    expect(refused(bytes)).toBe(`Cannot read the ClientHello: ${why}`);
  });

  it('waits for no more than it takes', () => {
    const pieces = Array.from({ length: 17 }, () => 1);
    expect(refused(reframed(hello, pieces))).toMatch(/too many pieces/);
    // One record that never ends, of a message that is as long as it may be.
    const head = Buffer.from('16030140000100', 'hex');
    const rest = Buffer.alloc(LIMITS.clientHelloBytes - head.length);
    rest.writeUInt16BE(LIMITS.clientHelloBytes - 4, 0);
    expect(refused(Buffer.concat([head, rest]))).toMatch(/too long/);
    expect(refused(Buffer.concat([head, rest.subarray(0, -1)]))).toBeUndefined();
  });

  it('makes a hello, nothing or a coded error of any bytes', () => {
    const mutated = fc
      .tuple(fc.nat({ max: 10_000 }), fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([at, bytes]) => {
        const copy = Buffer.from(hello);
        copy.set(bytes.slice(0, copy.length - (at % copy.length)), at % copy.length);
        return copy;
      });
    const random = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    const framed = random.map((bytes) =>
      Buffer.concat([Buffer.from('160301', 'hex'), block(2, Buffer.from([1]), block(3, bytes))]),
    );
    const check = (bytes: Buffer): void => {
      const name: unknown = Reflect.get(Object(refused(bytes)), 'name');
      if (typeof name === 'string') expect(name).toMatch(/^[a-z0-9._-]{1,253}$/);
    };
    fc.assert(fc.property(fc.oneof(mutated, random, framed), check), { numRuns: 5_000 });
  });
});
