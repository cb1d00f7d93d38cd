/**
 * Who may attach a stream that is not theirs, or no longer, and how: nobody. A real gateway and a real connector; the clients
 * are honest ones in this process, and raw ones that say whatever they like.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { GatewayLink } from '../../src/client/link/gateway-link.ts';
import type { PosternError } from '../../src/core/error.ts';
import type { Stream } from '../../src/protocol/stream.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { StreamDuplex } from '../../src/transport/stream-duplex.ts';
import { cleanup } from '../support/cleanup.ts';
import { signedInClient } from '../support/client-login.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { patternSha256 } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import {
  rawClient,
  type RawAnswer,
  type RawClient,
  type RawStream,
} from '../support/raw-stream.ts';
import { startTcpOrigin } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { EchoClient } from '../support/tcp-client.ts';

const HOSTNAME = 'db.postern.test';
const OTHER = 'other.postern.test';
const RACES = 200;
const KiB = 1024;
const POLICY = { action: 'allow', include: [{ 'email-domain': 'postern.test' }] };

let gateway: Gateway;
/** What the origin has received on each connection: SHA-256 and length, and how it ended. */
const arrived: { hash: ReturnType<typeof createHash>; bytes: number; socket: Socket }[] = [];

beforeAll(async () => {
  // An echo that keeps count.
  const origin = await startTcpOrigin((socket) => {
    const one = { hash: createHash('sha256'), bytes: 0, socket };
    arrived.push(one);
    socket.on('data', (chunk: Buffer) => {
      one.hash.update(chunk);
      one.bytes += chunk.byteLength;
    });
    socket.pipe(socket);
  });
  const service = origin.service;
  ({ gateway } = await startPostern({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        { name: 'db', hostname: HOSTNAME, policies: [POLICY] },
        { name: 'other', hostname: OTHER, policies: [POLICY] },
      ],
    },
    ingress: [
      { hostname: HOSTNAME, service },
      { hostname: OTHER, service },
    ],
  }));
});

interface Person {
  readonly session: string;
  readonly secret: string;
}

async function person(name: string, lastsMs?: number): Promise<Person> {
  const email = `${name}@postern.test`;
  const identity = { subject: name, email, groups: [], methods: ['pwd'], claims: {} };
  return signedInClient(gateway, { provider: 'house', ...identity }, lastsMs);
}

/** A stream of an honest client that the origin has heard from. */
interface Honest {
  readonly link: GatewayLink;
  readonly stream: Stream;
  /** Sends bytes and checks the echo. */
  readonly round: (bytes: number) => Promise<void>;
  /** The origin's end. */
  readonly origin: Socket;
  readonly ended: Promise<PosternError | undefined>;
}

async function honest({ secret }: Person, via?: LinkProxy): Promise<Honest> {
  const link = new GatewayLink({
    gateway: `https://127.0.0.1:${via?.port ?? gateway.ports.https}`,
    ca: gateway.ca,
    credential: secret,
    log: createLog({ component: 'client', level: 'silent' }),
  });
  cleanup(async () => link.stop());
  await link.start();
  const before = arrived.length;
  const stream = await link.open(HOSTNAME);
  const duplex = new StreamDuplex(stream);
  const ended = new Promise<PosternError | undefined>((resolve) => {
    duplex.on('error', () => undefined);
    duplex.on('close', () => resolve(stream.error));
  });
  const echo = new EchoClient(duplex, 0);
  await echo.round(1_000);
  const origin = arrived[before]?.socket as Socket;
  return { link, stream, round: async (bytes) => echo.round(bytes), origin, ended };
}

/** The lines of the gateway's log about refused and ended streams, by their code. */
function logged(code: string): string[] {
  return gateway.log.filter(({ errCode }) => errCode === code).map(({ msg }) => String(msg));
}

/** The process that does the gateway's work. */
async function servingProcess(): Promise<number> {
  const status = Object(await gateway.json('gateway', 'status')) as { workers?: unknown[] };
  const active = status.workers?.find((one) => Reflect.get(Object(one), 'state') === 'active');
  return Number(Reflect.get(Object(active), 'pid'));
}

/** What is left of a test: nobody else noticed. */
async function unharmed(...streams: readonly Honest[]): Promise<void> {
  await Promise.all(streams.map(async ({ round }) => round(20_000)));
}

describe('an attach is refused', () => {
  let ann: Person;
  let bystander: Honest;

  beforeAll(async () => {
    ann = await person('ann');
    bystander = await honest(ann);
  });

  /** What a client of this person is told when it attaches the stream with these words of its own. */
  async function attach(
    who: Person,
    { stream }: Honest,
    words: { readonly epoch?: number; readonly received?: number; readonly hostname?: string } = {},
  ): Promise<RawAnswer> {
    const { epoch = stream.epoch + 1, received = stream.bytesReceived } = words;
    const thief = await rawClient(gateway, who.secret);
    const { key, replica } = stream;
    const hostname = words.hostname ?? HOSTNAME;
    return thief.attach({ key, hostname, epoch, received, replica }).answered();
  }

  it("K18 for another user's key: to them there is no such stream", async () => {
    const victim = await honest(ann);
    const mallory = await person('mallory');
    expect(await attach(mallory, victim, { epoch: 7 })).toEqual({
      code: 'STREAM_UNKNOWN',
      reason: 'Cannot resume the stream: it is not known here',
    });
    expect(logged('STREAM_UNKNOWN')).toEqual(['client stream refused']);
    await unharmed(victim, bystander);
  });

  it('for another hostname that its own user may reach', async () => {
    const victim = await honest(ann);
    expect(await attach(ann, victim, { hostname: OTHER })).toMatchObject({
      code: 'STREAM_UNKNOWN',
    });
    await unharmed(victim, bystander);
  });

  it.each([
    ['the same as the last', 0],
    ['below the last', -1],
  ])('for an old epoch, %s', async (_what, off) => {
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const victim = await honest(ann, path);
    // So that there is an older one.
    path.cutAll();
    await victim.round(10);
    expect(victim.stream.epoch).toBeGreaterThan(0);
    const before = logged('STREAM_STALE_EPOCH').length;
    expect(await attach(ann, victim, { epoch: victim.stream.epoch + off })).toEqual({
      code: 'STREAM_STALE_EPOCH',
      reason: 'Cannot attach the stream: a newer attach was seen',
    });
    await eventually(() => logged('STREAM_STALE_EPOCH').length > before);
    await unharmed(victim, bystander);
  });

  it.each([
    ['above what was sent', 'above'],
    ['below what was acknowledged', 'below'],
  ])(
    'for an offset outside the window, %s, and ends the stream: somebody lies',
    async (_what, where) => {
      const victim = await honest(ann);
      // So much is acknowledged at once, and that has arrived when a byte that was sent after it has.
      await victim.round(200 * KiB);
      await victim.round(1);
      const before = logged('STREAM_BAD_POSITION').length;
      const lie = where === 'below' ? 0 : victim.stream.bytesReceived + 1;
      const why =
        'Cannot resume the stream: the positions of the two endpoints contradict each other';
      expect(await attach(ann, victim, { received: lie })).toEqual({
        code: 'STREAM_BAD_POSITION',
        reason: why,
      });
      expect(await victim.ended).toMatchObject({ code: 'STREAM_BAD_POSITION' });
      await eventually(() => victim.origin.destroyed);
      await eventually(() => logged('STREAM_BAD_POSITION').length > before);
      await unharmed(bystander);
    },
  );

  it('for a key that nobody has', async () => {
    const thief = await rawClient(gateway, ann.secret);
    const key = randomBytes(24).toString('base64url');
    const stream = thief.attach({ key, hostname: HOSTNAME, epoch: 1 });
    expect(await stream.answered()).toMatchObject({ code: 'STREAM_UNKNOWN' });
    await unharmed(bystander);
  });

  it('for a revoked session, to itself and to another of the same user', async () => {
    const eve = await person('eve');
    const again = await person('eve');
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const victim = await honest(eve, path);
    const other = await honest(again);
    await path.refuse();
    path.cutAll();
    await gateway.json('gateway', 'sessions', 'revoke', eve.session);
    await eventually(() => victim.origin.destroyed, { what: "the origin's end to be closed" });
    await expect(rawClient(gateway, eve.secret)).rejects.toMatchObject({ code: 'ACCESS_SIGN_IN' });
    expect(await attach(again, victim)).toEqual({
      code: 'ACCESS_REVOKED',
      reason: 'Cannot go on: the user is no longer allowed',
    });
    await path.restore();
    expect(await victim.ended).toMatchObject({ code: 'ACCESS_SIGN_IN' });
    expect(logged('ACCESS_SIGN_IN')).toContain('client refused');
    expect(logged('ACCESS_REVOKED')).toContain('client stream ended');
    await unharmed(other, bystander);
  });

  it('for a session that was revoked when the gateway that knew the stream was gone', async () => {
    const ida = await person('ida');
    const again = await person('ida');
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const victim = await honest(ida, path);
    const other = await honest(again);
    await path.refuse();
    path.cutAll();
    await eventually(() => logged('LINK_CLOSED').length > 0);
    const joined = (): number => gateway.log.filter(({ msg }) => msg === 'connector joined').length;
    const before = joined();
    process.kill(await servingProcess(), 'SIGKILL');
    await eventually(() => joined() > before, { deadlineMs: 30_000 });
    await gateway.json('gateway', 'sessions', 'revoke', ida.session);
    const revokedAt = performance.now();
    await eventually(() => victim.origin.destroyed, { what: "the origin's end to be closed" });
    say(`ended ${Math.round(performance.now() - revokedAt)} ms after the command returned`);
    expect(await attach(again, victim)).toMatchObject({ code: 'ACCESS_REVOKED' });
    await unharmed(other, bystander);
  });

  it('for an expired session, also when nobody tells the connector', async () => {
    const LASTS_MS = 6_000;
    const again = await person('zoe');
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const zoe = await person('zoe', LASTS_MS);
    const until = performance.now() + LASTS_MS;
    const victim = await honest(zoe, path);
    const other = await honest(again);
    await path.refuse();
    path.cutAll();
    await eventually(() => victim.origin.destroyed, { deadlineMs: 5 * LASTS_MS });
    const lateMs = performance.now() - until;
    say(`ended ${Math.round(lateMs)} ms after the session`);
    expect(lateMs).toBeGreaterThan(-1_000);
    expect(lateMs).toBeLessThan(10_000);
    // The client knows by itself, without a link.
    expect(await victim.ended).toMatchObject({
      code: 'ACCESS_REVOKED',
      message: 'Cannot resume the stream: access to it has ended',
    });
    await expect(rawClient(gateway, zoe.secret)).rejects.toMatchObject({ code: 'ACCESS_SIGN_IN' });
    expect(await attach(again, victim)).toMatchObject({ code: 'ACCESS_REVOKED' });
    await unharmed(other, bystander);
  });

  it('for somebody whom the policies no longer let in, and the stream is over', async () => {
    const tom = await person('tom');
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const victim = await honest(tom, path);
    await path.refuse();
    path.cutAll();
    const denied = { action: 'deny', include: [{ email: 'tom@postern.test' }] };
    gateway.configure({
      applications: [
        { name: 'db', hostname: HOSTNAME, policies: [denied, POLICY] },
        { name: 'other', hostname: OTHER, policies: [POLICY] },
      ],
    });
    await eventually(() => victim.origin.destroyed, { what: "the origin's end to be closed" });
    expect(await attach(tom, victim)).toEqual({
      code: 'ACCESS_DENIED',
      reason: `Cannot reach "${HOSTNAME}": not allowed`,
    });
    expect(logged('ACCESS_DENIED')).toContain('client stream refused');
    await unharmed(bystander);
  });
});

describe('two clients with the same key', () => {
  it('are one when the other has the session too, and the first is told', async () => {
    const ann = await person('ann');
    const victim = await honest(ann);
    const bystander = await honest(ann);
    const { key, replica, epoch, bytesReceived: received } = victim.stream;
    const thief = await rawClient(gateway, ann.secret);
    const stolen = thief.attach({ key, hostname: HOSTNAME, epoch: epoch + 1, received, replica });
    expect(await stolen.answered()).toBe('accepted');
    expect(await victim.ended).toMatchObject({
      code: 'STREAM_STALE_EPOCH',
      message: 'Cannot attach the stream: a newer attach was seen',
    });
    expect(victim.origin.destroyed).toBe(false);
    await unharmed(bystander);
  });

  it(`end with one winner and no wrong byte, in each of ${RACES} races`, async () => {
    const random = new SeededRandom();
    const ann = await person('ann');
    const bystander = await honest(ann);
    const wins = [0, 0];
    let moved = 0;
    const racers = [await rawClient(gateway, ann.secret), await rawClient(gateway, ann.secret)];
    for (let race = 0; race < RACES; race += 1) {
      // Their links are as good as new for some hundred streams; frames pile up in the lists of this test.
      if (race % 50 === 0) {
        racers.splice(
          0,
          2,
          await rawClient(gateway, ann.secret),
          await rawClient(gateway, ann.secret),
        );
      }
      const { winner, wasMoved } = await raceOnce(racers, random);
      wins[winner] = (wins[winner] ?? 0) + 1;
      moved += wasMoved ? 1 : 0;
    }
    say(`${wins.join(' : ')} of ${RACES} races; ${moved} times the winner came second`);
    expect(Math.min(...wins)).toBeGreaterThan(0);
    await unharmed(bystander);
  }, 120_000);

  /** One stream, opened by one of them, attached by both at once; whoever is left finishes it. */
  async function raceOnce(
    racers: readonly RawClient[],
    random: SeededRandom,
  ): Promise<{ winner: number; wasMoved: boolean }> {
    const key = randomBytes(24).toString('base64url');
    const before = arrived.length;
    const sent = random.below(KiB) + 1;
    const total = sent + random.below(100 * KiB);
    const opener = racers[random.below(2)] as RawClient;
    const first = opener.attach({ key, hostname: HOSTNAME });
    expect(await first.answered()).toBe('accepted');
    first.send(sent);
    // Both know all that the opener knows: what came back so far.
    await eventually(() => first.received() > 0, { everyMs: 1 });
    const received = first.received();
    first.acknowledge(received);
    const { replica } = first;
    const epochs = [1 + random.below(2), 1 + random.below(2)];
    const order = random.below(2) === 0 ? [0, 1] : [1, 0];
    const attached: RawStream[] = [];
    for (const at of order) {
      const racer = racers[at] as RawClient;
      const epoch = epochs[at] ?? 1;
      attached[at] = racer.attach({ key, hostname: HOSTNAME, epoch, received, replica });
    }
    const isOut = (stream: RawStream): boolean => typeof stream.answer === 'object';
    await eventually(() => attached.filter(isOut).length === 1, {
      everyMs: 1,
      what: 'one of the two to be told that it lost',
    });
    const winner = attached.findIndex((stream) => !isOut(stream));
    const [loser, won] = [attached[1 - winner] as RawStream, attached[winner] as RawStream];
    const answer = loser.answer;
    expect(answer).toMatchObject({
      code: expect.stringMatching(/^STREAM_(STALE_EPOCH|MOVED)$/),
    });
    expect(await won.answered()).toBe('accepted');
    await finish(won, total);
    const origin = arrived[before];
    expect([origin?.bytes, origin?.hash.digest('hex')]).toEqual([total, patternSha256(total)]);
    return {
      winner,
      wasMoved: typeof answer === 'object' && 'code' in answer && answer.code === 'STREAM_MOVED',
    };
  }

  /** The winner sends the rest and gets everything back, and FIN behind it. */
  async function finish(won: RawStream, total: number): Promise<void> {
    won.send(total, true);
    await eventually(() => won.endedAt !== undefined, { everyMs: 1, what: 'the end of the echo' });
    expect([won.received(), won.endedAt]).toEqual([total, total]);
    won.acknowledge(total + 1);
  }
});
