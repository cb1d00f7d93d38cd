/** The text rules of the log: what is a secret by its form, what is a control character. */
import { describe, expect, it } from '@jest/globals';
import {
  MAX_TEXT_LENGTH,
  cleanText,
  escapeControls,
  escapeJsonControls,
} from '../../../src/telemetry/log-text.ts';
import { cpuMs } from '../../support/cpu-time.ts';

const CANARY = 'cAnArY0123456789cAnArY0123456789';

describe('cleanText()', () => {
  it.each([
    `pst_${CANARY}`,
    `pcl_${CANARY}`,
    `cookie pse_${CANARY}`,
    `refused token "pst_${CANARY}"`,
    `Authorization: Bearer ${CANARY}`,
    `authorization: bearer ${CANARY}`,
    `Basic ${Buffer.from(`user:${CANARY}`).toString('base64')}`,
    `Proxy-Authorization: Basic ${CANARY}==`,
    `http://user:${CANARY}@proxy.example:3128/`,
    `https://:${CANARY}@proxy.example/`,
    `GET /callback?code=${CANARY}&state=${CANARY}`,
    `/x?access_token=${CANARY}`,
    `/x?a=1&client_secret=${CANARY}#top`,
    `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.${CANARY}`,
    `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----\n`,
    `-----BEGIN RSA PRIVATE KEY-----\n${CANARY}`,
  ])('A8 finds the secret in %j', (text) => {
    const cleaned = cleanText(text);
    expect(cleaned).not.toContain(CANARY);
    expect(cleaned).not.toContain(Buffer.from(`user:${CANARY}`).toString('base64'));
    expect(cleaned).toContain('[redacted]');
  });

  it.each([
    'listening on https://[::1]:8443/',
    'Cannot reach "http://127.0.0.1:3000": Basic authentication failed',
    'mail a@b.example about //host:80/path',
    '/wiki?page=2&codec=av1',
    'pst_short',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  ])('leaves %j alone', (text) => {
    expect(cleanText(text)).toBe(text);
  });

  it('cuts text at the limit and says how long it was', () => {
    expect(cleanText('a'.repeat(MAX_TEXT_LENGTH))).toHaveLength(MAX_TEXT_LENGTH);
    const cut = cleanText('a'.repeat(MAX_TEXT_LENGTH + 1));
    expect(cut).toBe(`${'a'.repeat(MAX_TEXT_LENGTH)}… (${MAX_TEXT_LENGTH + 1} characters)`);
  });

  it('does not show the first half of a secret that the cut would split', () => {
    const text = `${'a'.repeat(MAX_TEXT_LENGTH - 20)} http://user:${CANARY}@proxy/`;
    expect(cleanText(text)).not.toContain(CANARY.slice(0, 4));
  });

  it.each(['//a:', 'Basic ', 'Bearer ', '-----BEGIN PRIVATE KEY-----', '?token=', 'eyJaaaaaaaa.'])(
    'takes linear time for a megabyte of %j',
    (part) => {
      const start = process.cpuUsage();
      cleanText(part.repeat(2 ** 20 / part.length));
      expect(cpuMs(start)).toBeLessThan(3_000);
    },
  );
});

describe('escapeControls()', () => {
  it('writes out what would move the cursor, end the line or turn the text around', () => {
    expect(escapeControls('a\r\n\tb')).toBe('a\\r\\n\\tb');
    expect(escapeControls('\u0000\u0007\u001b[31m\u007f')).toBe('\\u0000\\u0007\\u001b[31m\\u007f');
    expect(escapeControls('\u0085\u009b2J\u2028\u2029')).toBe('\\u0085\\u009b2J\\u2028\\u2029');
    expect(escapeControls('\u202eexe.txt\u2066')).toBe('\\u202eexe.txt\\u2066');
  });

  it('leaves every other character alone', () => {
    expect(escapeControls('Grüße, 世界 👋 ~')).toBe('Grüße, 世界 👋 ~');
  });
});

describe('escapeJsonControls()', () => {
  it('keeps the value of the JSON and leaves no control character in its bytes', () => {
    const value = { a: '\u007f\u009b\u2028\u202e\u001b\n' };
    const line = escapeJsonControls(JSON.stringify(value));
    expect(JSON.parse(line)).toEqual(value);
    // oxlint-disable-next-line no-control-regex -- these must not be there
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
  });
});
