/**
 * A live interactive ssh session, with a counter running in it, through everything that ends it elsewhere: the gateway handed
 * over and killed, the links of connector and client broken, the laptop on another network. Real ssh and sshd, a real
 * pseudo-terminal, and a laptop in a network namespace of its own.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { signedInClient } from '../support/client-login.ts';
import { startConnector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway } from '../support/gateway.ts';
import { startLaptop, type Laptop } from '../support/laptop.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { startSshd, type Sshd } from '../support/real/sshd.ts';
import { posternCommand, posternEnv } from '../support/run.ts';
import { say } from '../support/say.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startTerminal, type Terminal } from '../support/terminal.ts';

const HOST = 'ssh.postern.test';
const GATEWAY = 'gw.postern.test';
const BLACK_HOLE_MS = 60_000;
/** What is told at once is not waited for: less than a silent peer is given (15 s), and ample where the machine is busy. */
const AT_ONCE_MS = 12_000;
/** What waits for a process to start, or for the next attempt to connect. Far from the minutes that a lost stream is kept. */
const SOON_MS = 40_000;
const ANN = {
  provider: 'local',
  subject: 'ann',
  email: 'ann@example.com',
  groups: [],
  methods: ['pwd'],
  claims: {},
};
/** Counts 20 times a second; what is typed comes back at the end of each line. */
const COUNTER =
  'stty -echo; i=0; while :; do echo "n=$i;"; i=$((i+1)); sleep 0.05; done & exec cat';

let gateway: Gateway;
let far: LinkProxy;
let laptop: Laptop;
let terminal: Terminal;
let counter: Counter;
/** The process that does the gateway's work. */
let worker: number;
/** The longest that an interruption took so far. */
let longestMs = 0;

/** The numbers that the session showed, and when. */
class Counter {
  /** performance.now() of each number, which is its index. */
  readonly seenAt: number[] = [];
  /** What was out of order, twice or missing. */
  wrong: string | undefined;
  #rest = '';

  get next(): number {
    return this.seenAt.length;
  }

  read(text: string): void {
    this.#rest += text;
    const now = performance.now();
    for (const match of this.#rest.matchAll(/n=(\d+);/g)) {
      if (Number(match[1]) !== this.next) {
        this.wrong ??= `${match[1]} where ${this.next} was expected`;
      }
      this.seenAt.push(now);
    }
    const end = this.#rest.lastIndexOf(';');
    this.#rest = this.#rest.slice(end + 1);
  }

  /** The longest time without a number from the `from`-th on, ms. */
  stoodStillMs(from: number): number {
    const times = this.seenAt.slice(Math.max(0, from - 1));
    return Math.round(Math.max(...times.map((at, index) => at - (times[index - 1] ?? at))));
  }
}

beforeAll(async () => {
  laptop = await startLaptop([GATEWAY, HOST, 'auth.postern.test']);
  const trusted = join(tempDir('trusted'), 'authorities');
  writeFileSync(trusted, '');
  const sshd = await startSshd({ config: [`TrustedUserCAKeys ${trusted}`] });
  const policies = [{ action: 'allow', include: ['any-identity'] }];
  gateway = await Gateway.create({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'local', type: 'local' }],
      applications: [{ name: 'shell', hostname: HOST, policies, ssh: { principals: [sshd.user] } }],
    },
  });
  const { https, http, metrics } = gateway.ports;
  const local = (port: number): string => `127.0.0.1:${port}`;
  // Where the laptop reaches it, too.
  const listen = { https: `0.0.0.0:${https}`, http: local(http), metrics: local(metrics) };
  gateway.configure({ listen });
  await gateway.start();
  writeFileSync(trusted, (await gateway.cli('gateway', 'ssh-ca')).stdout);
  far = await startLinkProxy({ target: { port: https } });
  const ingress = [{ hostname: HOST, service: sshd.service }];
  const connector = await startConnector({ gateway, ingress, via: [far] });
  await connector.linksUp();
  const { env } = await signedInClient(gateway, ANN);
  counter = new Counter();
  terminal = startSession(sshd, { ...env, POSTERN_GATEWAY: `https://${GATEWAY}:${https}` });
  await advanced(20);
});

function startSession(sshd: Sshd, env: Record<string, string>): Terminal {
  const options = sshd.clientOptions();
  const own = options.filter((word, at) => word !== '-i' && options[at - 1] !== '-i');
  const [postern, words] = posternCommand('access', 'ssh', HOST, ...own, '-tt', COUNTER);
  const [program, args] = laptop.command(postern, words);
  return startTerminal(program, args, {
    env: posternEnv(env),
    onShown: (text) => counter.read(text),
  });
}

/** Waits until the counter has shown so many more. */
async function advanced(by: number, deadlineMs = 30_000): Promise<void> {
  const target = counter.next + by;
  await eventually(() => counter.next >= target, {
    deadlineMs,
    what: `the counter to go on from ${counter.next}:\n${terminal.text().slice(-2_000)}`,
  });
}

/** Interrupts the session, types something into it meanwhile, and waits until it has caught up. */
async function through(what: string, interrupt: () => Promise<unknown>): Promise<number> {
  const from = counter.next;
  const word = `typed-${what.replaceAll(/\W/g, '-')}`;
  const interrupted = interrupt();
  terminal.type(`${word}\r`);
  await interrupted;
  await terminal.shows(new RegExp(word));
  // What was counted meanwhile comes first, then one that was counted after.
  await advanced(20);
  const stoodStillMs = counter.stoodStillMs(from);
  say(`${what}: stood still for ${stoodStillMs} ms`);
  longestMs = Math.max(longestMs, stoodStillMs);
  expect(counter.wrong).toBeUndefined();
  return stoodStillMs;
}

function pidOf(handOver: unknown): number {
  const pid: unknown = Reflect.get(Object(handOver), 'pid');
  if (typeof pid !== 'number') throw new Error(`no process in ${JSON.stringify(handOver)}`);
  return pid;
}

/** What the client said on the terminal, without the rest. */
function notes(): string[] {
  return terminal
    .text()
    .split(/[\r\n]+/)
    .filter((line) => line.startsWith('postern:'));
}

describe('a live ssh session', () => {
  it('goes on when the links of the connector are cut', async () => {
    const ms = await through('connector links cut', async () => far.cutAll());
    expect(ms).toBeLessThan(AT_ONCE_MS);
  });

  it('goes on when the gateway hands over to a new process', async () => {
    const ms = await through('gateway reloaded', async () => {
      worker = pidOf(await gateway.json('gateway', 'reload'));
    });
    expect(ms).toBeLessThan(AT_ONCE_MS);
  });

  it('goes on after a kill -9 of the process that serves', async () => {
    const ms = await through('gateway killed', async () => process.kill(worker, 'SIGKILL'));
    expect(ms).toBeLessThan(SOON_MS);
  });

  it('goes on when the address of the laptop changes', async () => {
    const ms = await through('address changed', laptop.changeAddress);
    // The change is seen within a second, and a link takes a few round trips.
    expect(ms).toBeLessThan(AT_ONCE_MS);
  });

  it('has said nothing so far: nothing lasted', () => {
    // Three seconds are told; a machine that is very busy may have needed them.
    if (longestMs < 2_500) expect(notes()).toEqual([]);
    expect(longestMs).toBeLessThan(SOON_MS);
  });

  it(`goes on after ${BLACK_HOLE_MS / 1000} s in a black hole, and says what it waits for`, async () => {
    let healedAt = 0;
    const before = counter.next;
    const saidBefore = notes().length;
    await through('black hole', async () => {
      await laptop.blackhole();
      const since = performance.now();
      await eventually(() => performance.now() - since >= BLACK_HOLE_MS, {
        deadlineMs: 2 * BLACK_HOLE_MS,
        everyMs: 100,
      });
      await laptop.restore();
      healedAt = performance.now();
    });
    const back = counter.seenAt.slice(before).find((at) => at > healedAt) ?? Infinity;
    say(`black hole: went on ${Math.round(back - healedAt)} ms after it was over`);
    expect(back - healedAt).toBeLessThan(SOON_MS);
    await eventually(() =>
      expect(notes().slice(saidBefore)).toEqual([
        expect.stringMatching(
          /^postern: the gateway is away; what is open waits for it, 4m\d+s more \(LINK_/,
        ),
        // From when it knew: a silent gateway is dead after 15 s.
        expect.stringMatching(/^postern: the gateway is back after ([45]\ds|1m(\d+s)?)$/),
      ]),
    );
  }, 240_000);

  it('ends like any other, with every number once and in order', async () => {
    terminal.type('\u0004'); // Ctrl-D
    expect(await terminal.exited).toMatchObject({ code: 0 });
    expect(counter.wrong).toBeUndefined();
    expect(counter.next).toBeGreaterThan(1_000);
  });
});
