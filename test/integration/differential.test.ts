/**
 * The same requests to an origin directly and through Postern: apart from what docs/http.md says, the origin sees the same
 * and so does the user.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { tableNames } from '../arch/markdown-table.ts';
import { fuzzOptions } from '../fuzz/fuzz-runs.ts';
import { Comparison } from '../support/differential/comparison.ts';
import { corpus, isRefused, type Case } from '../support/differential/corpus.ts';
import { DIFFERENCES } from '../support/differential/differences.ts';
import { isSayable, openHttp2 } from '../support/differential/http2-user.ts';
import { REFUSED } from '../support/differential/refused.ts';
import { APP, BODIES, FIELD_SETS, METHODS, TARGETS } from '../support/differential/requests.ts';
import { RESPONSES } from '../support/differential/responses.ts';
import { startScriptedOrigin } from '../support/differential/scripted-origin.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import type { Gateway } from '../support/gateway.ts';
import { startPostern } from '../support/postern.ts';
import { say } from '../support/say.ts';

let gateway: Gateway;
let comparison: Comparison;

beforeAll(async () => {
  const origin = await startScriptedOrigin();
  const started = await startPostern({
    ingress: [{ hostname: APP, service: `http://127.0.0.1:${origin.port}` }],
  });
  ({ gateway } = started);
  guardLinks(started.connector);
  comparison = new Comparison(gateway, origin);
});

const CASES = corpus();

const SAYABLE = CASES.filter(isSayable);

/** The cases in which the two sides differ; prints how long it took. */
async function differencesIn(
  cases: readonly Case[],
  compare: (one: Case) => Promise<{ readonly expected: unknown; readonly actual: unknown }>,
): Promise<unknown[]> {
  const before = performance.now();
  const odd: unknown[] = [];
  const left = cases.values();
  const work = async (): Promise<void> => {
    for (const one of left) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        const { expected, actual } = await compare(one);
        if (JSON.stringify(expected) !== JSON.stringify(actual))
          odd.push({ name: one.name, expected, actual });
      } catch (error) {
        odd.push({ name: one.name, error: String(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  const seconds = ((performance.now() - before) / 1_000).toFixed(1);
  say(`${cases.length} requests, each said twice, in ${seconds} s: ${odd.length} differences`);
  return odd;
}

describe('directly and through Postern', () => {
  it(`${CASES.length} requests and their answers are the same but for what is documented`, async () => {
    expect(CASES.length).toBeGreaterThanOrEqual(300);
    const odd = await differencesIn(CASES, async (one) => comparison.compare(one));
    expect(odd).toEqual([]);
  }, 120_000);

  it(`${SAYABLE.length} of them are the same over HTTP/2, but for what only one of the protocols can say`, async () => {
    const session = await openHttp2(gateway);
    const odd = await differencesIn(SAYABLE, async (one) => comparison.compareHttp2(session, one));
    expect(odd).toEqual([]);
    session.close();
  }, 120_000);

  it(`${REFUSED.length} requests that could be read in two ways are refused, and the origin sees nothing of them`, async () => {
    const answers = [];
    for (const { name, bytes } of REFUSED) {
      // oxlint-disable-next-line no-await-in-loop
      answers.push({ name, ...(await comparison.refusal(bytes)) });
    }
    expect(answers).toEqual(REFUSED.map(({ name, status }) => ({ name, status, reached: 0 })));
  });

  it('so are random ones', async () => {
    const oneOf = <T>(from: readonly (readonly [string, T])[]): fc.Arbitrary<T> =>
      fc.constantFrom(...from.map(([, value]) => value));
    const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
    const field = fc.tuple(
      token.map((name) => `X-${name}`),
      fc.stringMatching(/^(?:[!-~\u0080-\u00ff][ -~\u0080-\u00ff]{0,60}[!-~\u0080-\u00ff])?$/),
    );
    const anyBytes = fc
      .uint8Array({ maxLength: 300 })
      .map((bytes) => Buffer.from(bytes).toString('latin1'));
    const chunks = fc.array(anyBytes, { maxLength: 6 });
    const randomBody = fc.record({ framing: fc.constantFrom('length', 'chunked'), chunks });
    const body = fc.oneof(oneOf(BODIES), randomBody);
    const fields = fc.oneof(oneOf(FIELD_SETS), fc.array(field, { maxLength: 12 }));
    const target = fc.oneof(
      fc.constantFrom(...TARGETS),
      fc.stringMatching(/^\/[!"$-Z^-~[\]]{0,60}$/),
    );
    const request = fc.record({ method: fc.constantFrom(...METHODS), target, fields, body });
    const response = fc.oneof(
      oneOf(RESPONSES),
      fc.record({
        line: fc.stringMatching(/^(?:20[0-3]|2[1-9]\d|[3-9][1-9]\d) [!-~]{0,20}$/),
        fields: fc.array(field, { maxLength: 12 }),
        body: randomBody,
      }),
    );
    const one = fc
      .record({ name: fc.constant('random'), request, response })
      .filter((random) => !isRefused(random.request));
    await fc.assert(
      fc.asyncProperty(one, async (random) => {
        const { expected, actual } = await comparison.compare(random);
        expect(actual).toEqual(expected);
      }),
      fuzzOptions(200),
    );
  });

  it('every documented difference was seen, and none else is known', () => {
    const ids = DIFFERENCES.map(({ id }) => id);
    expect([...comparison.used].toSorted()).toEqual(ids.toSorted());
    expect(tableNames('docs/http.md', 'What Postern changes').toSorted()).toEqual(ids.toSorted());
  });
});
