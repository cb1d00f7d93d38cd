/** SOCKS5 on real streams, with an origin on a real port behind it. */
import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import type { IngressRule } from '../../../../src/config/connector/ingress-rule.ts';
import type { IpRule } from '../../../../src/config/connector/ip-rule.ts';
import { OriginStreams } from '../../../../src/connector/origin-streams.ts';
import { OriginDialer } from '../../../../src/connector/origin/origin-dialer.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { PosternError } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { ConnectorMetrics } from '../../../../src/telemetry/connector-metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { AppEnd, TwoEnds } from '../../protocol/two-ends.ts';
import { aRule } from '../a-rule.ts';
import { closedPort, listen } from '../origin/deaf-server.ts';

const HERE: IpRule = { range: parseIpRange('127.0.0.1'), ports: [], allow: true };
const GREETING = Uint8Array.of(5, 1, 0);
const WELCOME = '0500';
const SUCCESS = '05000001000000000000';

function connectTo(port: number): Uint8Array {
  return Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255);
}

function connectToName(name: string, port: number): Uint8Array {
  return Uint8Array.of(5, 1, 0, 3, name.length, ...Buffer.from(name), port >> 8, port & 255);
}

/** An origin that sends everything back, and ends when the other side does. */
async function startEcho(): Promise<{ port: number; accepted: () => number }> {
  let accepted = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted += 1;
    socket.on('error', () => undefined).pipe(socket);
  });
  return { port: await listen(server), accepted: () => accepted };
}

/** A user, and the connector that serves `rule`. */
function lab(rule: IngressRule): { user: AppEnd; log: string[]; clock: FakeClock } {
  const log: string[] = [];
  const clock = new FakeClock();
  const dialer = new OriginDialer({
    identity: { tunnel: 'office', replica: 'r1' },
    lookup: (name) =>
      name === 'here' ? Promise.resolve([{ address: '127.0.0.1' }]) : Promise.resolve([]),
  });
  cleanup(() => dialer.close());
  const destination = { write: (line: string) => void log.push(line) };
  const streams = new OriginStreams({
    dialer,
    clock,
    log: createLog({ level: 'warn', format: 'json', component: 'connector', destination }),
    metrics: new ConnectorMetrics({ version: '0' }),
    rules: () => [rule],
    access: { check: () => Promise.resolve() },
  });
  const ends = new TwoEnds({
    realClock: systemClock,
    onStream: (stream) => streams.serve(stream),
  });
  ends.connect();
  cleanup(() => {
    const why = 'the test is over';
    ends.opener.failAll(new PosternError('STREAM_CANCELLED', why));
    ends.accepter.resetAll('STREAM_CANCELLED', why);
    ends.kill();
  });
  const request = { kind: 'tcp', hostname: 'socks.test', rule: rule.id, requestId: 'q' } as const;
  return { user: new AppEnd(ends.opener.open(request)), log, clock };
}

function socks(...ipRules: readonly IpRule[]): IngressRule {
  return aRule('socks-proxy', { ipRules });
}

function hex(user: AppEnd): string {
  return Buffer.concat(user.chunks).toString('hex');
}

async function receives(user: AppEnd, expected: string): Promise<void> {
  await eventually(() => hex(user).length >= expected.length || user.closedWith !== undefined);
  expect(hex(user)).toBe(expected);
}

describe('a SOCKS service', () => {
  it('connects to the address that is asked for, and carries bytes and ends', async () => {
    const echo = await startEcho();
    const { user } = lab(socks(HERE));
    user.write(GREETING);
    await receives(user, WELCOME);
    user.write(connectTo(echo.port));
    await receives(user, WELCOME + SUCCESS);
    user.write('hello');
    user.stream.end();
    await eventually(() => user.closedWith !== undefined);
    expect(user.closedWith).toBe('cleanly');
    expect(user.text.slice(12)).toBe('hello');
  });

  it('takes everything at once, and byte by byte, and resolves names itself', async () => {
    const echo = await startEcho();
    const sent = Buffer.concat([GREETING, connectToName('here', echo.port), Buffer.from('hello')]);
    for (const size of [sent.length, 1]) {
      const { user } = lab(socks(HERE));
      for (let at = 0; at < sent.length; at += size) user.write(sent.subarray(at, at + size));
      await receives(user, `${WELCOME}${SUCCESS}${Buffer.from('hello').toString('hex')}`);
      user.stream.reset('STREAM_CANCELLED', 'done');
    }
  });

  it('reads the longest messages there are, byte by byte', async () => {
    const { user } = lab(socks(HERE));
    const name = 'a'.repeat(253);
    const methods = Uint8Array.of(5, 255, ...Array<number>(254).fill(7), 0);
    for (const byte of [...methods, ...connectToName(name, 80)]) user.write(Uint8Array.of(byte));
    await receives(user, `${WELCOME}05040001000000000000`);
  });

  it('answers what its rules do not allow, says no address, and lets the user go', async () => {
    const echo = await startEcho();
    const { user, log, clock } = lab(socks({ ...HERE, ports: [1] }));
    user.write(GREETING);
    user.write(connectToName('here', 1));
    user.write('early');
    await receives(user, `${WELCOME}05050001000000000000`);
    clock.run(LIMITS.socksRefusedMs);
    await eventually(() => user.closedWith === 'ORIGIN_REFUSED');
    const other = lab(socks({ ...HERE, ports: [1] }));
    other.user.write(GREETING);
    other.user.write(connectToName('here', echo.port));
    await receives(other.user, `${WELCOME}05020001000000000000`);
    other.user.stream.end();
    await eventually(() => other.user.closedWith === 'cleanly');
    expect(other.clock.pending).toBe(0);
    expect(echo.accepted()).toBe(0);
    expect([log.length, other.log.length]).toEqual([1, 1]);
    expect(other.log[0]).toContain('ORIGIN_FORBIDDEN');
  });

  it('K7 reaches no metadata address and not its own machine where everything is allowed', async () => {
    const everything = socks({ range: parseIpRange('0.0.0.0/0'), ports: [], allow: true });
    const echo = await startEcho();
    for (const request of [
      connectTo(echo.port),
      connectToName('here', echo.port),
      connectToName('2130706433', echo.port),
      connectToName('0', echo.port),
      Uint8Array.of(5, 1, 0, 1, 169, 254, 169, 254, 0, 80),
    ]) {
      const { user } = lab(everything);
      user.write(GREETING);
      user.write(request);
      await receives(user, `${WELCOME}05020001000000000000`);
      user.stream.end();
    }
    expect(echo.accepted()).toBe(0);
  });

  it.each([
    ['a port that nothing listens on', 'closed', '0505'],
    ['a name without addresses', 'nowhere', '0504'],
    ['another command than CONNECT', 'bind', '0507'],
    ['an address of no known type', 'type', '0508'],
  ])('answers %s', async (_what, kind, reply) => {
    const port = await closedPort();
    const requests: Record<string, Uint8Array> = {
      closed: connectTo(port),
      nowhere: connectToName('nowhere', port),
      bind: Uint8Array.of(5, 2, 0, 1, 127, 0, 0, 1, 0, 80),
      type: Uint8Array.of(5, 1, 0, 9, 0, 0, 0),
    };
    const { user } = lab(socks(HERE));
    user.write(GREETING);
    user.write(requests[kind] ?? '');
    await receives(user, `${WELCOME}${reply}0001000000000000`);
  });

  it('answers a greeting without the method that it has, and resets what is not SOCKS5', async () => {
    const { user } = lab(socks(HERE));
    user.write(Uint8Array.of(5, 1, 2));
    await receives(user, '05ff');
    const web = lab(socks(HERE));
    web.user.write('GET / HTTP/1.1\r\n\r\n');
    await eventually(() => web.user.told.includes('end'));
    expect(hex(web.user)).toBe('');
    web.clock.run(LIMITS.socksRefusedMs);
    await eventually(() => web.user.closedWith === 'ORIGIN_SOCKS');
  });

  it('lets go of a user who says nothing, and of one who ends half-way', async () => {
    const { user, clock } = lab(socks(HERE));
    user.write(Uint8Array.of(5));
    await eventually(() => clock.pending === 1);
    clock.run(LIMITS.socksRequestMs);
    await eventually(() => user.told.includes('end'));
    user.stream.end();
    await eventually(() => user.closedWith === 'cleanly');
    const half = lab(socks(HERE));
    half.user.write(GREETING);
    half.user.stream.end();
    await eventually(() => half.user.closedWith !== undefined);
    expect(half.clock.pending).toBe(0);
  });

  it('reaches the one service of a rule with proxyType, whatever is asked for', async () => {
    const echo = await startEcho();
    const { user } = lab(aRule(`tcp://127.0.0.1:${echo.port}`, { proxyType: 'socks' }));
    user.write(Buffer.concat([GREETING, connectToName('metadata.google.internal', 80)]));
    await receives(user, WELCOME + SUCCESS);
    expect(echo.accepted()).toBe(1);
  });
});
