/**
 * The tests that a configuration has of its own policies: what each `tests:` entry expects must be what is decided.
 *
 * Whoever loads a configuration runs them before using it: one whose tests fail lets somebody in who should be out, or the
 * other way round, and is refused.
 */
import type { Application } from '../../config/access/application.ts';
import type { HostnamePattern } from '../../config/hostname-pattern.ts';
import type { PolicyTest } from '../../config/access/policy-test.ts';
import { placedError } from '../../config/value-place.ts';
import { PosternError } from '../../core/error.ts';
import type { Identity } from '../identity.ts';
import { decide, type AccessRules, type Decision } from './decide.ts';
import type { PolicyContext } from './policy-context.ts';

/** Runs every test, and returns how many there are. Throws CONFIG_TEST_FAILED for the first that fails, with its place. */
export function runPolicyTests(rules: AccessRules): number {
  const inFileOrder = rules.applications.toSorted((a, b) => a.index - b.index);
  let count = 0;
  for (const application of inFileOrder) {
    for (const [at, test] of application.tests.entries()) {
      const ask = {
        hostname: exampleOf(application.hostname),
        path: test.path ?? application.path,
      };
      const decision = decide(rules, ask, contextOf(test));
      count += 1;
      if (decision.outcome === test.expect) continue;
      const text = `expected ${test.expect}, and the answer is ${decision.outcome}, ${why(decision, application)}`;
      const error = new PosternError(
        'CONFIG_TEST_FAILED',
        `${text}; correct the policies or the test`,
      );
      throw placedError(rules, ['applications', application.index, 'tests', at], error);
    }
  }
  return count;
}

/** What decided, in words that follow a comma. */
function why({ reason, policy, application }: Decision, tested: Application): string {
  const elsewhere =
    application === undefined || application.name === tested.name
      ? ''
      : ` of application "${application.name}"`;
  switch (reason) {
    case 'allowed-by-policy':
    case 'denied-by-policy':
      return `by policy "${policy?.name ?? ''}"${elsewhere}`;
    case 'not-signed-in':
      return `because of policy "${policy?.name ?? ''}"${elsewhere}`;
    case 'no-policy-matched':
      return `because no policy${elsewhere} matches`;
    case 'no-application':
      return 'because there is no application at this path';
    case 'default-policy':
      return 'by default-policy, because there is no application at this path';
    case 'path-not-canonical':
      return 'because this path can be read in several ways';
  }
}

/** A hostname that the pattern matches. */
function exampleOf(pattern: HostnamePattern): string {
  if (pattern.kind === 'exact') return pattern.hostname;
  return `any${pattern.kind === 'suffix' ? pattern.suffix : ''}`;
}

function contextOf(test: PolicyTest): PolicyContext {
  const { identity, serviceToken, clientCertificate, address, country } = test;
  return {
    identity: identity && toIdentity(identity),
    serviceToken: serviceToken === undefined ? undefined : { id: 'test', name: serviceToken },
    clientCertificate,
    address,
    country,
    now: 0,
  };
}

/** Somebody whom a test describes. Exported for `policy test`, where the description is on the command line. */
export function toIdentity(written: NonNullable<PolicyTest['identity']>): Identity {
  const { email, provider = '', groups, methods, claims } = written;
  return {
    provider,
    subject: email ?? 'somebody',
    ...(email !== undefined && { email }),
    groups,
    methods,
    claims,
  };
}
