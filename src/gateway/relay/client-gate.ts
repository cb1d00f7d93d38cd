/**
 * The gate as the relay asks it: credentials of client links, and streams that they want. Joins access/ and relay/.
 */
import { createHash } from 'node:crypto';
import type { Gate, GateAsk, Principal, Verdict } from '../../access/gate.ts';
import type { ServiceTokens } from '../../access/service-tokens.ts';
import type { Sessions } from '../../access/sessions/sessions.ts';
import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { ClientPrincipal, StreamAsk, StreamGate, StreamVerdict } from './stream-gate.ts';

/** What the secret of a client's session begins with; service tokens are `id.secret`. */
const SESSION_PREFIX = 'pcl_';

export interface SignedInClient extends ClientPrincipal, Principal {}

export interface ClientGateOptions {
  readonly clock: Pick<Clock, 'wall'>;
  readonly gate: Pick<Gate, 'judge' | 'hold'>;
  readonly sessions: Pick<Sessions, 'verify' | 'peek' | 'onEnded'>;
  readonly serviceTokens: Pick<ServiceTokens, 'verifyPair' | 'isLive' | 'onChanged'>;
}

export class ClientGate implements StreamGate<SignedInClient> {
  readonly #options: ClientGateOptions;
  /** Who wants to know of the end of a session, by its id. */
  readonly #watchers = new Map<string, Set<(error: PosternError) => void>>();

  constructor(options: ClientGateOptions) {
    this.#options = options;
    options.sessions.onEnded(({ id }) => {
      for (const end of this.#watchers.get(id) ?? []) end(signInAgain());
    });
  }

  onGrantEnded(listener: (grant: string) => void): void {
    const { sessions, serviceTokens } = this.#options;
    sessions.onEnded(({ id, kind }, because) => {
      // When it expires is known to whoever has streams of it.
      if (kind === 'client' && because !== 'expired') listener(standIn('session', id));
    });
    serviceTokens.onChanged((gone) => {
      for (const id of gone) listener(standIn('token', id));
    });
  }

  async admit(credential: string | undefined): Promise<SignedInClient> {
    return credential === undefined ? {} : principalOf(this.#options, credential);
  }

  watch({ session }: SignedInClient, end: (error: PosternError) => void): { release(): void } {
    // Service tokens are looked at for each stream, and watched for those that live.
    if (session === undefined) return { release: () => undefined };
    const watchers = this.#watchers.get(session.id) ?? new Set();
    this.#watchers.set(session.id, watchers);
    watchers.add(end);
    return {
      release: () => {
        watchers.delete(end);
        if (watchers.size === 0) this.#watchers.delete(session.id);
      },
    };
  }

  judge(ask: StreamAsk<SignedInClient>): StreamVerdict {
    const { serviceToken } = ask.principal;
    if (serviceToken !== undefined && !this.#options.serviceTokens.isLive(serviceToken)) {
      return { allow: false, error: signInAgain() };
    }
    const { gate, clock } = this.#options;
    return judged(gate.judge(this.#gateAsk(ask)), ask, clock.wall());
  }

  hold(ask: StreamAsk<SignedInClient>, end: (error: PosternError) => void): { release(): void } {
    const { gate } = this.#options;
    const gateAsk = this.#gateAsk(ask);
    return gate.hold(gateAsk, gate.judge(gateAsk), end);
  }

  /** With the session as it is now: its claims may have been refreshed since its link was let in. */
  #gateAsk({ hostname, principal, address, purpose }: StreamAsk<SignedInClient>): GateAsk {
    const { session, serviceToken } = principal;
    const newest = session && (this.#options.sessions.peek(session.id) ?? session);
    return { hostname, path: '', address, purpose, principal: { session: newest, serviceToken } };
  }
}

async function principalOf(
  { sessions, serviceTokens }: ClientGateOptions,
  credential: string,
): Promise<SignedInClient> {
  if (credential.startsWith(SESSION_PREFIX)) {
    const session = await sessions.verify(credential);
    if (session?.kind === 'client') {
      const { provider, subject, email, name } = session.identity;
      const owner = standIn('user', provider, subject);
      const grant = standIn('session', session.id);
      return { session, user: email ?? name ?? subject, owner, grant };
    }
  } else {
    const serviceToken = serviceTokens.verifyPair(credential);
    if (serviceToken !== undefined) {
      const { id, name } = serviceToken;
      const owner = standIn('service', id);
      return { serviceToken, user: name, owner, grant: standIn('token', id) };
    }
  }
  throw signInAgain();
}

function judged(
  verdict: Verdict,
  { hostname }: StreamAsk<ClientPrincipal>,
  now: number,
): StreamVerdict {
  const { outcome, application, policy, reason, endsAt } = verdict;
  if (outcome !== 'allow') return { allow: false, error: refusal(hostname, outcome, reason) };
  return {
    allow: true,
    application: application?.name,
    right: verdict,
    detachedMs:
      policy?.detachedTimeoutMs ?? application?.detachedTimeoutMs ?? LIMITS.clientDetachedMs,
    ...(Number.isFinite(endsAt) && { endsMs: Math.max(0, Math.round(endsAt - now)) }),
  };
}

function refusal(
  hostname: string,
  outcome: 'sign-in' | 'deny',
  reason: Verdict['reason'],
): PosternError {
  const cannot = `Cannot reach "${hostname}"`;
  if (reason === 'purpose-missing') {
    const remedy = 'say why you need it, with --purpose or POSTERN_PURPOSE';
    return new PosternError('ACCESS_PURPOSE', `${cannot}: ${remedy}`);
  }
  if (outcome === 'sign-in') return new PosternError('ACCESS_SIGN_IN', `${cannot}: sign in first`);
  const cause = new Error(reason);
  return new PosternError('ACCESS_DENIED', `${cannot}: not allowed`, { cause });
}

function signInAgain(): PosternError {
  return new PosternError('ACCESS_SIGN_IN', 'Cannot let the client in: its credential is over');
}

/** Stands for somebody or something without saying who or what: the connector needs no more. */
function standIn(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 32);
}
