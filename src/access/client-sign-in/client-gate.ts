/**
 * The gate, the keys and the tokens of the gateway as signing in from the command line uses them.
 *
 * Judges without a body of a request and without a browser; what it allows is a token for one application, never anything else.
 */
import { calculateJwkThumbprint, SignJWT } from 'jose';
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Gate, GateAsk } from '../gate.ts';
import { findApplication } from '../policy/find-application.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';
import type { AppTokens } from '../tokens/app-tokens.ts';
import { TOKEN_ALGORITHM, type SigningKeys } from '../tokens/signing-keys.ts';
import type { ClientAsk, ClientVerdict, MintedToken } from './client-sign-in-ports.ts';
import type { ProofClaims } from './proofs.ts';

export interface ClientGateOptions {
  /** The gate, and a word to the audit log about denials. */
  readonly gate: Pick<Gate, 'judge' | 'rules'>;
  readonly tokens: Pick<AppTokens, 'mint'>;
  readonly keys: Pick<SigningKeys, 'current' | 'jwks'>;
  readonly clock: Clock;
}

export class ClientGate {
  readonly #options: ClientGateOptions;

  constructor(options: ClientGateOptions) {
    this.#options = options;
  }

  judge(ask: ClientAsk): ClientVerdict {
    const { outcome, by, reason } = this.#options.gate.judge(gateAsk(ask));
    if (outcome === 'allow') return by === 'user' ? 'allow' : 'open';
    if (reason === 'purpose-missing') return 'purpose';
    return outcome;
  }

  /** Name of the application at a hostname. */
  applicationAt(hostname: string): string | undefined {
    const { applications } = this.#options.gate.rules;
    const found = findApplication(applications, hostname, '/');
    return typeof found === 'string' ? undefined : found.name;
  }

  async mint(ask: ClientAsk & { readonly session: Session }): Promise<MintedToken> {
    const { gate, tokens, clock } = this.#options;
    const { session, purpose } = ask;
    const { application, endsAt } = gate.judge(gateAsk(ask));
    const expiresAt = Math.min(endsAt, clock.wall() + LIMITS.clientAppTokenMs);
    const name = application?.name ?? '';
    const said = purpose === undefined ? {} : { purpose };
    const token = await tokens.mint({ session, application: name, expiresAt, ...said });
    return { token, application: name, expiresAt };
  }

  /** RFC 7638, of every key in the JWKS. */
  async thumbprints(): Promise<string[]> {
    const { keys } = this.#options;
    // Makes the first key where there is none yet.
    await keys.current();
    return Promise.all(keys.jwks().keys.map(async (jwk) => calculateJwkThumbprint(jwk)));
  }

  /** Signs a proof, with the public key beside it. */
  async sign(claims: ProofClaims): Promise<string> {
    const { keys, clock } = this.#options;
    const { kid, key } = await keys.current();
    const { kty, crv, x, y } = keys.jwks().keys.find((jwk) => jwk.kid === kid) ?? {};
    return new SignJWT({ ...claims })
      .setProtectedHeader({
        alg: TOKEN_ALGORITHM,
        typ: 'postern-proof+jwt',
        kid,
        jwk: { kty: kty ?? '', crv: crv ?? '', x: x ?? '', y: y ?? '' },
      })
      .setIssuedAt(Math.floor(clock.wall() / 1000))
      .sign(key);
  }
}

function gateAsk({ hostname, path, address, session, purpose }: ClientAsk): GateAsk {
  return { hostname, path, address, principal: { session }, purpose };
}
