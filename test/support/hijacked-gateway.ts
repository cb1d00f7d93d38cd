/**
 * A gateway that was taken over: it has the address, the certificate and the key of the real one, and connectors that
 * trust it. What it says to them is up to the test, frame by frame.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';

import { WebSocketServer } from 'ws';

import type { GatewayKey } from '../../src/protocol/message/gateway-key.ts';
import type { ConnectorRegisterMessage } from '../../src/protocol/message/register-message.ts';
import { LINK_PATH, LINK_SUBPROTOCOL } from '../../src/transport/ws-frame-channel.ts';
import { cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import type { Gateway } from './gateway.ts';
import { HELLO, LinkBytes } from './link-bytes.ts';

export class HijackedGateway {
  /** Every link that a connector dialled, in the order they came. */
  links: LinkBytes[] = [];

  /** Counts links anew. For the next connector, after the last one was stopped. */
  forget(): void {
    this.links = [];
  }

  /** The nth link, once there is one, after it sent `register`. */
  async link(index = 0): Promise<LinkBytes> {
    await eventually(
      () => this.links[index]?.controls.some(({ type }) => type === 'register') === true,
      { deadlineMs: 30_000, what: `link ${index} to ask to be registered` },
    );
    return this.links[index] as LinkBytes;
  }

  /** Like link(), and lets it in, with keys or without. Resolves with what the connector announced, too. */
  async registered(
    index = 0,
    keys?: readonly GatewayKey[],
  ): Promise<{ link: LinkBytes; register: ConnectorRegisterMessage }> {
    const link = await this.link(index);
    const register = link.controls.find((message) => message.type === 'register');
    if (register?.type !== 'register' || register.role !== 'connector')
      throw new Error('unreachable');
    link.control({ ...HELLO, process: 'hijacked' });
    const tunnel = { id: 'some-id', name: 'some-name' };
    link.control({ type: 'registered', tunnel, gateway: 'hijacked', hostnames: {}, keys });
    return { link, register };
  }
}

/** Takes the place of a gateway, which must not run any more. The clean-up ends it. */
export async function hijack(gateway: Gateway): Promise<HijackedGateway> {
  const pem = (file: string): string => readFileSync(join(gateway.dir, 'data', file), 'utf8');
  const server = createServer({ cert: pem('cert.pem'), key: pem('key.pem') });
  const upgrades = new WebSocketServer({
    server,
    path: LINK_PATH,
    perMessageDeflate: false,
    handleProtocols: () => LINK_SUBPROTOCOL,
  });
  const hijacked = new HijackedGateway();
  upgrades.on('connection', (socket) => void hijacked.links.push(new LinkBytes(socket)));
  server.listen(gateway.ports.https, '127.0.0.1');
  await once(server, 'listening');
  cleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return hijacked;
}
