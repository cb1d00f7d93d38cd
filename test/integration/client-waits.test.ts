/**
 * What somebody at a terminal is told while their stream waits, and when it does so no longer; and that a machine which slept
 * goes on at once. Processes of their own, on both sides.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { startForward, type RunningForward } from '../support/client.ts';
import { signedInClient } from '../support/client-login.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { startTcpOrigin } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';

const HOSTNAME = 'db.postern.test';
const HASTY = 'hasty.postern.test';
/** Enough for a sign-in and a start on a busy machine, ms. */
const LASTS_MS = 15_000;
/** What is over sooner is not told to anybody; a busy machine may need longer, ms. */
const TOLD_MS = 2_500;
/** How long processes are stopped: more than a look at the clock may come late. */
const SLEEP_MS = 8_000;

let gateway: Gateway;
let connector: Connector;
/** Between the connector and the gateway. */
let far: LinkProxy;
/** Two whose sessions last for LASTS_MS: one that waits for the gateway, and one that moves. They go on beside the other cases. */
let [waiting, moving]: Promise<void>[] = [];

beforeAll(async () => {
  const { service } = await startTcpOrigin((socket) => socket.pipe(socket));
  const policies = [{ action: 'allow', include: ['any-identity'] }];
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        { name: 'db', hostname: HOSTNAME, policies },
        { name: 'hasty', hostname: HASTY, 'detached-timeout': '2s', policies },
      ],
    },
  });
  far = await startLinkProxy({ target: { port: gateway.ports.https } });
  connector = await startConnector({
    gateway,
    via: [far],
    ingress: [
      { hostname: HOSTNAME, service },
      { hostname: HASTY, service },
    ],
  });
  await connector.linksUp();
  waiting = accessEndsWhileWaiting(await start('dora', { lastsMs: LASTS_MS }));
  moving = accessEndsWhileMoving(await start('expired', { lastsMs: LASTS_MS }));
  for (const one of [waiting, moving]) one.catch(() => undefined);
});

interface Client extends RunningForward {
  readonly near: LinkProxy;
  readonly echo: EchoClient;
  readonly session: string;
  /** What it said since it was ready. */
  readonly notes: () => string[];
}

/** A client with one connection that has reached the origin. */
async function start(
  name: string,
  { hostname = HOSTNAME, lastsMs = 600_000 } = {},
): Promise<Client> {
  const near = await startLinkProxy({ target: { port: gateway.ports.https } });
  const email = `${name}@postern.test`;
  const identity = { provider: 'house', subject: name, email, groups: [], methods: ['pwd'] };
  const { env, session } = await signedInClient(gateway, { ...identity, claims: {} }, lastsMs);
  const through = { POSTERN_GATEWAY: `https://127.0.0.1:${near.port}` };
  const forward = await startForward({ gateway, hostname, env: { ...env, ...through } });
  const echo = new EchoClient(openTcp(forward.port), 0);
  await echo.round(1_000);
  const notes = (): string[] =>
    forward.process.stderr.split('\n').filter((line) => /^postern: (?!.* is on 127)/.test(line));
  return { ...forward, near, echo, session, notes };
}

async function accessEndsWhileWaiting({ near, process }: Client): Promise<void> {
  await near.refuse();
  near.cutAll();
  await process.waitForLine(/the gateway is away; what is open waits for it, \d+s more/);
  await process.waitForLine(
    /^postern: db\.postern\.test: Cannot resume the stream: access to it has ended \(ACCESS_REVOKED\)$/,
  );
}

async function accessEndsWhileMoving({ process }: Client): Promise<void> {
  await process.waitForLine(
    /^postern: db\.postern\.test: Cannot go on: access to "db\.postern\.test" has ended \(ACCESS_REVOKED\)$/,
  );
  await process.waitForLine(
    /^postern: the session of this client has ended; sign in again, and start it anew$/,
  );
}

describe('a stream that waits', () => {
  it('for the gateway: says so when it lasts, for how long, and when it is over', async () => {
    const { near, process, echo, notes } = await start('ann');
    await near.refuse();
    near.cutAll();
    await process.waitForLine(
      /^postern: the gateway is away; what is open waits for it, 4m\d+s more \(LINK_REFUSED: .*\)$/,
    );
    await near.restore();
    await process.waitForLine(/^postern: the gateway is back after \d+s$/);
    await echo.round(1_000);
    const cutAt = performance.now();
    near.cutAll();
    await echo.round(1_000);
    if (performance.now() - cutAt < TOLD_MS) expect(notes()).toHaveLength(2);
  });

  it('for as long as its application allows, and then says that it is lost', async () => {
    const { near, process } = await start('cleo', { hostname: HASTY });
    await near.refuse();
    near.cutAll();
    const since = performance.now();
    await process.waitForLine(
      /^postern: hasty\.postern\.test: Cannot resume the stream: no way to its other end within 2s \(STREAM_LOST\)$/,
    );
    expect(performance.now() - since).toBeLessThan(20_000);
  });

  it('not beyond the session of its user, and says that access has ended', async () => {
    await waiting;
  });
});

describe('a stream that moves', () => {
  it('ends with its session: expired', async () => {
    await moving;
  });

  it('ends with its session: revoked', async () => {
    const client = await start('revoked');
    await gateway.json('gateway', 'sessions', 'revoke', client.session);
    await accessEndsWhileMoving(client);
  });
});

describe('a stream that waits for its connector', () => {
  it('says so, and not that the gateway is away', async () => {
    const { process, echo, notes } = await start('bob');
    await far.refuse();
    far.cutAll();
    await process.waitForLine(
      /^postern: the connector of "db\.postern\.test" is away; what is open waits for it, 4m\d+s more$/,
    );
    await far.restore();
    await process.waitForLine(/^postern: the connector is back after \d+s$/);
    await echo.round(1_000);
    expect(notes()).toHaveLength(2);
    await connector.linksUp();
  });
});

describe('a machine that slept', () => {
  it('dials again at once, on either side, and its streams go on', async () => {
    const { process, echo, notes } = await start('gil');
    const woken = (): number =>
      connector.log.filter(({ msg }) => msg === 'dialling all links again').length;
    const clients = (): number =>
      gateway.log.filter(({ msg }) => msg === 'client connected').length;
    const [wokenBefore, clientsBefore] = [woken(), clients()];
    const sleeping = [process, connector.process];
    for (const one of sleeping) one.kill('SIGSTOP');
    const since = performance.now();
    await eventually(() => performance.now() - since >= SLEEP_MS, { deadlineMs: 2 * SLEEP_MS });
    for (const one of sleeping) one.kill('SIGCONT');
    const awake = performance.now();
    await eventually(() => woken() > wokenBefore && clients() > clientsBefore);
    await echo.round(10_000);
    const tookMs = performance.now() - awake;
    say(`went on ${Math.round(tookMs)} ms after they woke`);
    if (tookMs < TOLD_MS) expect(notes()).toEqual([]);
    await connector.linksUp();
  });
});
