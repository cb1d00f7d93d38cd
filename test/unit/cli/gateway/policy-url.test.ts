import { describe, expect, it } from '@jest/globals';
import { parsePolicyUrl } from '../../../../src/cli/gateway/policy-url.ts';

describe('parsePolicyUrl()', () => {
  it.each([
    ['https://wiki.example.com/page', 'wiki.example.com', '/page'],
    ['https://wiki.example.com', 'wiki.example.com', '/'],
    ['http://Wiki.Example.com:8443/a?b#c', 'wiki.example.com', '/a'],
    ['wss://wiki.example.com/live', 'wiki.example.com', '/live'],
    ['wiki.example.com', 'wiki.example.com', '/'],
    ['wiki.example.com/a', 'wiki.example.com', '/a'],
    ['https://wiki.example.com?x=/admin', 'wiki.example.com', '/'],
    ['https://wiki.example.com/a/../admin', 'wiki.example.com', '/a/../admin'],
    ['https://wiki.example.com//%61dmin', 'wiki.example.com', '//%61dmin'],
    ['https://wiki.example.com/a\\b', 'wiki.example.com', '/a\\b'],
    ['https://bücher.example.com/', 'xn--bcher-kva.example.com', '/'],
    ['ssh://ssh.example.com', 'ssh.example.com', ''],
    ['tcp://mq.example.com:5672', 'mq.example.com', ''],
  ])('%s is %s and %j', (text, hostname, path) => {
    expect(parsePolicyUrl(text)).toEqual({ hostname, path });
  });

  it.each([
    '',
    '/',
    'https://',
    'https:///x',
    '?x',
    'https://a b/',
    'https://ann@wiki.example.com/',
  ])('refuses %j', (text) => {
    expect(() => parsePolicyUrl(text)).toThrow('it has no hostname');
  });
});
