/** The connector's own check of streams: what a gateway, or somebody in its place, may say and what must not help. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  base64url,
  exportJWK,
  generateKeyPair,
  SignJWT,
  UnsecuredJWT,
  type CryptoKey,
  type JWTPayload,
} from 'jose';

import { StreamAccess } from '../../../../src/connector/ingress/stream-access.ts';
import type { GatewayKey } from '../../../../src/protocol/message/gateway-key.ts';
import type { StreamRequest } from '../../../../src/protocol/message/stream-request.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const TYP = 'postern-stream+jwt';
const REQUEST = { kind: 'tcp', hostname: 'db.test', rule: 'r1', requestId: 'q1' } as const;

interface TestKey {
  readonly privateKey: CryptoKey;
  readonly told: GatewayKey;
}

async function makeKey(kid: string): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const { x = '', y = '' } = await exportJWK(publicKey);
  return { privateKey, told: { kid, kty: 'EC', crv: 'P-256', x, y } };
}

let ours: TestKey;
let next: TestKey;
let theirs: TestKey;

beforeAll(async () => {
  [ours, next, theirs] = await Promise.all([makeKey('ours'), makeKey('next'), makeKey('theirs')]);
});

/** A connector that was told our key, and what an honest gateway says of REQUEST. */
function lab() {
  const clock = new FakeClock();
  const access = new StreamAccess(clock);
  access.setKeys(0, [ours.told]);
  const now = Math.floor(clock.wall() / 1000);
  const claims = {
    aud: 'db',
    iat: now,
    exp: now + 60,
    jti: 'q1',
    hostname: 'db.test',
    rule: 'r1',
    kind: 'tcp',
    by: 'user',
  };
  const check = async (
    assertion: string | undefined,
    request: Partial<StreamRequest> = {},
    applications?: readonly string[],
  ): Promise<void> =>
    access.check(applications === undefined ? {} : { applications }, {
      ...REQUEST,
      ...request,
      ...(assertion !== undefined && { assertion }),
    });
  return { clock, access, claims, check };
}

async function sign(
  payload: JWTPayload,
  { privateKey, told }: TestKey = ours,
  header: object = {},
): Promise<string> {
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'ES256', typ: TYP, kid: told.kid, ...header })
    .sign(privateKey);
}

const REFUSED = expect.objectContaining({ code: 'ORIGIN_ACCESS' });

describe('a rule that requires access', () => {
  it('is reached by those whom an application let in, people and machines', async () => {
    const { check, claims } = lab();
    await check(await sign(claims));
    await check(await sign({ ...claims, by: 'service' }));
    await check(await sign(claims), {}, ['other', 'db']);
  });

  it('K19 is reached by nobody of whom nothing is said, or about whom no key was told', async () => {
    const { check, claims } = lab();
    await expect(check(undefined)).rejects.toEqual(REFUSED);
    await expect(check('')).rejects.toEqual(REFUSED);
    await expect(check('a.b.c')).rejects.toEqual(REFUSED);
    const untold = new StreamAccess(new FakeClock());
    const assertion = await sign(claims);
    await expect(untold.check({}, { ...REQUEST, assertion })).rejects.toEqual(REFUSED);
  });

  it('K20 is not reached with another key, no key, or a key of the sender’s own choice', async () => {
    const { check, claims } = lab();
    const forgeries = [
      await sign(claims, theirs),
      await sign(claims, theirs, { kid: 'ours' }),
      await sign(claims, theirs, { kid: 'ours', jwk: theirs.told }),
      await sign(claims, theirs, { jku: 'https://evil.test/keys' }),
      new UnsecuredJWT(claims).encode(),
    ];
    const [, body = ''] = (await sign(claims)).split('.');
    const none = base64url.encode(JSON.stringify({ alg: 'none', typ: TYP, kid: 'ours' }));
    forgeries.push(`${none}.${body}.`, `${none}.${body}.AAAA`);
    // The public key as the secret of an HMAC.
    const secret = new TextEncoder().encode(ours.told.x);
    const header = { alg: 'HS256', typ: TYP, kid: 'ours' };
    forgeries.push(await new SignJWT(claims).setProtectedHeader(header).sign(secret));
    const [head = '', , signature = ''] = (await sign(claims)).split('.');
    const changed = base64url.encode(JSON.stringify({ ...claims, aud: 'payroll' }));
    forgeries.push(`${head}.${changed}.${signature}`);
    for (const forgery of forgeries) await expect(check(forgery)).rejects.toEqual(REFUSED);
  });

  it('K21 is not reached with what the gateway signed for something else', async () => {
    const { check, claims } = lab();
    for (const typ of ['postern-app+jwt', 'postern-assertion+jwt', 'postern-proof+jwt', 'JWT']) {
      await expect(check(await sign(claims, ours, { typ }))).rejects.toEqual(REFUSED);
    }
    const otherStreams = [
      { hostname: 'payroll.test' },
      { rule: 'r2' },
      { kind: 'http' },
      { requestId: 'q2' },
    ] as const;
    const assertion = await sign(claims);
    for (const other of otherStreams) {
      await expect(check(assertion, other)).rejects.toEqual(REFUSED);
    }
    for (const claim of ['hostname', 'rule', 'kind', 'jti', 'aud', 'by', 'exp', 'iat'] as const) {
      const { [claim]: _, ...rest } = claims;
      await expect(check(await sign(rest))).rejects.toEqual(REFUSED);
    }
  });

  it('K22 is not reached through another application, or by those who did not sign in', async () => {
    const { check, claims } = lab();
    const others: readonly (string | string[])[] = ['wiki', 'DB', '', ['db', 'wiki'], ['db']];
    for (const aud of others) {
      await expect(check(await sign({ ...claims, aud }), {}, ['db'])).rejects.toEqual(REFUSED);
    }
    for (const by of ['bypass', 'none', '', true]) {
      await expect(check(await sign({ ...claims, by }))).rejects.toEqual(REFUSED);
    }
  });

  it('K23 is not reached with something old or from the future, but clocks may differ by a minute', async () => {
    const { check, claims, clock } = lab();
    const { iat, exp } = claims;
    const shifted = (by: number): object => ({ ...claims, iat: iat + by, exp: exp + by });
    await check(await sign({ ...shifted(-110) }));
    await check(await sign({ ...shifted(50) }));
    for (const by of [-121, 3_600, -86_400]) {
      await expect(check(await sign({ ...shifted(by) }))).rejects.toEqual(REFUSED);
    }
    // However long it says that it is good.
    const long = await sign({ ...claims, exp: exp + 86_400 });
    await check(long);
    clock.run(125_000);
    await expect(check(long)).rejects.toEqual(REFUSED);
  });

  it('takes the keys of every link, and those that replace them', async () => {
    const { access, check, claims } = lab();
    access.setKeys(1, [ours.told, next.told]);
    await check(await sign(claims, ours));
    await check(await sign(claims, next));
    access.setKeys(1, [next.told]);
    await check(await sign(claims, ours));
    access.setKeys(0, [next.told]);
    await expect(check(await sign(claims, ours))).rejects.toEqual(REFUSED);
    await check(await sign(claims, next));
  });
});
