/** What a circle or a flood of access groups costs; that references lead somewhere is in test/golden/config. */
import { describe, expect, it } from '@jest/globals';
import { checkAccessReferences } from '../../../../src/config/access/access-references.ts';
import { ConfigSource } from '../../../../src/config/config-source.ts';
import { gatewaySchema } from '../../../../src/config/gateway-schema.ts';
import { parseYaml } from '../../../../src/config/yaml-file.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

function check(groups: readonly object[]): void {
  const content = JSON.stringify({ domain: 'example.com', listen: { http: ':80' }, groups });
  const source = new ConfigSource(parseYaml('gateway.yaml', content), {}, {});
  checkAccessReferences(source.parse(gatewaySchema), (path, text) =>
    source.problem('CONFIG_INVALID', path, text),
  );
}

/** Groups of which each but the last names the next one twice: 2^n ways lead to the last one. */
function ladder(length: number): object[] {
  return Array.from({ length }, (_, at) => {
    const next = { 'access-group': `g${at + 1}` };
    const include = at === length - 1 ? ['everyone'] : [next, next];
    return { name: `g${at}`, include };
  });
}

describe('access groups', () => {
  it('may be as many as the limit, and name each other in as many ways', () => {
    expect(() => check(ladder(LIMITS.accessGroups))).not.toThrow();
  });

  it('may not be more than the limit', () => {
    expect(() => check(ladder(LIMITS.accessGroups + 1))).toThrow('has more than 200 entries');
  });

  it('may not lead in a circle, however long it is', () => {
    const groups = ladder(LIMITS.accessGroups - 1);
    const closing = { name: `g${groups.length}`, include: [{ 'access-group': 'g0' }] };
    const last = { name: `g${groups.length - 1}`, include: [{ 'access-group': closing.name }] };
    expect(() => check([...groups.slice(0, -1), last, closing])).toThrow('leads back to itself');
  });
});
