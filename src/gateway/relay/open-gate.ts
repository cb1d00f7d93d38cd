/**
 * The gate for clients before they can sign in: applications that let everyone in are open, all others are closed.
 */
import { decide, type AccessRules } from '../../access/decide.ts';
import { PosternError } from '../../core/error.ts';
import type { ClientPrincipal, StreamGate } from './stream-gate.ts';

export function openGate(rules: AccessRules): StreamGate<ClientPrincipal> {
  return {
    admit: () => Promise.resolve({}),
    judge({ hostname }) {
      const { allow, application } = decide(rules, hostname);
      if (allow) return { allow, application };
      const error = new PosternError('ACCESS_DENIED', `Cannot reach "${hostname}": not allowed`);
      return { allow, error };
    },
    watch: () => ({ release: () => undefined }),
    hold: () => ({ release: () => undefined }),
  };
}
