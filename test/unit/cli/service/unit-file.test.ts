import { describe, expect, it } from '@jest/globals';
import { unitFile, unitPath, withSettings } from '../../../../src/cli/service/unit-file.ts';

describe('withSettings()', () => {
  const text = '[A]\nOne=1\n# Two=no\nTwo=2\nTwo=3\n[B]\nThree=3\n';

  it('puts settings in the place of those that are there', () => {
    expect(withSettings(text, { One: 'x', Two: ['a', 'b', 'c'] })).toBe(
      '[A]\nOne=x\n# Two=no\nTwo=a\nTwo=b\nTwo=c\n[B]\nThree=3\n',
    );
  });

  it('removes a setting that has no value', () => {
    expect(withSettings(text, { Two: [] })).toBe('[A]\nOne=1\n# Two=no\n[B]\nThree=3\n');
  });

  it('takes a setting that nobody wrote for a bug', () => {
    expect(() => withSettings(text, { Four: '4' })).toThrow('no Four');
  });
});

describe('unitFile()', () => {
  it('says who wrote it', async () => {
    const text = await unitFile('postern-gateway.socket', { ListenStream: ['1', '2'] });
    expect(text).toMatch(/^# Written by "postern service install"/);
    expect(text).toContain('\nListenStream=1\nListenStream=2\nBacklog=');
  });
});

describe('unitPath()', () => {
  it.each(['/etc/postern/gateway.yaml', '/opt/a-b_c.d/@e+f,g=h~'])('takes %s', (path) => {
    expect(unitPath(path)).toBe(path);
  });

  it.each([
    '/a b',
    '/a%i',
    '/a$HOME',
    '/a"b',
    "/a'b",
    '/a\\b',
    '/a\nUser=root',
    'a/b',
    '/a;b',
    '/ä',
  ])('refuses %j', (path) => {
    expect(() => unitPath(path)).toThrow(expect.objectContaining({ code: 'CLI_USAGE' }));
  });
});
