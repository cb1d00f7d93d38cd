/**
 * Tickets: where a browser goes once its user has signed in.
 *
 * A ticket is a path on the auth host with a signature of ours, so it can travel through forms and addresses and nobody can write
 * one (case O24). It proves nothing and gives nothing: the path it leads to judges everything itself.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { LIMITS } from '../../core/limits.ts';
import { returnPath } from './return-path.ts';

/** Leads to the page of the auth host that says who one is. */
const HOME = '/';

export class Tickets {
  readonly #key: Buffer;

  /** `key`: 32 random bytes that all gateways of a domain share. */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** The ticket to a path of the auth host, with its query. */
  issue(path: string): string {
    const checked = returnPath(path);
    const text = Buffer.from(checked).toString('base64url');
    return `${text}.${this.#seal(text).toString('base64url')}`;
  }

  /** The path a ticket leads to; the home page for whatever is not a ticket of ours. */
  read(ticket: string | undefined): string {
    if (ticket === undefined || ticket.length > LIMITS.ticketChars) return HOME;
    const [text = '', seal = '', ...rest] = ticket.split('.');
    const given = Buffer.from(seal, 'base64url');
    const own = this.#seal(text);
    if (rest.length > 0 || given.length !== own.length || !timingSafeEqual(given, own)) return HOME;
    return returnPath(Buffer.from(text, 'base64url').toString());
  }

  #seal(text: string): Buffer {
    return createHmac('sha256', this.#key).update(`postern ticket ${text}`).digest();
  }
}
