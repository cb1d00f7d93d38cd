/**
 * Prints what the servers of a test said when, and only when, the test or one of its hooks fails.
 *
 * Jest has no hook that knows whether a test failed, so this listens to the runner's own events. The text is asked for
 * at the moment of the failure, before any clean-up stops a server.
 */
import { currentScope } from './cleanup.ts';

/** Longest text printed for one source; its end is kept. */
const SHOWN_CHARACTERS = 12_000;

const sources = new Set<{ readonly name: string; readonly text: () => string }>();

const handlers: unknown = Reflect.get(globalThis, Symbol.for('EVENT_HANDLERS'));
if (!Array.isArray(handlers)) throw new Error('Cannot watch for failed tests: Jest has no events');
handlers.push((event: { readonly name: string }) => {
  if (event.name === 'test_fn_failure' || event.name === 'hook_failure') showAll();
});

/** Shows the end of `text()` under the heading `name` if a test or hook fails before `scope` is cleaned up. */
export function showOnFailure(name: string, text: () => string, scope = currentScope()): void {
  const source = { name, text };
  sources.add(source);
  scope.add(() => sources.delete(source));
}

function showAll(): void {
  for (const { name, text } of sources) {
    const all = text();
    const cut = all.length > SHOWN_CHARACTERS ? '[…]' : '';
    process.stderr.write(`── ${name} ──\n${cut}${all.slice(-SHOWN_CHARACTERS).trimEnd()}\n`);
  }
}
