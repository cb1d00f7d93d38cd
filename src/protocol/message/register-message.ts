/**
 * The first message of a link's dialler behind `hello`: who it is, and what a connector brings. See docs/protocol.md §4.
 *
 * Credentials are read here and checked by the gateway; nothing of them may reach a log.
 */
import { LIMITS } from '../../core/limits.ts';
import { parseRules, type AnnouncedRule } from './announced-rule.ts';
import { badControl, optional, type JsonFields } from './json-fields.ts';

/** Longest id of a run of a program, characters. */
export const MAX_PROCESS_ID = 64;
/** The last millisecond that a Date can hold: listings print the times that peers tell. */
const MAX_DATE_MS = 8.64e15;

/** What opens a link for streams. */
export type RegisterMessage = ConnectorRegisterMessage | ClientRegisterMessage;

/** A client wants to open streams. */
export interface ClientRegisterMessage {
  readonly type: 'register';
  readonly role: 'client';
  /** Who the user is; absent for applications that let everyone in. */
  readonly credential?: string;
}

/** A connector offers its origins. */
export interface ConnectorRegisterMessage {
  readonly type: 'register';
  readonly role: 'connector';
  readonly token: string;
  /** Index of this link among the replica's, from 0. */
  readonly link: number;
  readonly replica: ReplicaInfo;
  readonly rules: readonly AnnouncedRule[];
  /** Runs of this tunnel, by their process ids in `hello`, that are dead and will resume nothing. */
  readonly replaces?: readonly string[];
  /** The connector finishes what it has, and wants nothing new on this link: as if `drain` came right behind. */
  readonly draining?: true;
}

/** What a connector tells of its process, for listings. */
export interface ReplicaInfo {
  readonly hostname: string;
  readonly platform: string;
  /** ms since 1970. */
  readonly startedAt: number;
}

/** Reads `register`. Throws PROTO_BAD_CONTROL. */
export function parseRegister(fields: JsonFields): RegisterMessage {
  const role = fields.text('role');
  if (role === 'client') {
    return { type: 'register', role, ...optional('credential', fields.optionalText('credential')) };
  }
  if (role !== 'connector') throw badControl('"role" is neither "connector" nor "client"');
  return {
    type: 'register',
    role,
    token: fields.text('token'),
    link: fields.integer('link'),
    replica: parseReplica(fields.object('replica')),
    rules: parseRules(fields),
    ...(fields.has('replaces') && { replaces: parseReplaces(fields) }),
    ...(fields.has('draining') && fields.boolean('draining') && { draining: true as const }),
  };
}

function parseReplica(fields: JsonFields): ReplicaInfo {
  return {
    hostname: fields.text('hostname', LIMITS.hostnameChars),
    platform: fields.text('platform', 64),
    startedAt: fields.integer('startedAt', MAX_DATE_MS),
  };
}

function parseReplaces(fields: JsonFields): string[] {
  return fields.list('replaces', LIMITS.replacedRuns).map((id) => {
    const isId = typeof id === 'string' && id.length > 0 && id.length <= MAX_PROCESS_ID;
    if (!isId) throw badControl('"replaces" has something else than ids');
    return id;
  });
}
