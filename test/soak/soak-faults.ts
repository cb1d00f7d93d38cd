/** The faults of the soak, each as it happens to people, and each over when Postern has nothing left to mend. */
import { setTimeout as delay } from 'node:timers/promises';

import { signedInClient } from '../support/client-login.ts';
import { startForward } from '../support/client.ts';
import { reloadBySignal } from '../support/connector-reload.ts';
import { eventually } from '../support/eventually.ts';
import type { LinkProxy } from '../support/link-proxy.ts';
import type { FaultKind } from '../support/load/faults.ts';
import { activeWorker, killProcess, reloadGateway } from '../support/load/interruptions.ts';
import { ANN, HOSTS, type LoadLab } from '../support/load/load-lab.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** The longest silence of all links, ms: shorter than what makes a link dead. */
const SILENT_MS = 5_000;
/** A single link may be silent for longer than that, ms: it must be noticed. */
const DEAD_LINK_MS = 17_000;
/** How long what a revoked session has open may live on, ms: the promise is a second, for one who has the machine alone. */
const REVOKED_MS = 3_000;

export class SoakFaults {
  readonly #lab: LoadLab;
  readonly #random: SeededRandom;
  readonly #env: Readonly<Record<string, string>>;
  readonly #started: () => void;
  #web: HttpOrigin;

  /** `env` is for the processes that faults start; `started` is called after each start of the gateway. */
  constructor(
    lab: LoadLab,
    random: SeededRandom,
    env: Readonly<Record<string, string>>,
    started: () => void,
  ) {
    this.#lab = lab;
    this.#random = random;
    this.#env = env;
    this.#started = started;
    this.#web = lab.web;
  }

  readonly actions: Readonly<Record<FaultKind, () => Promise<unknown>>> = {
    'gateway reload': () => reloadGateway(this.#lab.gateway),
    'worker killed': async () => killProcess(await activeWorker(this.#lab.gateway)),
    'supervisor killed': () => this.#killSupervisor(),
    'connector reload': () => reloadBySignal(this.#lab.connector),
    'connector links cut': async () => this.#cut(this.#path('connector')),
    'client links cut': async () => this.#cut(this.#path('client')),
    'connector links silent': () => this.#silence(this.#path('connector')),
    'client links silent': () => this.#silence(this.#path('client')),
    'HTTP origin restarted': () => this.#restartOrigin(),
    'session revoked': () => this.#revoke(),
  };

  #path(side: 'connector' | 'client'): LinkProxy {
    const { paths } = this.#lab;
    if (paths === undefined) throw new Error('Cannot break links: they are not breakable');
    return paths[side];
  }

  async #killSupervisor(): Promise<void> {
    const { gateway } = this.#lab;
    gateway.process.kill('SIGKILL');
    await gateway.process.exited;
    await gateway.start();
    this.#started();
  }

  #cut(path: LinkProxy): void {
    const kind = this.#random.next() < 0.7 ? 'reset' : 'fin';
    const isAll = this.#random.next() < 0.5 || path.connections() === 0;
    if (isAll) path.cutAll(kind);
    else path.cutOne(this.#random.below(path.connections()), kind);
  }

  async #silence(path: LinkProxy): Promise<void> {
    const isOne = this.#random.next() < 0.3 && path.connections() > 0;
    if (isOne) path.blackhole(this.#random.below(path.connections()));
    else path.blackhole();
    await delay(isOne ? DEAD_LINK_MS : SILENT_MS * this.#random.next());
    await path.restore();
  }

  async #restartOrigin(): Promise<void> {
    const { port } = this.#web;
    await this.#web.stop();
    this.#web = await startHttpOrigin({ port });
  }

  /** Somebody else's session ends while it has a stream open; nobody but that person may notice. */
  async #revoke(): Promise<void> {
    const { gateway, exchanges } = this.#lab;
    const { env, session } = await signedInClient(gateway, { ...ANN, subject: 'bob' });
    const own = { ...env, ...this.#env };
    const { port, process } = await startForward({ gateway, hostname: HOSTS.db, env: own });
    const exchange = exchanges.begin(port, { up: Infinity, down: Infinity, paceMs: 20 });
    await eventually(() => exchange.hasArrived, { deadlineMs: 20_000, what: 'a stream' });
    const broken = exchange.done.then(
      () => Infinity,
      () => performance.now(),
    );
    await gateway.json('gateway', 'sessions', 'revoke', session);
    const revokedAt = performance.now();
    const tookMs = (await Promise.race([broken, delay(REVOKED_MS, Infinity)])) - revokedAt;
    exchange.giveUp();
    await process.stop();
    if (tookMs > REVOKED_MS) throw new Error('A stream lives on after its session was revoked');
  }
}
