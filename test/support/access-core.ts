/**
 * Sessions, tokens and the gate as a gateway composes them, on a real database and a clock that the test moves.
 */
import { ChangeWatch } from '../../src/access/change-watch.ts';
import { Gate } from '../../src/access/gate.ts';
import type { Identity } from '../../src/access/identity.ts';
import type { AccessRules } from '../../src/access/policy/decide.ts';
import { PublicAddress } from '../../src/access/public-address.ts';
import { ServiceTokens } from '../../src/access/service-tokens.ts';
import { Sessions } from '../../src/access/sessions/sessions.ts';
import { AppTokens } from '../../src/access/tokens/app-tokens.ts';
import { SigningKeys } from '../../src/access/tokens/signing-keys.ts';
import type { Store } from '../../src/store/store.ts';
import { openStore } from '../../src/store/sqlite/open.ts';
import type { AuditFact } from '../../src/telemetry/audit-event.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { eventually } from './eventually.ts';
import { FakeClock } from './fake-clock.ts';
import { cleanup } from './cleanup.ts';
import { tempDir } from './temp-dir.ts';

const HOUR_MS = 3_600_000;

export const ANN: Identity = {
  provider: 'corp',
  subject: 'u1',
  email: 'ann@example.com',
  name: 'Ann',
  groups: ['staff'],
  methods: ['pwd'],
  claims: {},
};

/** A browser of Ann's that signs in. */
export const ANNS_BROWSER = {
  kind: 'browser',
  identity: ANN,
  address: '192.0.2.1',
  agent: 'Firefox',
} as const;

export interface AccessCore {
  readonly store: Store;
  readonly clock: FakeClock;
  readonly sessions: Sessions;
  readonly serviceTokens: ServiceTokens;
  readonly gate: Gate;
  readonly keys: SigningKeys;
  readonly tokens: AppTokens;
  readonly address: PublicAddress;
  readonly watch: ChangeWatch;
  readonly audit: AuditFact[];
  /** Lets `ms` pass, and waits until everything that came of it is done. */
  readonly pass: (ms: number) => Promise<void>;
}

export interface AccessCoreOptions {
  /** Default: a new one. Another core's file makes this one a second process on its database. */
  readonly file?: string;
  readonly clock?: FakeClock;
  readonly rules?: AccessRules;
  readonly cached?: number;
}

/** Made for one test. */
export async function accessCore(options: AccessCoreOptions = {}): Promise<AccessCore> {
  const clock = options.clock ?? new FakeClock();
  const file = options.file ?? `${tempDir('access')}/postern.db`;
  const store = await openStore({ file, clock });
  cleanup(async () => {
    await watch.stop();
    await store.close();
  });
  const audit: AuditFact[] = [];
  const rules = options.rules ?? { applications: [], groups: [], defaultPolicy: 'public' };
  const sessions = new Sessions({
    store: store.sessions,
    clock,
    audit: async (fact) => void audit.push(fact),
    durations: { browser: 8 * HOUR_MS, client: 24 * HOUR_MS },
    ...(options.cached === undefined ? {} : { cached: options.cached }),
  });
  const serviceTokens = new ServiceTokens(store.serviceTokens, clock);
  const gate = new Gate({ rules, sessions, serviceTokens, clock });
  const address = new PublicAddress('postern.test', 8443);
  const keys = new SigningKeys({ store: store.keys, clock, rotationMs: 30 * 24 * HOUR_MS });
  const tokens = new AppTokens(keys, address, clock);
  let ticks = 0;
  const log = createLog({ component: 'gateway', level: 'silent' });
  const watch = new ChangeWatch({ changes: store.changes, clock, log });
  for (const listener of [sessions, serviceTokens, gate]) watch.add(listener);
  watch.add({ onChange: () => undefined, onMissed: () => undefined, onTick: () => (ticks += 1) });
  await watch.start();
  const pass = async (ms: number): Promise<void> => {
    const before = ticks;
    clock.run(ms);
    await eventually(() => ticks > before);
  };
  return { store, clock, sessions, serviceTokens, gate, keys, tokens, address, watch, audit, pass };
}
