/**
 * Applications, their policies, and the identity providers that sign users in, as the gateway's file describes them.
 *
 * This module only reads them. Sign-in comes with a later version: until then a policy other than `bypass` for
 * everyone opens nothing, and that is decided by the gateway, never here. design.md §6, §10.
 */
import type { HostnamePattern } from './hostname-pattern.ts';

export const POLICY_ACTIONS = ['allow', 'deny', 'bypass', 'service-auth'] as const;

/** What a policy does with whom it matches. */
export type PolicyAction = (typeof POLICY_ACTIONS)[number];

/** One condition of a policy. */
export type Selector =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'email' | 'email-domain' | 'group'; readonly value: string };

/** One policy: it matches when any of `include`, all of `require` and none of `exclude` hold. */
export interface Policy {
  readonly action: PolicyAction;
  readonly include: readonly Selector[];
  readonly require: readonly Selector[];
  readonly exclude: readonly Selector[];
}

/** A case that the policies of an application must decide as it says. Read, not run, in this version. */
export interface PolicyTest {
  readonly identity: {
    readonly email?: string | undefined;
    readonly groups: readonly string[];
  };
  readonly expect: 'allow' | 'deny';
}

/** What policies protect. */
export interface Application {
  /** Unique; used in logs and metrics. */
  readonly name: string;
  readonly hostname: HostnamePattern;
  readonly sessionDurationMs: number;
  /** In order; the first that matches decides. None means denied. */
  readonly policies: readonly Policy[];
  readonly tests: readonly PolicyTest[];
}

/** Where users sign in. Read, not used, in this version. */
export type IdentityProvider =
  | {
      readonly type: 'oidc';
      readonly id: string;
      readonly issuer: string;
      readonly clientId: string;
      readonly clientSecretFile?: string | undefined;
    }
  | { readonly type: 'saml'; readonly id: string; readonly idpMetadataFile: string };
