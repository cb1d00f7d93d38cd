/** What takes the WebSockets of links out of the way of HTTP, before anything is asked about users. */
import { ChannelAccepter } from '../../transport/accept-channel.ts';
import { LINK_PATH } from '../../transport/ws-frame-channel.ts';
import type { TrustedProxies } from '../front/trusted-proxies.ts';
import type { HttpIntercept } from '../http/http-handler-options.ts';
import type { LinkDoor } from './link-door.ts';

export interface LinkInterceptOptions {
  readonly door: Pick<LinkDoor, 'hasRoom' | 'admit'>;
  readonly proxies: TrustedProxies;
  readonly isDraining: () => boolean;
}

/** Takes upgrades to LINK_PATH, and no others. */
export function linkIntercept({ door, proxies, isDraining }: LinkInterceptOptions): HttpIntercept {
  const accepter = new ChannelAccepter({ hasRoom: () => !isDraining() && door.hasRoom });
  return {
    upgrade: (request, socket, head, { path }) => {
      if (path !== LINK_PATH) return false;
      const { client } = proxies.provenanceOf(request);
      const address = `${client.address}:${client.port}`;
      accepter.handleUpgrade(request, socket, head, (channel) => door.admit(channel, address));
      return true;
    },
  };
}
