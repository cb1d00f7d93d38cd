/** `rewrite` and `headers` of an ingress rule, as they are written. */
import { z } from 'zod';
import { expected, list, made, mapping, text } from '../field.ts';
import { parseChanges, type HeaderChanges } from './field-changes.ts';
import { compileRewrite } from './path-rewrite.ts';

/** `ingress[].rewrite`. */
export const rewriteSchema = made(
  mapping({
    path: text('a regular expression such as ^/api/'),
    to: z.string({ error: expected('a path such as /$1') }),
  }),
  compileRewrite,
);

function changesOf(kind: 'request' | 'response') {
  const written = mapping({
    set: z
      .record(z.string(), z.string({ error: expected('text') }), {
        error: expected('a mapping of fields to their values'),
      })
      .optional(),
    remove: list(text('the name of a field')).optional(),
  });
  return made(written, ({ set, remove }) =>
    parseChanges(kind, { set: set && Object.entries(set), remove }),
  );
}

/** `ingress[].headers`. */
export const headersSchema = made(
  mapping({
    request: changesOf('request').optional(),
    response: changesOf('response').optional(),
  }),
  ({ request, response }): HeaderChanges => ({ request, response }),
);
