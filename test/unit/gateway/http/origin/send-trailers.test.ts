/** What is written where undici ends a body, whatever the fields hold. */
import { PassThrough } from 'node:stream';
import { expect, it } from '@jest/globals';
import { sendTrailers } from '../../../../../src/gateway/http/origin/send-trailers.ts';

/** What comes out of a stream whose client writes these parts when it hears of the end. */
function written(fields: readonly string[], isBodyEmpty: boolean, ...parts: string[]): string {
  const stream = new PassThrough();
  sendTrailers(stream, { fields, isBodyEmpty }, () => {
    for (const part of parts) stream.write(part, 'latin1');
  });
  expect(Object.hasOwn(stream, 'write')).toBe(false);
  stream.write('|next');
  return String(stream.read());
}

it('puts trailers behind the last chunk', () => {
  expect(written(['A', '1', 'b', ''], false, '\r\n0\r\n\r\n')).toBe(
    '\r\n0\r\nA: 1\r\nb: \r\n\r\n|next',
  );
});

it('adds nothing where no last chunk comes', () => {
  expect(written(['A', '1'], false, 'other', '\r\n0\r\n\r\n')).toBe('other\r\n0\r\n\r\n|next');
  expect(written(['A', '1'], false)).toBe('|next');
});

it('takes the head of a body without a byte away', () => {
  const head = 'POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n';
  expect(written(['A', '1'], true, head)).toBe('0\r\nA: 1\r\n\r\n|next');
});

it.each([
  ['a\r\nb', '1'],
  ['a b', '1'],
  ['', '1'],
  ['a', '1\r\nb: 2'],
  ['a', '1\u010d\u010ab: 2'],
  ['a', '\u0000'],
])('P8 leaves %j: %j out', (name, value) => {
  expect(written([name, value, 'ok', '1'], false, '\r\n0\r\n\r\n')).toBe(
    '\r\n0\r\nok: 1\r\n\r\n|next',
  );
});

it('gives the stream back when its client fails', () => {
  const stream = new PassThrough();
  const fail = (): never => {
    throw new Error('no');
  };
  expect(() => sendTrailers(stream, { fields: ['A', '1'], isBodyEmpty: false }, fail)).toThrow(
    'no',
  );
  expect(Object.hasOwn(stream, 'write')).toBe(false);
});
