/**
 * What an ingress rule changes of a request on its way to the origin, and of the response on its way back.
 *
 * Compiled once for a rule as its connector announced it. Rules, policies and logs see the request as it came.
 */
import {
  applyChanges,
  parseChanges,
  type FieldChanges,
} from '../../../config/connector/field-changes.ts';
import { compileRewrite, type PathRewrite } from '../../../config/connector/path-rewrite.ts';
import type { AnnouncedHttp } from '../../../protocol/message/announced-rule.ts';

export class OriginChanges {
  readonly #rewrite: PathRewrite | undefined;
  readonly #request: FieldChanges | undefined;
  readonly #response: FieldChanges | undefined;

  /** Throws CONFIG_INVALID for what cannot be used. */
  constructor({ rewrite, headers: { request, response } = {} }: AnnouncedHttp) {
    this.#rewrite = rewrite && compileRewrite(rewrite);
    this.#request = request && parseChanges('request', request);
    this.#response = response && parseChanges('response', response);
  }

  /** Path and query for the origin, from those of the user. Throws HTTP_BAD_REQUEST where no plain path comes out. */
  target(target: string): string {
    if (this.#rewrite === undefined) return target;
    const query = target.indexOf('?');
    if (query === -1) return this.#rewrite.apply(target);
    return this.#rewrite.apply(target.slice(0, query)) + target.slice(query);
  }

  /** The fields that the origin gets: names and values in turn. */
  request(fields: string[]): string[] {
    return this.#request === undefined ? fields : applyChanges(this.#request, fields);
  }

  /** The fields of a 101, as bytes. */
  switching(raw: Buffer[]): Buffer[] {
    if (this.#response === undefined) return raw;
    const fields = raw.map((bytes) => bytes.toString('latin1'));
    return this.response(fields).map((text) => Buffer.from(text, 'latin1'));
  }

  /** The fields that the user gets: names and values in turn. */
  response(fields: string[]): string[] {
    return this.#response === undefined ? fields : applyChanges(this.#response, fields);
  }
}

/** What a rule has changed; undefined for nothing. Throws CONFIG_INVALID. */
export function changesOf(http: AnnouncedHttp | undefined): OriginChanges | undefined {
  const isChanged = http?.rewrite !== undefined || http?.headers !== undefined;
  return isChanged ? new OriginChanges(http) : undefined;
}

/** Which parts of a rule's `http` this gateway does: what it says in `heeds`. */
export function heededOf(http: AnnouncedHttp, isHttp2: boolean): string[] {
  return [
    ...(isHttp2 && http.http2 === true ? ['http2'] : []),
    ...(http.rewrite === undefined ? [] : ['rewrite']),
    ...(http.headers === undefined ? [] : ['headers']),
    ...(http.wholeBodies === true ? ['wholeBodies'] : []),
  ];
}
