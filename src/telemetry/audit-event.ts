/**
 * Audit events: who did what to what, as the store keeps them and `audit` commands print them.
 *
 * Every event is small, whoever wrote it: names and details may come from the network, and a stored event is for
 * ever. Nothing secret belongs in one (design.md §9).
 */
import { systemClock } from '../core/clock.ts';
import type { Clock } from '../core/clock.ts';
import { newId } from '../core/id.ts';
import { LIMITS } from '../core/limits.ts';

/** Facts beyond the fixed fields, flat so that every reader can print them. */
export type AuditDetail = Readonly<Record<string, string | number | boolean>>;

/** What the writer of an event says. */
export interface AuditFact {
  /** What happened, `<noun>.<verb>`: `tunnel.create`, `connector.join`. Names are API. */
  readonly type: string;
  /** The tunnel it happened to, by name. */
  readonly tunnel?: string;
  readonly hostname?: string;
  /** Who did it: a user, `cli`, a replica id. */
  readonly actor?: string;
  readonly detail?: AuditDetail;
}

/** One event, as it is stored. */
export interface AuditEvent extends AuditFact {
  /** A UUID. Appending the same event twice stores it once. */
  readonly id: string;
  /** Wall-clock time, ms since 1970. */
  readonly at: number;
}

/** The event for something that happened now, cut to size. */
export function newAuditEvent(fact: AuditFact, clock: Clock = systemClock): AuditEvent {
  return cutAuditEvent({ ...fact, id: newId(), at: clock.wall() });
}

/** The event with over-long texts cut (they end in "…") and surplus details dropped. */
export function cutAuditEvent(event: AuditEvent): AuditEvent {
  const { id, at, type, tunnel, hostname, actor, detail } = event;
  return {
    id: cut(id),
    at,
    type: cut(type),
    ...(tunnel === undefined ? {} : { tunnel: cut(tunnel) }),
    ...(hostname === undefined ? {} : { hostname: cut(hostname) }),
    ...(actor === undefined ? {} : { actor: cut(actor) }),
    ...(detail === undefined ? {} : { detail: cutDetail(detail) }),
  };
}

function cutDetail(detail: AuditDetail): AuditDetail {
  const entries = Object.entries(detail).slice(0, LIMITS.auditDetails);
  return Object.fromEntries(
    entries.map(([key, value]) => [cut(key), typeof value === 'string' ? cut(value) : value]),
  );
}

function cut(text: string): string {
  const limit = LIMITS.auditTextChars;
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}
