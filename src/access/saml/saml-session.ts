/** What a session remembers of the assertion it came from, for single logout. Pure. */
import type { ProviderState, Session } from '../sign-in/sign-in-ports.ts';
import type { Assertion, NameId } from './assertion.ts';
import type { LogoutRequest } from './logout-message.ts';

/** The state to keep with a session. */
export function sessionStateOf({ nameId, authentication }: Assertion): ProviderState {
  return { nameId, sessionIndex: authentication?.sessionIndex };
}

/** Whom the IdP knows the user of a session as; undefined where the session is not of SAML. */
export function nameIdIn({
  provider,
}: Session): { readonly nameId: NameId; readonly sessionIndex?: string } | undefined {
  const { nameId, sessionIndex } = provider;
  if (typeof nameId !== 'object' || nameId === null || !('value' in nameId)) return undefined;
  if (typeof nameId.value !== 'string') return undefined;
  // Written by sessionStateOf.
  const known = nameId as NameId;
  return typeof sessionIndex === 'string' ? { nameId: known, sessionIndex } : { nameId: known };
}

/** Whether a logout request of the identity provider means this session. */
export function isNamedIn(session: Session, providerId: string, request: LogoutRequest): boolean {
  if (session.identity.provider !== providerId) return false;
  const known = nameIdIn(session);
  if (known === undefined || known.nameId.value !== request.nameId.value) return false;
  const { sessionIndexes } = request;
  const { sessionIndex } = known;
  return (
    sessionIndexes.length === 0 ||
    sessionIndex === undefined ||
    sessionIndexes.includes(sessionIndex)
  );
}
