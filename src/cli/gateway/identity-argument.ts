/**
 * Somebody whom a command line describes: `none`, `@file.json`, or `email=ann@example.com,group=staff,claim.team=it`.
 *
 * For questions about policies only: nothing that was written here is ever let in anywhere.
 */
import { toIdentity } from '../../access/policy/run-tests.ts';
import type { Identity } from '../../access/identity.ts';
import { ConfigSource } from '../../config/config-source.ts';
import { nearestKey } from '../../config/nearest-key.ts';
import { testIdentitySchema } from '../../config/access/policy-test.ts';
import { readYamlFile } from '../../config/yaml-file.ts';
import { PosternError } from '../../core/error.ts';

const KEYS = ['email', 'group', 'provider', 'method', 'claim.NAME'];

/** The person; undefined for `none`. Throws CLI_USAGE, and CONFIG_* for what is wrong with the file. */
export async function parseIdentity(text: string): Promise<Identity | undefined> {
  if (text === 'none' || text === '') return undefined;
  if (text.startsWith('@')) {
    const source = new ConfigSource(await readYamlFile(text.slice(1)), {}, {});
    return toIdentity(source.parse(testIdentitySchema));
  }
  const written = {
    groups: [] as string[],
    methods: [] as string[],
    claims: {} as Record<string, unknown>,
  };
  const single: { email?: string; provider?: string } = {};
  for (const part of text.split(',')) {
    const [, key = '', value = ''] = /^([^=]*)=(.+)$/s.exec(part) ?? [];
    const claim = /^claim\.(.+)$/.exec(key)?.[1];
    if (key === 'email' || key === 'provider') single[key] = value;
    else if (key === 'group') written.groups.push(value);
    else if (key === 'method') written.methods.push(value);
    else if (claim !== undefined) addClaim(written.claims, claim, value);
    else throw notUnderstood(part, key);
  }
  return toIdentity({ ...written, ...single });
}

/** A claim that is given twice is a list. */
function addClaim(claims: Record<string, unknown>, name: string, value: string): void {
  const before = Object.hasOwn(claims, name) ? [claims[name]].flat() : [];
  const next: unknown = before.length === 0 ? value : [...before, value];
  // `__proto__` is a name like another.
  Object.defineProperty(claims, name, { value: next, enumerable: true, configurable: true });
}

function notUnderstood(part: string, key: string): PosternError {
  const near = nearestKey(key, KEYS);
  const remedy =
    near === undefined || key === ''
      ? 'write none, @FILE, or KEY=VALUE with commas between them, such as email=ann@example.com,group=staff'
      : `did you mean "${near}"?`;
  return new PosternError('CLI_USAGE', `Cannot read identity: "${part}" is not known; ${remedy}`);
}
