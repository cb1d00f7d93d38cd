/**
 * Which replica somebody was at before, for applications that want people to stay. docs/decisions/0029.
 *
 * By a cookie that stands for the replica and means nothing to anybody else, or by the address they come from. Both also know the
 * machine that the replica runs on: one that is started again or reloaded is another replica at the same origin. A
 * preference, never a right: who is sick, away or not allowed is not chosen.
 */
import { createHmac } from 'node:crypto';
import { addressKey } from '../../access/sign-in/address-limit.ts';
import {
  findCookie,
  replicaCookieName,
  setReplicaCookie,
} from '../../access/app-sign-in/app-cookies.ts';
import type { Stickiness as StickinessKind } from '../../config/access/application.ts';
import { keyScore } from './rendezvous.ts';

/** An application, as far as it matters here. */
interface StickyApplication {
  readonly name: string;
  readonly stickiness?: StickinessKind | undefined;
}

/** A replica, as far as it matters here. */
interface StickyReplica {
  readonly id: string;
  readonly info: { readonly hostname: string };
}

/** Who comes, and to what. */
export interface Comer {
  readonly application?: StickyApplication | undefined;
  readonly address: string;
  /** The Cookie field of a request. */
  readonly cookie?: string | undefined;
}

/** Characters of each part of the cookie: 96 bits. */
const PART_CHARS = 16;
/** `replica.machine`, each in base64url. */
const VALUE = /^[\w-]{16}\.[\w-]{16}$/;

export class Stickiness {
  #key: Buffer | undefined;
  /** What stands for a replica at an application. They go with their replica; applications are bounded by the file. */
  readonly #values = new WeakMap<StickyReplica, Map<string, string>>();

  /** What cookies are made with: the same at all gateways of a database. */
  useKey(key: Buffer): void {
    this.#key = createHmac('sha256', key).update('postern replica cookies').digest();
  }

  /** The one of several that somebody should be led to; undefined where any will do. */
  prefer<Replica extends StickyReplica>(
    comer: Comer,
    replicas: readonly Replica[],
  ): Replica | undefined {
    const { application } = comer;
    if (application?.stickiness === undefined || replicas.length === 0) return undefined;
    if (application.stickiness === 'address') return byAddress(comer.address, replicas);
    const cookie = findCookie(comer.cookie, replicaCookieName(application.name));
    if (cookie === undefined || !VALUE.test(cookie)) return undefined;
    const values = replicas.map((replica) => this.#valueOf(application.name, replica));
    const machine = cookie.slice(PART_CHARS);
    const same = values.indexOf(cookie);
    return replicas[same === -1 ? values.findIndex((value) => value.endsWith(machine)) : same];
  }

  /** The Set-Cookie by which they come back to where they are now; undefined where they know. */
  cookieFor({ application, cookie }: Comer, replica: StickyReplica): string | undefined {
    if (application?.stickiness !== 'cookie') return undefined;
    const value = this.#valueOf(application.name, replica);
    const isKnown = findCookie(cookie, replicaCookieName(application.name)) === value;
    return isKnown ? undefined : setReplicaCookie(application.name, value);
  }

  #valueOf(application: string, replica: StickyReplica): string {
    const values = this.#values.get(replica) ?? new Map<string, string>();
    this.#values.set(replica, values);
    const known = values.get(application);
    if (known !== undefined) return known;
    const { id, info } = replica;
    const parts = [`id\n${application}\n${id}`, `machine\n${application}\n${info.hostname}`];
    const value = parts.map((part) => this.#sign(part)).join('.');
    values.set(application, value);
    return value;
  }

  #sign(text: string): string {
    if (this.#key === undefined) throw new TypeError('stickiness has no key yet');
    return createHmac('sha256', this.#key).update(text).digest('base64url').slice(0, PART_CHARS);
  }
}

/** By the machine, and where several are on one by their ids. */
function byAddress<Replica extends StickyReplica>(
  address: string,
  replicas: readonly Replica[],
): Replica | undefined {
  const key = addressKey(address);
  let best: { replica: Replica; score: string } | undefined;
  for (const replica of replicas) {
    const score = keyScore(key, replica.info.hostname) + keyScore(key, replica.id);
    if (best === undefined || score > best.score) best = { replica, score };
  }
  return best?.replica;
}
