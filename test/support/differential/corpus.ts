/** The cases of the differential test, more than 300: each varies one thing, or the product of two. */
import { fieldsOf, valuesIn, write, type Field } from './message.ts';
import {
  APP,
  BODIES,
  FIELD_SETS,
  GET,
  METHODS,
  TARGETS,
  chunked,
  text,
  type Request,
} from './requests.ts';
import { OK, RESPONSES, type Response } from './responses.ts';

export interface Case {
  readonly name: string;
  readonly request: Request;
  readonly response: Response;
}

/** All of them. */
export function corpus(): Case[] {
  const cases: Case[] = [];
  const add = (name: string, request: Partial<Request>, response: Response = OK): void => {
    cases.push({ name, request: { ...GET, ...request }, response });
  };
  for (const method of METHODS) {
    for (const [what, body] of BODIES) add(`${method} with ${what}`, { method, body });
  }
  for (const target of TARGETS) {
    for (const method of ['GET', 'POST'])
      add(`${method} ${target.slice(0, 60)}`, { method, target });
  }
  for (const [what, fields] of FIELD_SETS) {
    add(`fields: ${what}`, { fields });
    const posted = { ...GET, method: 'POST', fields, body: text('body') };
    if (!isRefused(posted)) add(`fields with a body: ${what}`, posted);
  }
  for (const [what, body] of BODIES) {
    add(`Expect with ${what}`, { method: 'PUT', fields: fieldsOf('Expect: 100-continue'), body });
  }
  for (const [what, response] of RESPONSES) {
    for (const method of ['GET', 'HEAD', 'POST'])
      add(`${method} answered: ${what}`, { method }, response);
  }
  for (const [what, response] of RESPONSES.filter(([, { before }]) => before === '')) {
    add(`HTTP/1.0 answered: ${what}`, { version: '1.0' }, response);
  }
  add('HTTP/1.0 with a body', { version: '1.0', method: 'POST', body: text('body') });
  add('HTTP/1.0 answered in chunks', { version: '1.0' }, { ...OK, body: chunked('a', 'b') });
  return cases;
}

/** An Upgrade with a body is (P16). */
export function isRefused({ fields, body }: Request): boolean {
  const hasBody = body.framing === 'chunked' || body.chunks.join('') !== '';
  return hasBody && valuesIn(fields, 'upgrade').length > 0;
}

/** The bytes of a request. `id` names the case to the origin. */
export function requestBytes(request: Request, id: string): string {
  const { method, target, fields, body, version = '1.1' } = request;
  const all: Field[] = [['Host', APP], ...fields, ['X-Case', id]];
  return write(`${method} ${target} HTTP/${version}`, all, body);
}

/** The bytes of a response to a method. */
export function responseBytes(
  { before = '', line, fields, body }: Response,
  method: string,
): string {
  const whole = write(`HTTP/1.1 ${line}`, fields, body);
  return before + (method === 'HEAD' ? whole.slice(0, whole.indexOf('\r\n\r\n') + 4) : whole);
}
