/**
 * Where a hostname leads: route, replica, rule, in that order. Asked once access/gate.ts has let somebody in.
 *
 * Deciding is pure over the tables it is given. A user learns no more than "nothing here"; the error's message and the log
 * say why.
 */
import { PosternError } from '../../core/error.ts';
import type { ConnectedReplica, ReplicaRule } from '../links/connected-replica.ts';
import type { RouteTable } from './route-table.ts';
import type { TunnelRegistry } from '../links/tunnel-registry.ts';

/** A replica and rule that take the request now. */
export interface Destination {
  readonly replica: ConnectedReplica;
  readonly rule: ReplicaRule;
}

export interface StreamRouterOptions {
  readonly routes: RouteTable;
  readonly registry: TunnelRegistry;
}

export class StreamRouter {
  readonly #options: StreamRouterOptions;

  constructor(options: StreamRouterOptions) {
    this.#options = options;
  }

  /**
   * Finds the destination for a hostname in normal form: the least loaded replica with a rule for it whose origin is well.
   * `path` is '' for raw TCP. `notAt` is a replica that has just failed.
   * Throws ROUTE_NOT_FOUND, ROUTE_NO_REPLICA or ROUTE_NO_RULE.
   */
  route(kind: 'http' | 'tcp', hostname: string, path: string, notAt?: string): Destination {
    const { routes, registry } = this.#options;
    const route = routes.find(hostname);
    if (route === undefined) {
      throw new PosternError('ROUTE_NOT_FOUND', `Cannot reach "${hostname}": no route`);
    }
    const passed = new Set<ConnectedReplica>();
    let unhealthy: Destination | undefined;
    let why: string | undefined;
    for (;;) {
      const replica = registry.pick(route.tunnelId, passed);
      if (replica === undefined) break;
      passed.add(replica);
      if (replica.id === notAt) continue;
      const rule = replica.findRule(hostname, path);
      // Bytes can be carried to any service; HTTP can only be spoken to one that is said to speak it.
      if (rule !== undefined && (kind === 'tcp' || rule.kind === 'http')) {
        if (replica.isHealthy(rule)) return chosen(registry, { replica, rule });
        unhealthy ??= { replica, rule };
        continue;
      }
      why ??= rule === undefined ? 'no ingress rule matches' : 'its service is not HTTP';
    }
    // With no better one left it is asked all the same: what it answers says more than we could, and a check may be wrong.
    if (unhealthy !== undefined) return chosen(registry, unhealthy);
    if (why !== undefined) {
      throw new PosternError('ROUTE_NO_RULE', `Cannot reach "${hostname}": ${why}`);
    }
    const which = notAt === undefined ? 'no connector' : 'no other connector';
    const nobody = `${which} of tunnel "${route.tunnelName}" is connected`;
    throw new PosternError('ROUTE_NO_REPLICA', `Cannot reach "${hostname}": ${nobody}`);
  }
}

function chosen(registry: TunnelRegistry, destination: Destination): Destination {
  registry.chosen(destination.replica);
  return destination;
}
