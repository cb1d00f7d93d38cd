/** What `postern access ssh` takes for a host, an option and a command. */
import { describe, expect, it } from '@jest/globals';

import { parseSshWords } from '../../../../src/client/ssh/ssh-words.ts';

const HOST = { hostname: 'ssh.example.com' };
const OWN = new Set(['gateway', 'ca']);

function words(text: string) {
  const { own, ...read } = parseSshWords(text.split(' '), OWN);
  return own.size === 0 ? read : { ...read, own: Object.fromEntries(own) };
}

describe('parseSshWords()', () => {
  it.each([
    ['ssh.example.com', { destination: HOST, options: [], command: [] }],
    ['SSH.Example.com.', { destination: HOST, options: [], command: [] }],
    ['ann@ssh.example.com', { destination: { ...HOST, user: 'ann' }, options: [], command: [] }],
    ['ssh.example.com uptime -p', { destination: HOST, options: [], command: ['uptime', '-p'] }],
    ['ssh.example.com -- -x -- y', { destination: HOST, options: [], command: ['-x', '--', 'y'] }],
    [
      'ssh.example.com -A -tL 8080:localhost:80 -oLogLevel=DEBUG -o User=bob -vvv id -u',
      {
        destination: HOST,
        options: ['-A', '-tL', '8080:localhost:80', '-oLogLevel=DEBUG', '-o', 'User=bob', '-vvv'],
        command: ['id', '-u'],
      },
    ],
    [
      'ssh.example.com -L80:a:80 -R 0:b:1 -D 9 -N -p 22 -lann',
      {
        destination: HOST,
        options: ['-L80:a:80', '-R', '0:b:1', '-D', '9', '-N', '-p', '22', '-lann'],
        command: [],
      },
    ],
    [
      '--gateway https://gw ssh.example.com -A --ca=/a=b uptime --ca x',
      {
        destination: HOST,
        options: ['-A'],
        command: ['uptime', '--ca', 'x'],
        own: { gateway: 'https://gw', ca: '/a=b' },
      },
    ],
  ])('reads "%s"', (text, expected) => {
    expect(words(text)).toEqual(expected);
  });

  it('leaves the words of a command as they are', () => {
    const command = ["echo '$(id)'", '', '-oProxyCommand=id'];
    expect(parseSshWords(['ssh.example.com', ...command]).command).toEqual(command);
  });

  it.each([
    [],
    ['-A', 'ssh.example.com'],
    ['--', 'ssh.example.com'],
    ['ssh.example.com', '-p'],
    ['ssh.example.com', '-Z'],
    ['ssh.example.com', '--verbose'],
    ['ssh.example.com', '--gateway'],
    ['--ca=', 'ssh.example.com'],
    ['--gateway', 'ssh.example.com'],
    ['--verbose', 'ssh.example.com'],
  ])('refuses %j %j', (...given) => {
    expect(() => parseSshWords(given, OWN)).toThrow(expect.objectContaining({ code: 'CLI_USAGE' }));
  });

  it.each([
    '-oProxyCommand=id',
    '-F/tmp/evil',
    'ann@-oProxyCommand=id',
    'ssh.example.com;id',
    'ssh.example.com$(id)',
    'ssh.example.com`id`',
    'ssh.example.com|id',
    'ssh.example.com&id',
    "ssh.example.com'",
    'ssh.example.com"',
    'ssh.example.com\nid',
    'ssh.example.com\0',
    'ssh.example.com id',
    'ssh.example.com/%h',
    'ssh.example.com:22',
    'ssh://ssh.example.com',
    '*.example.com',
    '%h',
    '${HOME}',
    '',
    '@ssh.example.com',
    '-l@ssh.example.com',
    '$(id)@ssh.example.com',
    'a b@ssh.example.com',
    "a'b@ssh.example.com",
    'a\nb@ssh.example.com',
    'a@b@ssh.example.com',
  ])('L10 refuses %j as a host', (host) => {
    expect(() => parseSshWords([host, 'id'], OWN)).toThrow(
      expect.objectContaining({ code: 'CLI_USAGE' }),
    );
  });
});
