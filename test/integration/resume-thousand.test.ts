/**
 * A thousand live streams of `access tcp` through a `kill -9` of the gateway's worker: every one carries on, and no byte that
 * was under way is lost or comes twice.
 */
import { beforeAll, expect, it } from '@jest/globals';

import { signedInClient } from '../support/client-login.ts';
import { startForward, type RunningForward } from '../support/client.ts';
import { startConnector } from '../support/connector.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { activeWorker, killProcess } from '../support/load/interruptions.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';

const HOSTNAME = 'echo.postern.test';
const STREAMS = 1_000;
/** `access tcp` processes that share them. */
const CLIENTS = 2;
const ANN = {
  provider: 'local',
  subject: 'ann',
  email: 'ann@example.com',
  groups: ['staff'],
  methods: ['pwd'],
  claims: {},
};
/** Between the parts of the pattern that two streams carry. */
const SPACING = 2 ** 32;
const MOST_BYTES = 16 * 1024;
/** How long the last stream may take to move again: ten times what it takes on an idle machine, ms. */
const PATIENCE_MS = 45_000;

let gateway: Gateway;
let origin: TcpOrigin;
let forwards: readonly RunningForward[];

beforeAll(async () => {
  origin = await startEcho();
  const policies = [{ action: 'allow', include: [{ group: 'staff' }] }];
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'local', type: 'local' }],
      applications: [{ name: 'echo', hostname: HOSTNAME, policies }],
    },
  });
  const ingress = [{ hostname: HOSTNAME, service: origin.service }];
  const connector = await startConnector({ gateway, ingress });
  await connector.linksUp();
  const { env } = await signedInClient(gateway, ANN);
  forwards = await Promise.all(
    Array.from({ length: CLIENTS }, () => startForward({ gateway, hostname: HOSTNAME, env })),
  );
});

it(`${STREAMS} streams carry on after a kill -9 of the worker`, async () => {
  const random = new SeededRandom();
  const clients = Array.from({ length: STREAMS }, (_, index) => {
    const port = forwards[index % CLIENTS]?.port ?? 0;
    return new EchoClient(openTcp(port), index * SPACING);
  });
  await Promise.all(clients.map((client) => client.round(1)));
  expect(origin.connections()).toBe(STREAMS);

  const worker = await activeWorker(gateway);
  const size = (): number => random.magnitude(MOST_BYTES);
  // Every other one has bytes under way when the worker dies; all have something to say right after it.
  const before = clients.map(async (client, index) => {
    if (index % 2 === 0) await client.round(size());
  });
  const killedAt = performance.now();
  await killProcess(worker);
  const times = await Promise.all(
    clients.map(async (client, index) => {
      await before[index];
      await client.round(size());
      return performance.now() - killedAt;
    }),
  );
  const sorted = times.toSorted((a, b) => a - b).map(Math.round);
  say(
    `${sorted.length} of ${STREAMS} streams moved again: half within ${sorted[STREAMS / 2]} ms of the kill, the last after ${sorted.at(-1)} ms`,
  );
  expect(sorted.at(-1)).toBeLessThan(PATIENCE_MS);

  await Promise.all(clients.map((client) => client.round(size())));
  await Promise.all(clients.map((client) => client.end()));
  expect(origin.accepted()).toBe(STREAMS);
});
