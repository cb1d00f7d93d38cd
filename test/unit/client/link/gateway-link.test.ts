/** What a client says to gateways of this version and of the one before, which know nothing of destinations. */
import { expect, it } from '@jest/globals';

import { GatewayLink } from '../../../../src/client/link/gateway-link.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import type { StreamRequest } from '../../../../src/protocol/message/stream-request.ts';
import { Link } from '../../../../src/protocol/link.ts';
import { NOBODY } from '../../../../src/protocol/slot.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { startLinkServer } from '../../transport/link-ends.ts';

const DESTINATION = { host: 'db.internal', port: 5432 };

/** A client at a gateway that says it has these features, and what it asks that gateway for. */
async function linkTo(
  features: readonly string[],
): Promise<{ link: GatewayLink; asked: StreamRequest[] }> {
  const asked: StreamRequest[] = [];
  const server = await startLinkServer();
  const log = createLog({ level: 'fatal', format: 'json', component: 'client' });
  const link = new GatewayLink({ gateway: server.url, log });
  const started = link.start();
  cleanup(() => link.stop());
  const channel = await server.next();
  const gateway = new Link({
    channel,
    isDialler: false,
    clock: systemClock,
    events: {
      onControl: () => undefined,
      onOpen: (_slot, { request }) => {
        asked.push(request);
        return NOBODY;
      },
      onClose: () => undefined,
    },
  });
  gateway.trust();
  const software = 'postern/0.1.0';
  gateway.sendControl({ type: 'hello', versions: [1], features, software, process: 'g' });
  gateway.sendControl({ type: 'admitted', gateway: 'g' });
  await started;
  return { link, asked };
}

it('a client names what it wants to reach to a gateway that knows of destinations', async () => {
  const { link, asked } = await linkTo(['destinations', 'something-later']);
  await link.open('bastion.test', DESTINATION);
  await eventually(() => asked.length === 1);
  expect(asked[0]).toMatchObject({ hostname: 'bastion.test', destination: DESTINATION });
});

it('a client asks a gateway that would drop the destination for nothing', async () => {
  const { link, asked } = await linkTo([]);
  await expect(link.open('bastion.test', DESTINATION)).rejects.toMatchObject({
    code: 'ORIGIN_DESTINATION',
    message: expect.stringContaining('knows no destinations'),
  });
  await link.open('ssh.test');
  await eventually(() => asked.length === 1);
  expect(asked[0]).toHaveProperty('hostname', 'ssh.test');
});
