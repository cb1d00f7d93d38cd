import { describe, expect, it } from '@jest/globals';
import { parseService } from '../../../../src/config/connector/origin-service.ts';

describe('parseService()', () => {
  it.each([
    [
      'http://localhost',
      { kind: 'http', tls: false, host: 'localhost', port: 80, url: 'http://localhost:80' },
    ],
    [
      'HTTP://App.Internal:8080/',
      {
        kind: 'http',
        tls: false,
        host: 'app.internal',
        port: 8080,
        url: 'http://app.internal:8080',
      },
    ],
    [
      'https://10.0.0.1',
      { kind: 'http', tls: true, host: '10.0.0.1', port: 443, url: 'https://10.0.0.1:443' },
    ],
    ['ws://a:1', { kind: 'http', tls: false, host: 'a', port: 1, url: 'http://a:1' }],
    ['wss://a', { kind: 'http', tls: true, host: 'a', port: 443, url: 'https://a:443' }],
    [
      'http://[::1]:3000',
      { kind: 'http', tls: false, host: '::1', port: 3000, url: 'http://[::1]:3000' },
    ],
    ['unix:/run/app.sock', { kind: 'unix', tls: false, path: '/run/app.sock' }],
    ['unix:///run/app.sock', { kind: 'unix', tls: false, path: '/run/app.sock' }],
    ['unix+tls:/run/app.sock', { kind: 'unix', tls: true, path: '/run/app.sock' }],
    ['tcp://db', { kind: 'tcp', host: 'db', port: 7864, scheme: 'tcp' }],
    ['ssh://my_host', { kind: 'tcp', host: 'my_host', port: 22, scheme: 'ssh' }],
    ['rdp://a', { kind: 'tcp', host: 'a', port: 3389, scheme: 'rdp' }],
    ['smb://a:1445', { kind: 'tcp', host: 'a', port: 1445, scheme: 'smb' }],
    ['amqp://[fe80::1]:5672', { kind: 'tcp', host: 'fe80::1', port: 5672, scheme: 'amqp' }],
    ['ssh://[fe80::1%eth0]', { kind: 'tcp', host: 'fe80::1%eth0', port: 22, scheme: 'ssh' }],
    ['constructor://a:1', { kind: 'tcp', host: 'a', port: 1, scheme: 'constructor' }],
    ['http_status:418', { kind: 'http-status', status: 418 }],
    ['hello_world', { kind: 'hello-world' }],
    ['hello-world', { kind: 'hello-world' }],
    ['bastion', { kind: 'bastion' }],
    ['socks-proxy', { kind: 'socks-proxy' }],
  ])('reads %j', (text, service) => {
    expect(parseService(text)).toEqual(service);
  });

  it.each([
    '',
    'a',
    'a:1',
    '//a',
    'http:/a',
    'http://',
    'http://:80',
    'http://a:',
    'http://a:0',
    'http://a:65536',
    'http://a:8o',
    'http://a b',
    'http://a/b',
    'http://a?b',
    'http://a#b',
    'http://[::1',
    'http://::1',
    'http://[fe80::1%eth0]',
    'amqp://a',
    'constructor://a',
    'udp://a:1',
    'unix:',
    'unix:a',
    `unix:/${'a'.repeat(107)}`,
    'http_status:',
    'http_status:42',
    'http_status:100',
    'http_status:1000',
    'bastions',
    'socks',
    'http://a\nb',
  ])('refuses %j and quotes it', (text) => {
    expect(() => parseService(text)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(`"${text}"`),
      }),
    );
  });

  it('does not print the password of an address that it refuses', () => {
    expect(() => parseService('http://me:hunter2@app')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});
