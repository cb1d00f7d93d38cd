/**
 * Everything of access in a gateway, composed: sessions, tokens, the gate, sign-in and what they tell the audit log.
 *
 * The listeners know `http`, `tcp` and `clients` and nothing behind them. Construct, start, then listen; stop last.
 */
import { AppSignIn } from '../../access/app-sign-in/app-sign-in.ts';
import { ChangeWatch, type ChangeListener } from '../../access/change-watch.ts';
import { FollowedSessions } from '../../access/client-sign-in/followed-sessions.ts';
import { createClientSignIn } from '../../access/client-sign-in/create-client-sign-in.ts';
import { Gate, type Verdict } from '../../access/gate.ts';
import { readSamlProviders } from '../../access/saml/known-providers.ts';
import { displayName } from '../../access/pages/display-name.ts';
import { CountryDatabase } from '../../access/policy/country-database.ts';
import type { AccessRules } from '../../access/policy/decide.ts';
import { PublicAddress } from '../../access/public-address.ts';
import { ServiceTokens } from '../../access/service-tokens.ts';
import { Sessions } from '../../access/sessions/sessions.ts';
import type { Session } from '../../access/sign-in/sign-in-ports.ts';
import { createSignIn } from '../../access/sign-in/create-sign-in.ts';
import type { SignIn } from '../../access/sign-in/sign-in.ts';
import { SshAuthority } from '../../access/ssh/ssh-authority.ts';
import { SshCertificates } from '../../access/ssh/ssh-certificates.ts';
import { AppTokens } from '../../access/tokens/app-tokens.ts';
import { SigningKeys } from '../../access/tokens/signing-keys.ts';
import { StreamAssertions } from '../../access/tokens/stream-assertions.ts';
import type { WebRequest, WebResponse } from '../../access/web-message.ts';
import type { GatewayConfig } from '../../config/gateway-config.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import type { GatewayKey } from '../../protocol/message/gateway-key.ts';
import type { Store } from '../../store/store.ts';
import type { GatewayMetrics } from '../../telemetry/gateway-metrics.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { RequestRecord } from '../http/record/request-record.ts';
import { ClientGate } from '../relay/client-gate.ts';
import { createKeyCertificate } from '../tls/make-certificate.ts';
import { AuditWriter } from './audit-writer.ts';
import { DenialAudit } from './denial-audit.ts';
import { HttpAccess } from './http-access.ts';
import { IdentityHeaders } from './identity-headers.ts';
import { IssueAudit } from './issue-audit.ts';
import { OwnRoutes } from './own-routes.ts';
import { PrincipalReader } from './request-principal.ts';
import { TcpAccess } from './tcp-access.ts';
import { auditWebSocket } from './websocket-audit.ts';

/** How often the claims of people with something open are looked at, ms. */
const CLAIMS_MS = 10_000;

export interface GatewayAccessOptions {
  readonly config: GatewayConfig;
  readonly store: Store;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  /** Why nothing answers at a hostname at the moment; undefined when something should. */
  readonly unreachable: (hostname: string) => 'ROUTE_NOT_FOUND' | 'ROUTE_NO_REPLICA' | undefined;
  /** The public keys have changed. */
  readonly onKeys: () => void;
  /** Who else follows what other processes change. */
  readonly changes: ChangeListener;
}

export class GatewayAccess {
  readonly sessions: Sessions;
  readonly serviceTokens: ServiceTokens;
  readonly gate: Gate;
  readonly address: PublicAddress;
  /** For requests of users. */
  readonly http: HttpAccess;
  /** For plain TCP ports. */
  readonly tcp: TcpAccess;
  /** For links of clients. */
  readonly clients: ClientGate;
  readonly audit: AuditWriter;
  /** For connectors that want to know by what right a stream is opened. */
  readonly streams: StreamAssertions;
  readonly #options: GatewayAccessOptions;
  readonly #keys: SigningKeys;
  readonly #followed: FollowedSessions;
  readonly #tokens: AppTokens;
  readonly #watch: ChangeWatch;
  readonly #denials: DenialAudit;
  readonly #issues: IssueAudit;
  #signIn: SignIn | undefined;
  #routes: OwnRoutes | undefined;
  #appSignIn: AppSignIn | undefined;
  #country: CountryDatabase | undefined;
  #clientSessionMs: number;
  #claimsTimer: Timer | undefined;
  #keysTimer: Timer | undefined;

  constructor(options: GatewayAccessOptions) {
    const { config, store, log, metrics, clock } = options;
    this.#options = options;
    this.#clientSessionMs = config.clientSessionDurationMs;
    this.audit = new AuditWriter({ clock, log, metrics, append: (e) => store.audit.append(e) });
    this.#denials = new DenialAudit(this.audit.write, clock);
    this.#issues = new IssueAudit(this.audit.note);
    this.address = new PublicAddress(config.domain, config.externalPort);
    this.sessions = new Sessions({
      store: store.sessions,
      clock,
      audit: this.audit.write,
      durations: durationsOf(config),
    });
    this.serviceTokens = new ServiceTokens(store.serviceTokens, clock);
    this.gate = new Gate({
      rules: config,
      sessions: this.sessions,
      serviceTokens: this.serviceTokens,
      clock,
      country: (address) => this.#country?.countryOf(address),
    });
    this.#followed = new FollowedSessions({
      sessions: this.sessions,
      used: (session) => this.#used(session),
      onProblem: (err) => log.warn({ [FIELD.err]: err }, 'a client session is not in step'),
    });
    const rotationMs = config.signingKeyRotationMs;
    this.#keys = new SigningKeys({ store: store.keys, clock, rotationMs });
    this.#tokens = new AppTokens(this.#keys, this.address, clock);
    this.streams = new StreamAssertions(this.#keys, this.address, clock);
    this.#keys.onChanged(() => options.onKeys());
    this.#watch = new ChangeWatch({ changes: store.changes, clock, log });
    for (const one of [this.sessions, this.serviceTokens, this.gate, options.changes]) {
      this.#watch.add(one);
    }
    this.http = this.#httpAccess();
    this.tcp = new TcpAccess({
      gate: this.gate,
      onDenied: (denial) => this.#denials.add(denial),
      note: this.audit.note,
    });
    this.clients = new ClientGate({
      clock,
      gate: this.#auditedGate,
      sessions: this.sessions,
      serviceTokens: this.serviceTokens,
    });
  }

  /** Reads what it needs. Throws STORE_* and CONFIG_*. */
  async start(): Promise<void> {
    (await this.prepareCountries(this.#options.config.countryDatabase))();
    await this.serviceTokens.load();
    await this.#keys.tend();
    const signIn = await this.#makeSignIn();
    this.#signIn = signIn;
    this.#appSignIn = this.#makeAppSignIn(signIn);
    this.#routes = this.#makeRoutes(signIn, this.#appSignIn);
    await this.#watch.start();
    this.#lookAtClaims();
    this.#tendKeys();
  }

  /** What `streams` can be checked with. */
  get publicKeys(): GatewayKey[] {
    return this.#keys.jwks().keys.slice(-LIMITS.gatewayKeys).map(gatewayKeyOf);
  }

  /** Puts other policies, applications and durations in force; what they no longer allow ends now (case C12). */
  setConfig(config: AccessRules & Parameters<typeof durationsOf>[0]): void {
    this.sessions.setDurations(durationsOf(config));
    this.#clientSessionMs = config.clientSessionDurationMs;
    this.gate.setRules(config);
    const count = config.applications.length;
    this.audit.note({ type: 'policy.change', actor: 'config', detail: { applications: count } });
  }

  /** Reads a database of countries, where there is one; the result has it asked from now on. Throws CONFIG_*. */
  async prepareCountries(file: string | undefined): Promise<() => void> {
    const database = file === undefined ? undefined : await CountryDatabase.open(file);
    return () => void (this.#country = database);
  }

  async stop(): Promise<void> {
    this.#claimsTimer?.cancel();
    this.#keysTimer?.cancel();
    this.#denials.flush();
    await this.#watch.stop();
  }

  #httpAccess(): HttpAccess {
    const { gate, sessions, serviceTokens, address } = this;
    return new HttpAccess({
      gate,
      reader: new PrincipalReader({ sessions, serviceTokens, tokens: this.#tokens }),
      headers: new IdentityHeaders(this.#tokens, this.#options.clock),
      address,
      appSignIn: { leave: (input) => found(this.#appSignIn).leave(input) },
      own: async (request: WebRequest): Promise<WebResponse> => found(this.#routes).answer(request),
      onUsed: (session) => this.#used(session),
      onDenied: (denial) => this.#denials.add(denial),
      onLive: (record: RequestRecord, verdict: Verdict) =>
        auditWebSocket(record, verdict, this.audit.note),
    });
  }

  async #makeSignIn(): Promise<SignIn> {
    const { config, store, log, clock } = this.#options;
    return createSignIn({
      providers: config.identityProviders,
      samlProviders: await readSamlProviders(config),
      certify: createKeyCertificate,
      store,
      sessions: this.sessions,
      address: this.address,
      audit: this.audit.write,
      log,
      clock,
    });
  }

  #makeAppSignIn(signIn: SignIn): AppSignIn {
    const { gate, sessions, address } = this;
    return new AppSignIn({
      gate,
      sessions,
      tokens: this.#tokens,
      codes: this.#options.store.onceItems,
      address,
      clock: this.#options.clock,
      signIn,
      onDenied: (request, verdict) => this.#deniedAtSignIn(request, verdict),
      onIssued: (request, verdict, session, purpose) =>
        this.#issues.issued(
          request,
          { application: verdict.application?.name ?? '', policy: verdict.policy?.name },
          session,
          purpose,
        ),
    });
  }

  /** On the way to an application, where the access log has no line of that application (case A4). */
  #deniedAtSignIn({ address, requestId }: WebRequest, verdict: Verdict): void {
    const { application, policy, principal, outcome, reason } = verdict;
    const hostname = application?.hostname.text ?? '';
    this.#denials.add({ verdict, hostname, address, requestId });
    const { session } = principal;
    this.#options.log.info(
      {
        [FIELD.request]: requestId,
        [FIELD.client]: address,
        [FIELD.hostname]: hostname,
        [FIELD.user]: session && displayName(session.identity),
        [FIELD.session]: session?.id,
        [FIELD.application]: application?.name,
        [FIELD.policy]: policy?.name,
        [FIELD.decision]: outcome,
        [FIELD.accessReason]: reason,
      },
      'not let in after signing in',
    );
  }

  #makeRoutes(signIn: SignIn, appSignIn: AppSignIn): OwnRoutes {
    const { sessions, serviceTokens, address } = this;
    const { store, log, clock } = this.#options;
    const gate = this.#auditedGate;
    const audit = this.audit.write;
    const { clientSignIn, proofs } = createClientSignIn({
      browser: signIn,
      sessions,
      clientSessionMs: () => this.#clientSessionMs,
      gate,
      tokens: this.#tokens,
      keys: this.#keys,
      codes: store.onceItems,
      address,
      unreachable: (hostname) => this.#options.unreachable(hostname),
      isRouted: (hostname) => this.#options.unreachable(hostname) !== 'ROUTE_NOT_FOUND',
      audit,
      log,
      clock,
    });
    const authority = new SshAuthority(store.keys, clock);
    const sshParts = { authority, sessions, serviceTokens, gate, audit, log, clock };
    return new OwnRoutes({
      gate: this.gate,
      sessions,
      tokens: this.#tokens,
      keys: this.#keys,
      address,
      signIn,
      appSignIn,
      clientSignIn,
      proofs,
      sshCertificates: new SshCertificates(sshParts),
    });
  }

  /** For clients: what is decided against them is in the audit log, and sessions that are used are refreshed. */
  get #auditedGate(): Pick<Gate, 'judge' | 'hold' | 'rules'> {
    const { gate } = this;
    return {
      get rules() {
        return gate.rules;
      },
      judge: (ask) => {
        const verdict = this.gate.judge(ask);
        const { hostname, address, principal } = ask;
        if (principal.session !== undefined) this.#used(principal.session);
        if (verdict.outcome === 'deny') {
          this.#denials.add({ verdict, hostname, address, requestId: '' });
        }
        return verdict;
      },
      hold: (...held) => this.gate.hold(...held),
    };
  }

  #used(session: Session): void {
    if (session.kind === 'client') void this.#followed.used(session);
    else void this.#signIn?.used(session);
  }

  /** Connectors must know a key before it signs, and streams are signed with what is in memory. */
  #tendKeys(): void {
    const { clock, log } = this.#options;
    this.#keysTimer = clock.after(this.#keys.tendEveryMs, () => {
      this.#keys.tend().catch((err: unknown) => {
        log.error({ [FIELD.err]: err }, 'cannot look after the signing keys');
      });
      this.#tendKeys();
    });
  }

  /** What is open uses its session all the time. */
  #lookAtClaims(): void {
    this.#claimsTimer = this.#options.clock.after(CLAIMS_MS, () => {
      for (const session of this.gate.heldSessions()) this.#used(session);
      this.#lookAtClaims();
    });
  }
}

function durationsOf(
  config: Pick<GatewayConfig, 'sessionDurationMs' | 'clientSessionDurationMs'>,
): { browser: number; client: number } {
  return { browser: config.sessionDurationMs, client: config.clientSessionDurationMs };
}

function gatewayKeyOf({
  kid = '',
  x = '',
  y = '',
}: {
  readonly kid?: string;
  readonly x?: string;
  readonly y?: string;
}): GatewayKey {
  return { kid, kty: 'EC', crv: 'P-256', x, y };
}

/** Listeners open after the start, when all parts are there. */
function found<T>(part: T | undefined): T {
  if (part === undefined) throw new TypeError('a part of access was not started');
  return part;
}
