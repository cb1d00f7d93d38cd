import { describe, expect, it } from '@jest/globals';
import { launchdPlan } from '../../../../src/cli/service/launchd-service.ts';
import { withProperties } from '../../../../src/cli/service/property-list.ts';

describe('withProperties()', () => {
  it('replaces strings, numbers and lists, and writes text as XML', () => {
    const text =
      '<key>A</key>\n<string>a</string>\n<key>B</key> <integer>1</integer><key>C</key>\n<array>\n<string>x</string>\n</array>';
    expect(withProperties(text, { A: 'a<&$&', B: 2, C: ['y', 'z'] })).toBe(
      '<key>A</key>\n<string>a&lt;&amp;$&amp;</string>\n<key>B</key> <integer>2</integer><key>C</key>\n<array>\n    <string>y</string>\n    <string>z</string>\n  </array>',
    );
  });

  it('takes a key that nobody wrote for a bug', () => {
    expect(() => withProperties('<key>A</key><string/>', { B: 'b' })).toThrow('no B');
  });
});

describe('launchdPlan()', () => {
  it('runs the words, kept alive, with time for the grace period', async () => {
    const words = ['tunnel', 'run', '--config', '/etc/postern/web.yml'];
    const plan = await launchdPlan({ kind: 'connector', name: 'web', words, graceMs: 90_000 });
    expect(plan.files.map(({ path }) => path)).toEqual([
      '/Library/LaunchDaemons/org.postern.connector.web.plist',
    ]);
    const text = plan.files[0]?.content ?? '';
    expect(text).toMatch(/^<\?xml [^\n]*\n<!-- Written by "postern service install"/);
    expect(text).toContain('<string>org.postern.connector.web</string>');
    expect(text).toContain(`<string>${process.execPath}</string>`);
    for (const word of words) expect(text).toContain(`    <string>${word}</string>\n`);
    expect(text).toMatch(/<key>ExitTimeOut<\/key>\s*<integer>120<\/integer>/);
    expect(text).toMatch(/<key>KeepAlive<\/key>\s*<true\/>/);
  });
});
