/**
 * Hostile users of half an hour within a minute: what a gateway waits for is thirty times shorter here than by default, and
 * everything that such users are known to do goes on at once, against one process, while others are served.
 * POSTERN_TEST_HOSTILE_SECONDS is how long; without it a part of that minute.
 */
import { once } from 'node:events';
import { request as requestPlain } from 'node:http';
import { Agent, request } from 'node:https';
import { connect, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';

import { expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { startHostileUsers } from '../support/load/hostile-users.ts';
import { startPostern } from '../support/postern.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { say } from '../support/say.ts';
import { SteadyRequests, type Asked, type SteadyOptions } from '../support/steady-requests.ts';

const APP = 'app.postern.test';
const ATTACK_MS = Number(process.env['POSTERN_TEST_HOSTILE_SECONDS'] ?? 20) * 1_000;
const CALM_MS = 2_000;
/** Between two requests of an honest user, ms. */
const PACE_MS = 50;
const MiB = 1024 * 1024;

/** Honest users: HTTP/1.1 on a kept connection and on new ones, and HTTP/2. */
function honestly(gateway: Gateway): SteadyOptions['ask'] {
  const kept = new Agent({ keepAlive: true });
  const at = gateway.connectOptions(APP);
  const path = '/bytes/2000';
  let session: ClientHttp2Session | undefined;
  cleanup(() => {
    kept.destroy();
    session?.destroy();
  });
  const overHttp1 = (agent: Agent | false): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const asked = request({ ...at, path, headers: { host: APP }, agent }, (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () => resolve(response.statusCode));
      });
      asked.on('error', reject);
      asked.end();
    });
  const overHttp2 = async (): Promise<number> => {
    if (session === undefined || session.closed || session.destroyed) {
      session = connect(`https://${APP}`, {
        createConnection: () => connectTls({ ...at, ALPNProtocols: ['h2'] }),
      });
      session.on('error', () => undefined);
    }
    const stream = session.request({ ':path': path, ':authority': APP });
    const [headers] = await once(stream, 'response');
    stream.resume();
    await once(stream, 'close');
    return Number(headers[':status']);
  };
  const ways = [() => overHttp1(kept), () => overHttp1(false), overHttp2];
  return async (user) => {
    const status = await (ways[user % ways.length] ?? overHttp2)();
    return status === 200 ? undefined : `status ${status}`;
  };
}

/** Users who are beside the origin: what the machine makes everybody wait. */
function directly(port: number): SteadyOptions['ask'] {
  return (user) =>
    new Promise((resolve, reject) => {
      const headers = { 'x-user': String(user) };
      const asked = requestPlain({ port, path: '/bytes/2000', headers }, (response) => {
        response.resume();
        response.on('end', () => resolve(undefined));
      });
      asked.on('error', reject);
      asked.end();
    });
}

/** The quantile of how long requests took, ms. */
function quantile(asked: readonly Asked[], part: number): number {
  const times = asked
    .map(({ startedAt, endedAt }) => endedAt - startedAt)
    .toSorted((a, b) => a - b);
  return times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN;
}

function summary(asked: readonly Asked[]): string {
  const ms = (part: number): string => quantile(asked, part).toFixed(1);
  return `${asked.length} requests, p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms, most ${ms(1)} ms`;
}

async function askUntil(
  end: Promise<unknown>,
  ask: SteadyOptions['ask'],
): Promise<readonly Asked[]> {
  const users = new SteadyRequests({ users: 6, ask, pauseMs: PACE_MS });
  await end;
  return users.stop();
}

it(
  'P31 P33 P34 users who stall, flood and bloat are got rid of, and others are served as ever',
  async () => {
    const origin = await startHttpOrigin();
    const { gateway } = await startPostern({
      ingress: [{ hostname: APP, service: origin.service }],
      config: {
        http: {
          'header-timeout': '1s',
          'body-timeout': '2s',
          'request-timeout': '5s',
          'send-timeout': '4s',
          'idle-timeout': '2500ms',
          'max-requests-per-address': 200,
        },
      },
    });
    const { workers } = gateway;
    const ask = honestly(gateway);
    const calm = await askUntil(delay(CALM_MS), ask);
    const rssBefore = gateway.process.rssBytes();

    const hostile = await startHostileUsers(
      gateway,
      APP,
      Array.from({ length: 11 }, (_, index) => `127.0.0.${index + 2}`),
    );
    const notTaken = (): number =>
      gateway.log.filter(({ err }) => JSON.stringify(err)?.includes('took nothing of it')).length;
    const since = performance.now();
    // A busy machine leaves them little: they go on until they were got rid of. Below it is said what they were not.
    const end = eventually(() => performance.now() - since > ATTACK_MS && notTaken() > 3, {
      deadlineMs: ATTACK_MS + 90_000,
      everyMs: 1_000,
    }).catch(() => undefined);
    const [asked, direct] = await Promise.all([
      askUntil(end, ask),
      askUntil(end, directly(origin.port)),
    ]);
    const told = await hostile.stop();

    const grownMiB = Math.round((gateway.process.peakRssBytes() - rssBefore) / MiB);
    say(`before: ${summary(calm)}`);
    say(`at the origin: ${summary(direct)}`);
    say(`meanwhile: ${summary(asked)}; memory at most ${grownMiB} MiB more`);
    for (const [kind, { opened, ended, answers }] of Object.entries(told)) {
      say(`${kind}: ${opened} connections, ${ended} ended, ${JSON.stringify(answers)}`);
      // Who reads nothing does not see the end either, and those who are only too many may stay.
      const isStaying = kind === 'too many at once';
      const isEnded = kind === 'unread responses' ? notTaken() > 3 : isStaying || ended > 0;
      expect({ kind, isEnded: isEnded && opened > 0 }).toEqual({ kind, isEnded: true });
    }
    expect(told['slow heads']?.answers['408']).toBeGreaterThan(3);
    expect(told['bodies that stop']?.answers['408']).toBeGreaterThan(3);
    expect(told['bodies that drip']?.answers['408']).toBeGreaterThan(3);
    expect(told['long heads']?.answers['431']).toBeGreaterThan(0);
    expect(asked.flatMap(({ failure }) => failure ?? [])).toEqual([]);
    // A machine that does other things, too, keeps everybody waiting.
    expect(quantile(asked, 0.5)).toBeLessThan(100 + 40 * quantile(direct, 0.5));
    expect(quantile(asked, 0.99)).toBeLessThan(2_000 + 20 * quantile(direct, 0.99));
    expect(grownMiB).toBeLessThan(400);
    expect(gateway.workers).toEqual(workers);
    // What may be left are idle connections to the origin; a command takes a while.
    await eventually(
      async () => {
        expect(await gateway.json('gateway', 'status')).toMatchObject({ httpRequests: 0 });
      },
      { what: 'the end of all requests', deadlineMs: 30_000 },
    );
    expect(await gateway.metric('postern_gateway_streams_open')).toBeLessThan(120);
  },
  180_000 + ATTACK_MS,
);
