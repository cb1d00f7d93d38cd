/**
 * A real RabbitMQ behind plain TCP ports, used by amqplib: every message is confirmed once and arrives once.
 *
 * One port passes bytes as they are; the other ends TLS, as for clients that speak amqps to a broker that does not.
 */
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type ChannelModel } from 'amqplib';

import { cleanup } from '../support/cleanup.ts';
import { startForward, type RunningForward } from '../support/client.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks, type DisconnectGuard } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import type { LinkProxy } from '../support/link-proxy.ts';
import { metricBecomes } from '../support/ops-client.ts';
import { patternBytes } from '../support/pattern.ts';
import { startBreakablePostern } from '../support/postern.ts';
import { startRabbitMq, type RabbitMq } from '../support/real/rabbitmq.ts';

const PLAIN = 'mq.postern.test';
const SECURE = 'mqs.postern.test';
/** Reached by `postern access tcp`. */
const FORWARDED = 'forwarded-mq.postern.test';

let rabbit: RabbitMq;
let gateway: Gateway;
let connector: Connector;
let path: LinkProxy;
let guard: DisconnectGuard;
let forward: RunningForward;

beforeAll(async () => {
  rabbit = await startRabbitMq();
  ({ gateway, connector, path } = await startBreakablePostern({
    tcp: [PLAIN, { hostname: SECURE, tls: 'terminate' }],
    ingress: [PLAIN, SECURE, FORWARDED].map((hostname) => ({ hostname, service: rabbit.service })),
  }));
  forward = await startForward({ gateway, hostname: FORWARDED });
}, 120_000);

beforeEach(() => {
  guard = guardLinks(connector);
});

/** A connection to the broker that fails the test when anything goes wrong with it. */
async function open(hostname = PLAIN): Promise<ChannelModel> {
  const port = hostname === FORWARDED ? forward.port : gateway.tcpPort(hostname);
  const opened =
    hostname !== SECURE
      ? await connect(rabbit.url(port), { timeout: 20_000 })
      : await connect(rabbit.url(port).replace('amqp:', 'amqps:'), {
          timeout: 20_000,
          ca: gateway.ca,
          servername: hostname,
        });
  const faults: unknown[] = [];
  opened.on('error', (error) => faults.push(error));
  opened.on('close', (error) => error !== undefined && faults.push(error));
  cleanup(async () => {
    await opened.close().catch(() => undefined);
    expect(faults).toEqual([]);
  });
  return opened;
}

interface Run {
  /** Resolves when the broker has confirmed all, in any order. Rejects when it refuses one. */
  readonly confirmed: Promise<void>;
  /** The numbers that arrived so far, in order of arrival. */
  readonly arrived: readonly number[];
  /** How many the broker has confirmed so far. */
  readonly confirmations: () => number;
}

/** Publishes `count` numbered messages on one connection and consumes them on another. */
async function publishAndConsume(count: number, hostname = PLAIN): Promise<Run> {
  const [publisher, consumer] = await Promise.all([open(hostname), open(hostname)]);
  const reading = await consumer.createChannel();
  const { queue } = await reading.assertQueue('', { exclusive: true });
  const arrived: number[] = [];
  await reading.prefetch(500);
  await reading.consume(queue, (message) => {
    if (message === null) return;
    const number = message.content.readUInt32BE(0);
    if (message.content.equals(messageBody(number))) arrived.push(number);
    reading.ack(message);
  });
  const writing = await publisher.createConfirmChannel();
  let confirmations = 0;
  const publish = async (): Promise<void> => {
    for (let number = 0; number < count; number += 1) {
      const isRoom = writing.sendToQueue(queue, messageBody(number), {}, (refused) => {
        if (refused === null) confirmations += 1;
      });
      if (!isRoom) await new Promise((resolve) => writing.once('drain', resolve));
    }
    await writing.waitForConfirms();
  };
  return { confirmed: publish(), arrived, confirmations: () => confirmations };
}

/** Its number, then up to 4 KiB of the pattern; every thousandth message is larger than a frame of AMQP (128 KiB). */
function messageBody(number: number): Buffer {
  const length = number % 1000 === 999 ? 300_000 : (number * 37) % 4096;
  const body = Buffer.alloc(4 + length);
  body.writeUInt32BE(number);
  LARGEST.copy(body, 4, 0, length);
  return body;
}

const LARGEST = patternBytes(300_000);

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

/** How often a link was registered so far. */
function registrations(): number {
  return connector.log.filter(({ msg }) => msg === 'link registered').length;
}

describe('messages', () => {
  it('ten thousand are confirmed, and arrive once and in order', async () => {
    const run = await publishAndConsume(10_000);
    await run.confirmed;
    expect(run.confirmations()).toBe(10_000);
    await eventually(() => run.arrived.length >= 10_000, { deadlineMs: 30_000 });
    expect(run.arrived).toEqual(numbersTo(10_000));
  });

  it('arrive through a port that ends TLS', async () => {
    const run = await publishAndConsume(2000, SECURE);
    await run.confirmed;
    await eventually(() => run.arrived.length >= 2000, { deadlineMs: 30_000 });
    expect(run.arrived).toEqual(numbersTo(2000));
  });

  it('arrive through `postern access tcp`', async () => {
    const run = await publishAndConsume(5000, FORWARDED);
    await run.confirmed;
    await eventually(() => run.arrived.length >= 5000, { deadlineMs: 30_000 });
    expect(run.arrived).toEqual(numbersTo(5000));
  });

  it.each([
    ['a TCP port', PLAIN],
    ['`postern access tcp`', FORWARDED],
  ])(
    'arrive once, on the same connections of %s, when all links are cut',
    async (_way, hostname) => {
      const run = await publishAndConsume(10_000, hostname);
      for (const seen of [1000, 3000, 6000]) {
        await eventually(() => run.arrived.length >= seen, { deadlineMs: 30_000, everyMs: 2 });
        await guard.expectLosses(async () => {
          const before = registrations();
          expect(path.cutAll()).toBeGreaterThan(0);
          await eventually(() => registrations() >= before + 4, { deadlineMs: 20_000 });
        });
      }
      await run.confirmed;
      await eventually(() => run.arrived.length >= 10_000, { deadlineMs: 30_000 });
      expect(run.arrived).toEqual(numbersTo(10_000));
      expect(run.confirmations()).toBe(10_000);
      const resumed = { outcome: 'ok' };
      expect(
        await gateway.metric('postern_gateway_stream_resumes_total', resumed),
      ).toBeGreaterThanOrEqual(2);
    },
    120_000,
  );
});

it('a connection that the client closes leaves no stream behind', async () => {
  await (await open()).close();
  await metricBecomes(gateway.ports.metrics, 'postern_gateway_streams_open', 0);
  await metricBecomes(connector.metricsPort, 'postern_connector_streams_open', 0);
});

it('a broker that stops ends its connections', async () => {
  const connection = await connect(rabbit.url(gateway.tcpPort(PLAIN)));
  const closed = new Promise<unknown>((resolve) => connection.on('close', resolve));
  connection.on('error', () => undefined);
  await rabbit.stop();
  // It says why, and often resets the connection right behind that.
  expect(String(await closed)).toMatch(/CONNECTION-FORCED|CONNECTION_FORCED|shutdown|ECONNRESET/);
});
