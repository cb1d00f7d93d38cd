/** A gateway and a connector, started together: what most suites need. */
import { startConnector, type Connector, type ConnectorOptions } from './connector.ts';
import { startGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { startLinkProxy, type LinkProxy } from './link-proxy.ts';

export interface PosternOptions extends GatewayOptions {
  readonly ingress: ConnectorOptions['ingress'];
  /** Further settings of the connector. */
  readonly connector?: Omit<ConnectorOptions, 'gateway' | 'ingress'>;
}

/** A gateway, and a connector of a tunnel to which the hostnames of `ingress` are routed. Both are ready. */
export async function startPostern(
  options: PosternOptions,
): Promise<{ readonly gateway: Gateway; readonly connector: Connector }> {
  const { ingress, connector: how, ...gatewayOptions } = options;
  const gateway = await startGateway(gatewayOptions);
  return { gateway, connector: await startConnector({ ...how, gateway, ingress }) };
}

/** The same with a link proxy between the two. All four links are up. */
export async function startBreakablePostern(
  options: PosternOptions & { readonly delayMs?: number },
): Promise<{
  readonly gateway: Gateway;
  readonly connector: Connector;
  readonly path: LinkProxy;
}> {
  const { ingress, connector: how, delayMs = 0, ...gatewayOptions } = options;
  const gateway = await startGateway(gatewayOptions);
  const path = await startLinkProxy({ target: { port: gateway.ports.https }, delayMs });
  const connector = await startConnector({ ...how, gateway, ingress, via: [path] });
  await connector.linksUp();
  return { gateway, connector, path };
}
