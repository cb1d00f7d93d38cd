/**
 * A connector that drains dials again when it loses its links, because of the streams that it still has: those go on, and
 * nothing new comes. In one process, so that it happens often.
 */
import { beforeAll, expect, it } from '@jest/globals';

import { eventually } from '../support/eventually.ts';
import { HandOverLab } from '../support/hand-over-lab.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { SteadyRequests } from '../support/steady-requests.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';

const WEB = 'web.postern.test';
const RAW = 'raw.postern.test';
const LINKS = 4;
const TIMES = 8;

let web: HttpOrigin;
let echo: TcpOrigin;

beforeAll(async () => {
  [web, echo] = await Promise.all([startHttpOrigin(), startEcho()]);
});

it('is given nothing new on links that it dials while it drains, and keeps what it has', async () => {
  const ingress = { [WEB]: web.service, [RAW]: echo.service };
  const lab = await HandOverLab.start({ ingress, tcp: RAW, linkCount: LINKS });
  const replica = await lab.connect();
  await eventually(() => replica.linkCount === LINKS);
  const stream = new EchoClient(openTcp(lab.tcpPort), 0);
  await stream.round(4_096);

  const drained = replica.drain(Infinity);
  const agent = lab.agent(4);
  const statusOf = async (): Promise<number> =>
    (await lab.ask(WEB, '/drip?n=1&ms=1', agent)).status;
  // A gateway that has just started waits for connectors, this one included.
  await eventually(async () => (await statusOf()) === 503, { deadlineMs: 30_000 });
  const users = new SteadyRequests({
    users: 4,
    ask: async () => {
      const status = await statusOf();
      return status === 503 ? undefined : `status ${status}`;
    },
  });
  for (let time = 0; time < TIMES; time += 1) {
    replica.dialAgain('a test');
    await eventually(() => replica.linkCount === 0);
    await eventually(() => replica.linkCount === LINKS, { deadlineMs: 30_000 });
    await stream.round(4_096);
  }
  const asked = await users.stop();
  expect(asked.length).toBeGreaterThan(TIMES);
  expect(asked.filter(({ failure }) => failure !== undefined)).toEqual([]);
  await stream.end();
  expect(await drained).toBe(0);
});
