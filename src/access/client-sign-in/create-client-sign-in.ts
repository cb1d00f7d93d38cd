/** Signing in from the command line as a gateway runs it: on its sessions, its gate, its keys and its store. */
import type { OnceStore } from '../../store/store.ts';
import type { PublicAddress } from '../public-address.ts';
import { ClientGate, type ClientGateOptions } from './client-gate.ts';
import { ClientSignIn } from './client-sign-in.ts';
import type { ClientSignInPorts } from './client-sign-in-ports.ts';
import { Proofs } from './proofs.ts';

export interface CreateClientSignInOptions
  extends
    ClientGateOptions,
    Pick<
      ClientSignInPorts,
      'browser' | 'sessions' | 'clientSessionMs' | 'unreachable' | 'audit' | 'log'
    > {
  readonly codes: OnceStore;
  readonly address: PublicAddress;
  /** Whether a route leads from a hostname, in normal form, to a tunnel. */
  isRouted(hostname: string): boolean;
}

/** Answers `/.postern/client/…` on the auth host, and `/.postern/proof` on every host. */
export function createClientSignIn(options: CreateClientSignInOptions): {
  readonly clientSignIn: ClientSignIn;
  readonly proofs: Proofs;
} {
  const { codes, address } = options;
  const gate = new ClientGate(options);
  const proofs = new Proofs({
    domain: address.domain,
    issuer: () => address.authOrigin,
    isRouted: (hostname) => options.isRouted(hostname),
    applicationAt: (hostname) => gate.applicationAt(hostname),
    thumbprints: async () => gate.thumbprints(),
    sign: async (claims) => gate.sign(claims),
  });
  const clientSignIn = new ClientSignIn({
    ...pick(options),
    rows: codes,
    address,
    judge: (ask) => gate.judge(ask),
    mint: async (ask) => gate.mint(ask),
    thumbprints: async () => gate.thumbprints(),
  });
  return { clientSignIn, proofs };
}

function pick(
  options: CreateClientSignInOptions,
): Omit<ClientSignInPorts, 'rows' | 'address' | 'judge' | 'mint' | 'thumbprints'> {
  const { browser, sessions, audit, log, clock } = options;
  return {
    browser,
    sessions,
    audit,
    log,
    clock,
    clientSessionMs: () => options.clientSessionMs(),
    unreachable: (hostname) => options.unreachable(hostname),
  };
}
