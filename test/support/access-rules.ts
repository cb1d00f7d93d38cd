/** Rules and identities for tests of policies, from as little as a test wants to say. */
import { z } from 'zod';
import type { AccessRules } from '../../src/access/policy/decide.ts';
import type { Identity } from '../../src/access/identity.ts';
import { accessGroupSchema } from '../../src/config/access/access-group.ts';
import { applicationSchema, bySpecificity } from '../../src/config/access/application.ts';

/** Rules as a gateway's file would have them. */
export function accessRules(written: {
  readonly applications: readonly object[];
  readonly groups?: readonly object[];
  readonly defaultPolicy?: 'deny' | 'public';
}): AccessRules {
  const { applications, groups = [], defaultPolicy = 'deny' } = written;
  return {
    applications: z
      .array(applicationSchema)
      .parse(applications)
      .map((application, index) => ({ ...application, index }))
      .toSorted(bySpecificity),
    groups: z.array(accessGroupSchema).parse(groups),
    defaultPolicy,
  };
}

/** Rules with one application, `wiki` at wiki.test, that has these policies. */
export function wikiRules(
  policies: readonly object[],
  more: { readonly groups?: readonly object[]; readonly application?: object } = {},
): AccessRules {
  const application = { name: 'wiki', hostname: 'wiki.test', ...more.application, policies };
  return accessRules({ applications: [application], groups: more.groups ?? [] });
}

/** Somebody who signed in. */
export function somebody(known: Partial<Identity> = {}): Identity {
  return { provider: 'corp', subject: 's-1', groups: [], methods: ['pwd'], claims: {}, ...known };
}
