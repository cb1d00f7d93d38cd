/**
 * What suites of attacks share: a gateway process with a connector, an origin that records what reaches it, and connections
 * on which anything can be said.
 */
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';

import { startConnector, type Connector } from './connector.ts';
import { startGateway, type Gateway } from './gateway.ts';
import type { PosternOptions } from './postern.ts';
import { RawClient } from './raw-client.ts';
import {
  startRecordingOrigin,
  type RecordedRequest,
  type RecordingOrigin,
} from './real/recording-origin.ts';

/** The hostname that leads to the recording origin. */
export const APP = 'app.postern.test';

export interface AttackLab {
  readonly gateway: Gateway;
  readonly connector: Connector;
  readonly origin: RecordingOrigin;
  /** A TLS connection; without a name, the Host alone says where to. `h2` to speak in frames, `from` another address. */
  connect(how?: {
    readonly servername?: string;
    readonly protocol?: string;
    readonly from?: string;
  }): Promise<RawClient>;
  /** Sends bytes on a connection of their own; returns what came until the gateway closed it. */
  exchange(bytes: string, from?: string): Promise<string>;
  /**
   * What reached the origin while `attack` ran, and what of it could still be on its way: an honest request goes behind
   * it, is answered, and is left out.
   */
  reached(attack: () => Promise<void>): Promise<RecordedRequest[]>;
}

let markers = 0;

export interface AttackLabOptions extends Omit<PosternOptions, 'ingress'> {
  /** Lead to the origin, too. */
  readonly hostnames?: readonly string[];
  readonly ingress?: PosternOptions['ingress'];
  /** Hostnames with a route of their own beside that of `*.postern.test`. */
  readonly routes?: readonly string[];
}

/** Starts it, for the file. */
export async function startAttackLab(options: AttackLabOptions = {}): Promise<AttackLab> {
  const { hostnames = [], ingress = [], routes = [], connector: how, ...rest } = options;
  const [origin, gateway] = await Promise.all([startRecordingOrigin(), startGateway(rest)]);
  const connector = await startConnector({
    ...how,
    gateway,
    // One route for all: adding each takes a command.
    tunnel: await gateway.createTunnel('lab', ['*.postern.test', ...routes]),
    ingress: [
      ...[APP, ...hostnames].map((hostname) => ({ hostname, service: origin.service })),
      ...ingress,
    ],
  });
  const connect: AttackLab['connect'] = async ({ servername = '', protocol, from } = {}) => {
    const { host, port, ca } = gateway.connectOptions(servername);
    const socket = connectTls({
      host,
      port,
      ca,
      servername,
      ...(protocol !== undefined && { ALPNProtocols: [protocol] }),
      ...(from !== undefined && { localAddress: from }),
      checkServerIdentity: () => undefined,
    });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    return new RawClient(socket);
  };
  const exchange: AttackLab['exchange'] = async (bytes, from) =>
    (await connect(from === undefined ? {} : { from })).send(bytes).closed();
  return {
    gateway,
    connector,
    origin,
    connect,
    exchange,
    reached: async (attack) => {
      const from = origin.requests.length;
      await attack();
      markers += 1;
      const target = `/marker-${markers}`;
      const end = 'Connection: close\r\n\r\n';
      const answer = await exchange(`GET ${target} HTTP/1.1\r\nHost: ${APP}\r\n${end}`);
      if (!answer.startsWith('HTTP/1.1 200 ')) throw new Error(`Cannot pass the marker: ${answer}`);
      return origin.requests.slice(from).filter((request) => request.target !== target);
    },
  };
}
