import { describe, expect, it } from '@jest/globals';
import { parseWebOrigin } from '../../../src/config/web-origin.ts';

describe('parseWebOrigin()', () => {
  it.each([
    ['https://app.example.com', 'https://app.example.com'],
    ['https://App.Example.com:443', 'https://app.example.com'],
    ['http://localhost:3000', 'http://localhost:3000'],
    ['https://[::1]:8443', 'https://[::1]:8443'],
  ])('reads %s', (text, origin) => expect(parseWebOrigin(text)).toBe(origin));

  it.each([
    'app.example.com',
    'https://app.example.com/',
    'https://app.example.com/path',
    'https://app.example.com?q',
    'https://user@app.example.com',
    'ftp://app.example.com',
    'null',
    '*',
    'https://*.example.com',
    '',
  ])('refuses %j', (text) => {
    expect(() => parseWebOrigin(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
