import { describe, expect, it } from '@jest/globals';
import { parseCurlWords } from '../../../../src/cli/access/curl-words.ts';

const URL = 'https://wiki.postern.test/';

function parse(line: string) {
  const { url, own, args } = parseCurlWords(line.split(' '));
  return [url, Object.fromEntries(own), args.join(' ')];
}

describe('parseCurlWords()', () => {
  it.each([
    [URL, [URL, {}, '']],
    [`${URL} -s -X POST -d a=b`, [URL, {}, '-s -X POST -d a=b']],
    [`${URL} -- -s --ca x`, [URL, {}, '-s --ca x']],
    [
      `--gateway https://gw --ca=ca.pem ${URL} -s`,
      [URL, { gateway: 'https://gw', ca: 'ca.pem' }, '-s'],
    ],
    [`${URL} -s --purpose fix -v -- -i`, [URL, { purpose: 'fix' }, '-s -v -i']],
    [`${URL} --cacert x`, [URL, {}, '--cacert x']],
    [`${URL} -- a -- b`, [URL, {}, 'a -- b']],
  ])('reads %j', (line, wanted) => {
    expect(parse(line)).toEqual(wanted);
  });

  it.each(['', '-- -s', `-s ${URL}`, `${URL} --gateway`, `${URL} --ca=`, '--purpose x'])(
    'refuses %j',
    (line) => {
      expect(() => parseCurlWords(line === '' ? [] : line.split(' '))).toThrow(
        expect.objectContaining({ code: 'CLI_USAGE' }),
      );
    },
  );
});
