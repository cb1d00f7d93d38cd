/**
 * Dials a link: the way to the gateway (`gateway-dial.ts`), then the WebSocket upgrade, within one time limit.
 *
 * Every rejection is a PosternError with a `LINK_*` code, or CONFIG_TLS for a `ca` that is none. See docs/protocol.md §2.
 */
import { dialGateway, type GatewayDialOptions } from './gateway-dial.ts';
import { upgradeToChannel } from '../upgrade-to-channel.ts';
import { LINK_PATH, type WsFrameChannel } from '../ws-frame-channel.ts';

export interface DialOptions extends GatewayDialOptions {
  /** Default `/.postern/link`. */
  readonly path?: string;
  /** Sent with the upgrade. Their values never show in an error. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Opens a channel to the gateway. It reads nothing before its `events` are set. */
export async function dialChannel(options: DialOptions): Promise<WsFrameChannel> {
  const { path = LINK_PATH, headers = {} } = options;
  return dialGateway(options, async (opened) => upgradeToChannel({ ...opened, path, headers }));
}
