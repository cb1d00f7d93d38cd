import { describe, expect, it } from '@jest/globals';
import { parseCertificate } from '../../../../src/cli/gateway/certificate-argument.ts';

describe('parseCertificate()', () => {
  it('reads what policies look at', () => {
    expect(
      parseCertificate('common-name=printer,name=a.test,name=b@a.test,fingerprint=AA:0b'),
    ).toEqual({
      commonName: 'printer',
      fingerprint: 'aa0b',
      names: ['a.test', 'b@a.test'],
    });
  });

  it.each(['', 'printer', 'cn=printer', 'name=', 'name=a,,name=b'])('refuses %j', (text) => {
    expect(() => parseCertificate(text)).toThrow('is not known');
  });
});
