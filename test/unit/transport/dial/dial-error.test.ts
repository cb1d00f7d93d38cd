import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../../src/core/error.ts';
import {
  awaitedAt,
  dialError,
  quoteForeign,
  type DialStage,
} from '../../../../src/transport/dial/dial-error.ts';

const PARTIES = { gateway: 'gw.test:8443' };

const failure = (code: string, more: object = {}): Error =>
  Object.assign(new Error(`what Node says about ${code}`), { code, ...more });

describe('dialError()', () => {
  it.each<[DialStage, string, string, string]>([
    ['connect', 'ECONNREFUSED', 'LINK_REFUSED', 'connection refused'],
    ['connect', 'ENETUNREACH', 'LINK_REFUSED', 'no connection (ENETUNREACH)'],
    ['connect', 'ETIMEDOUT', 'LINK_TIMEOUT', 'no answer'],
    ['proxy-connect', 'ECONNREFUSED', 'LINK_REFUSED', 'the proxy: connection refused'],
    ['proxy-tls', 'CERT_HAS_EXPIRED', 'LINK_PROXY', 'the proxy: its certificate has expired'],
    ['proxy-answer', 'HPE_INVALID_CONSTANT', 'LINK_PROXY', 'HPE_INVALID_CONSTANT'],
    ['tls', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'LINK_TLS', '"ca:"'],
    ['tls', 'SELF_SIGNED_CERT_IN_CHAIN', 'LINK_TLS', '"ca:"'],
    ['tls', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'LINK_TLS', '"ca:"'],
    ['tls', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'LINK_TLS', '"ca:"'],
    ['tls', 'CERT_NOT_YET_VALID', 'LINK_TLS', 'check the clock'],
    ['tls', 'ECONNRESET', 'LINK_TLS', 'closed during the TLS handshake'],
    ['tls', 'ERR_SSL_SOMETHING_NEW', 'LINK_TLS', 'ERR_SSL_SOMETHING_NEW'],
    ['upgrade', 'ECONNRESET', 'LINK_HANDSHAKE', 'ECONNRESET'],
  ])('at %s, %s is %s', (stage, code, expected, text) => {
    const cause = failure(code);
    const error = dialError(stage, PARTIES, cause);
    expect(error).toMatchObject({ code: expected, cause });
    expect(error.message).toMatch(/^Cannot dial gateway "gw\.test:8443": /);
    expect(error.message).toContain(text);
  });

  it('names the proxy that was dialled through', () => {
    const parties = { gateway: 'gw.test:8443', proxy: 'proxy.test:3128' };
    expect(dialError('tls', parties, failure('CERT_HAS_EXPIRED')).message).toMatch(
      /^Cannot dial gateway "gw\.test:8443" through the proxy "proxy\.test:3128": its certificate/,
    );
  });

  it('names the addresses that were tried', () => {
    const errors = ['::1', '127.0.0.1'].map((address) => failure('ECONNREFUSED', { address }));
    const cause = failure('ECONNREFUSED', { errors });
    expect(dialError('connect', PARTIES, cause).message).toMatch(/refused \(::1, 127\.0\.0\.1\)$/);
  });

  it('passes errors of ours on as they are', () => {
    const ours = new PosternError('LINK_PROXY', 'It refused');
    expect(dialError('tls', PARTIES, ours)).toBe(ours);
  });

  it('copes with anything that can be thrown', () => {
    for (const cause of [undefined, null, 'text', 7, {}]) {
      for (const stage of ['connect', 'tls', 'upgrade', 'proxy-answer'] as const) {
        expect(dialError(stage, PARTIES, cause).code).toMatch(/^LINK_/);
      }
    }
  });

  it('quotes the names of a foreign certificate safely', () => {
    const cert = { subjectaltname: `DNS:a\u001b[31m\nb${'x'.repeat(5_000)}` };
    const { message } = dialError(
      'tls',
      PARTIES,
      failure('ERR_TLS_CERT_ALTNAME_INVALID', { cert }),
    );
    // oxlint-disable-next-line no-control-regex -- that is what must not be there.
    expect(message).not.toMatch(/[\u0000-\u001f]/);
    expect(message).toContain('and not for "gw.test"');
    expect(message.length).toBeLessThan(500);
  });
});

describe('quoteForeign()', () => {
  it('keeps a text on one line, in quotes, and short', () => {
    expect(quoteForeign(' a\r\n\tb "c" ')).toBe(String.raw`"a b \"c\""`);
    expect(quoteForeign('x'.repeat(1_000)).length).toBe(203);
  });
});

describe('awaitedAt()', () => {
  it('has another sentence for each stage', () => {
    const stages = [
      'connect',
      'proxy-connect',
      'proxy-tls',
      'proxy-answer',
      'tls',
      'upgrade',
    ] as const;
    expect(new Set(stages.map(awaitedAt)).size).toBe(stages.length);
  });
});
