/**
 * Streams of `postern access tcp` end within a second of the session behind them: those that move, and those that are
 * detached and wait for their client. Nobody else's is touched.
 */
import type { Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { AT_ONCE_MS } from '../support/at-once.ts';
import { startForward } from '../support/client.ts';
import { signedInClient } from '../support/client-login.ts';
import { startConnector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { startTcpOrigin } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';

const HOSTNAME = 'db.postern.test';
const OTHERS = 200;

let gateway: Gateway;
/** The origin's ends, in the order of their arrival, and when each ended: performance.now(). */
const arrived: Socket[] = [];
const endedAt = new Map<Socket, number>();

beforeAll(async () => {
  const origin = await startTcpOrigin((socket) => {
    arrived.push(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => endedAt.set(socket, performance.now()));
    socket.pipe(socket);
  });
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        {
          name: 'db',
          hostname: HOSTNAME,
          policies: [{ action: 'allow', include: [{ 'email-domain': 'postern.test' }] }],
        },
      ],
    },
  });
  await startConnector({ gateway, ingress: [{ hostname: HOSTNAME, service: origin.service }] });
});

function person(name: string): Parameters<typeof signedInClient>[1] {
  const email = `${name}@postern.test`;
  return { provider: 'house', subject: name, email, groups: [], methods: ['pwd'], claims: {} };
}

/** A connection that has reached the origin, and the origin's end of it. */
async function connected(port: number): Promise<{ client: EchoClient; end: Socket }> {
  const before = arrived.length;
  const client = new EchoClient(openTcp(port), arrived.length * 4096);
  await client.round(5);
  await eventually(() => arrived.length > before);
  return { client, end: arrived[before] as Socket };
}

describe('the end of a session', () => {
  it(`ends its live and its detached stream, and none of ${OTHERS} others`, async () => {
    const ann = await signedInClient(gateway, person('ann'));
    const bob = await signedInClient(gateway, person('bob'));
    const away = await startLinkProxy({ target: { port: gateway.ports.https } });
    const through = { POSTERN_GATEWAY: `https://127.0.0.1:${away.port}` };
    const [direct, distant, others] = await Promise.all([
      startForward({ gateway, hostname: HOSTNAME, env: ann.env }),
      startForward({ gateway, hostname: HOSTNAME, env: { ...ann.env, ...through } }),
      startForward({ gateway, hostname: HOSTNAME, env: bob.env }),
    ]);
    const untouched: EchoClient[] = [];
    for (let count = 0; count < OTHERS; count += 1) {
      untouched.push((await connected(others.port)).client);
    }
    const live = await connected(direct.port);
    const detached = await connected(distant.port);
    await away.refuse();
    away.cutAll();
    await eventually(() => gateway.log.some(({ msg }) => msg === 'client stream detached'));

    await gateway.json('gateway', 'sessions', 'revoke', ann.session);
    const revokedAt = performance.now();
    await eventually(() => endedAt.has(live.end) && endedAt.has(detached.end));
    const after = (end: Socket): number => Math.round((endedAt.get(end) ?? 0) - revokedAt);
    say(`live: ${after(live.end)} ms, detached: ${after(detached.end)} ms after the command`);
    expect(after(live.end)).toBeLessThan(AT_ONCE_MS);
    expect(after(detached.end)).toBeLessThan(AT_ONCE_MS);
    await Promise.all(untouched.map((client) => client.round(10)));
    expect(endedAt.size).toBe(2);
  });

  it('is not undone by coming back', async () => {
    const eve = await signedInClient(gateway, person('eve'));
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const through = { POSTERN_GATEWAY: `https://127.0.0.1:${path.port}` };
    const env = { ...eve.env, ...through };
    const { port, process } = await startForward({ gateway, hostname: HOSTNAME, env });
    const { end } = await connected(port);
    path.cutAll();
    await path.refuse();
    await gateway.json('gateway', 'sessions', 'revoke', eve.session);
    await path.restore();
    await eventually(() => endedAt.has(end), { deadlineMs: 30_000 });
    await process.waitForLine(/ACCESS_(REVOKED|SIGN_IN)/);
  });
});
