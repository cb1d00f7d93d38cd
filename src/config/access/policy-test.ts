/** Cases that the policies of an application must decide as they say: `tests:` in the gateway's file. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { PosternError } from '../../core/error.ts';
import { expected, list, mapping, oneOf, parsed, show, text } from '../field.ts';
import { country, fingerprint } from './selector.ts';

/** Who asks, from where and for what, and what must come out. */
export interface PolicyTest {
  /** Absent: nobody is signed in. */
  readonly identity?:
    | {
        readonly email?: string | undefined;
        readonly groups: readonly string[];
        readonly claims: Readonly<Record<string, unknown>>;
        readonly provider?: string | undefined;
        readonly methods: readonly string[];
      }
    | undefined;
  /** Name of a service token. */
  readonly serviceToken?: string | undefined;
  readonly address?: string | undefined;
  readonly country?: string | undefined;
  /** Absent: the path of the application. */
  readonly path?: string | undefined;
  readonly clientCertificate?:
    | {
        readonly commonName: string;
        readonly fingerprint: string;
        readonly names: readonly string[];
      }
    | undefined;
  readonly expect: 'allow' | 'deny' | 'sign-in';
}

const address = parsed('an address such as 192.0.2.1', (written) => {
  if (isIP(written) !== 0) return written;
  const message = `${show(written)} is not an address; write one such as 192.0.2.1`;
  throw new PosternError('CONFIG_INVALID', message);
});

/** `identity` of a test, and what `policy test` reads from a file. */
export const testIdentitySchema = mapping({
  // Any text: a test may say that an odd address is let in nowhere.
  email: text('an address such as ann@example.com').optional(),
  groups: list(text('the name of a group')).default([]),
  claims: z.record(z.string(), z.unknown(), { error: expected('a mapping of claims') }).default({}),
  provider: text('the id of an identity provider').optional(),
  methods: list(text('a method such as mfa')).default([]),
});

const certificate = mapping({
  'common-name': text('the name in the subject of a certificate').optional(),
  fingerprint: fingerprint().optional(),
  names: list(text('an e-mail address or DNS name in the certificate')).default([]),
}).transform(({ 'common-name': commonName = '', fingerprint: hash = '', names }) => ({
  commonName,
  fingerprint: hash,
  names,
}));

/** One entry of `tests`. */
export const policyTestSchema = mapping({
  identity: testIdentitySchema.optional(),
  'service-token': text('the name of a service token').optional(),
  address: address.optional(),
  country: country().optional(),
  path: text('a path such as /admin').optional(),
  'client-certificate': certificate.optional(),
  expect: oneOf(['allow', 'deny', 'sign-in']),
}).transform(
  ({
    'service-token': serviceToken,
    'client-certificate': clientCertificate,
    ...rest
  }): PolicyTest => ({ ...rest, serviceToken, clientCertificate }),
);
