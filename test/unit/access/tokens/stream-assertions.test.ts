import { describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';

import { StreamAssertions } from '../../../../src/access/tokens/stream-assertions.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { accessCore, type AccessCore } from '../../../support/access-core.ts';

const STREAM = { kind: 'tcp', hostname: 'wiki.test', rule: 'r1', requestId: 'q1' } as const;
const WIKI = { name: 'wiki' };

function assertions({ keys, address, clock }: AccessCore): StreamAssertions {
  return new StreamAssertions(keys, address, clock);
}

async function session(core: AccessCore, subject: string, email?: string) {
  const identity = {
    provider: 'idp',
    subject,
    ...(email === undefined ? {} : { email }),
    groups: ['staff'],
    claims: {},
    methods: [],
  };
  const { session: made } = await core.sessions.create({
    kind: 'client',
    identity,
    address: '127.0.0.1',
    agent: 'test',
  });
  return made;
}

describe('a statement about a stream', () => {
  it('is signed at once, bound to the stream, and good for a minute', async () => {
    const core = await accessCore();
    await core.keys.tend();
    const right = { by: 'user', application: WIKI, principal: {} } as const;
    const jwt = assertions(core).sign(STREAM, right) ?? '';
    const { payload, protectedHeader } = await jwtVerify(jwt, createLocalJWKSet(core.keys.jwks()), {
      currentDate: new Date(core.clock.wall()),
    });
    const iat = Math.floor(core.clock.wall() / 1000);
    expect(payload).toEqual({
      iss: 'https://auth.postern.test:8443',
      aud: 'wiki',
      iat,
      exp: iat + LIMITS.streamAssertionMs / 1000,
      jti: 'q1',
      hostname: 'wiki.test',
      rule: 'r1',
      kind: 'tcp',
      by: 'user',
    });
    const { kid } = await core.keys.current();
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'postern-stream+jwt', kid });
  });

  it('names the person or the service token on TCP streams, and nobody on those for HTTP', async () => {
    const core = await accessCore();
    await core.keys.tend();
    const ann = await session(core, 'ann', 'ann@example.com');
    const sign = (kind: 'http' | 'tcp', right: Parameters<StreamAssertions['sign']>[1]) =>
      decodeJwt(assertions(core).sign({ ...STREAM, kind }, right) ?? '');
    const person = { by: 'user', application: WIKI, principal: { session: ann } } as const;
    expect(sign('tcp', person)).toMatchObject({ sub: 'ann', email: 'ann@example.com' });
    expect(sign('http', person)).not.toHaveProperty('sub');
    expect(sign('http', person)).not.toHaveProperty('email');
    const serviceToken = { id: 't1', name: 'backup', expiresAt: Infinity };
    const machine = { by: 'service', application: WIKI, principal: { serviceToken } } as const;
    expect(sign('tcp', machine)).toMatchObject({ sub: 't1', service_token: 'backup' });
    expect(sign('tcp', { ...person, by: 'bypass' })).not.toHaveProperty('sub');
  });

  it('leaves out names with which it would be too long', async () => {
    const core = await accessCore();
    await core.keys.tend();
    const long = await session(core, 'ä'.repeat(2_000));
    const jwt = assertions(core).sign(STREAM, {
      by: 'user',
      application: WIKI,
      principal: { session: long },
    });
    expect(jwt?.length).toBeLessThanOrEqual(LIMITS.streamAssertionChars);
    expect(decodeJwt(jwt ?? '')).toMatchObject({ aud: 'wiki' });
  });

  it('is not made where no application let anybody in, and while there is no key', async () => {
    const core = await accessCore();
    const right = { by: 'user', application: WIKI, principal: {} } as const;
    expect(assertions(core).sign(STREAM, right)).toBeUndefined();
    await core.keys.tend();
    expect(assertions(core).sign(STREAM, right)).toBeDefined();
    expect(assertions(core).sign(STREAM, { by: 'bypass', principal: {} })).toBeUndefined();
    expect(assertions(core).sign(STREAM, { ...right, by: 'none' })).toBeUndefined();
  });
});
