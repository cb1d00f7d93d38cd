/**
 * Where a hostname leads: route, replica, rule, in that order. Asked once access/gate.ts has let somebody in.
 *
 * Deciding is pure over the tables it is given. A user learns no more than "nothing here"; the error's message and the log
 * say why.
 */
import { PosternError } from '../../core/error.ts';
import type { ConnectedReplica, ReplicaRule } from '../links/connected-replica.ts';
import type { Route } from '../../store/store.ts';
import type { RouteTable } from './route-table.ts';
import type { Comer, Stickiness } from './stickiness.ts';
import type { TunnelRegistry } from '../links/tunnel-registry.ts';

/** A replica and rule that take the request now. */
export interface Destination {
  readonly replica: ConnectedReplica;
  readonly rule: ReplicaRule;
}

/** What else a choice between replicas depends on. */
export interface Choice {
  /** A replica that has just failed. */
  readonly notAt?: string | undefined;
  /** Who comes, and may be to stay where they were. */
  readonly comer?: Comer;
}

export interface StreamRouterOptions {
  readonly routes: RouteTable;
  readonly registry: TunnelRegistry;
  /** Default: nobody stays anywhere. */
  readonly stickiness?: Pick<Stickiness, 'prefer'>;
}

export class StreamRouter {
  readonly #options: StreamRouterOptions;

  constructor(options: StreamRouterOptions) {
    this.#options = options;
  }

  /**
   * Finds the destination for a hostname in normal form: of the replicas with a rule for it whose origin is well, the one that
   * is preferred, or else the one with the least under way. `path` is '' for raw TCP.
   * Throws ROUTE_NOT_FOUND, ROUTE_NO_REPLICA or ROUTE_NO_RULE.
   */
  route(kind: 'http' | 'tcp', hostname: string, path: string, choice: Choice = {}): Destination {
    const { routes, registry } = this.#options;
    const route = routes.find(hostname);
    if (route === undefined) {
      throw new PosternError('ROUTE_NOT_FOUND', `Cannot reach "${hostname}": no route`);
    }
    const ask = { kind, hostname, path, notAt: choice.notAt };
    const found = this.#preferred(route.tunnelId, ask, choice) ?? this.#least(route, ask);
    registry.chosen(found.replica);
    return found;
  }

  #preferred(tunnelId: string, { notAt, ...ask }: Ask, { comer }: Choice): Destination | undefined {
    if (comer?.application?.stickiness === undefined) return undefined;
    const fit = new Map<ConnectedReplica, ReplicaRule>();
    for (const replica of this.#options.registry.replicasOf(tunnelId)) {
      if (!replica.isReachable || replica.id === notAt) continue;
      const rule = replica.findRule(ask.hostname, ask.path);
      if (rule !== undefined && speaks(rule, ask.kind) && replica.isHealthy(rule)) {
        fit.set(replica, rule);
      }
    }
    const replica = this.#options.stickiness?.prefer(comer, [...fit.keys()]);
    const rule = replica && fit.get(replica);
    return replica && rule && { replica, rule };
  }

  #least({ tunnelId, tunnelName }: Route, { kind, hostname, path, notAt }: Ask): Destination {
    let passed: Set<ConnectedReplica> | undefined;
    let unhealthy: Destination | undefined;
    let why: string | undefined;
    for (;;) {
      const replica = this.#options.registry.pick(tunnelId, passed);
      if (replica === undefined) break;
      if (replica.id !== notAt) {
        const rule = replica.findRule(hostname, path);
        if (rule !== undefined && speaks(rule, kind)) {
          if (replica.isHealthy(rule)) return { replica, rule };
          unhealthy ??= { replica, rule };
        } else {
          why ??= rule === undefined ? 'no ingress rule matches' : 'its service is not HTTP';
        }
      }
      // Hardly ever made: the first one will do.
      passed ??= new Set();
      passed.add(replica);
    }
    // With no better one left it is asked all the same: what it answers says more than we could, and a check may be wrong.
    if (unhealthy !== undefined) return unhealthy;
    if (why !== undefined) {
      throw new PosternError('ROUTE_NO_RULE', `Cannot reach "${hostname}": ${why}`);
    }
    const which = notAt === undefined ? 'no connector' : 'no other connector';
    const nobody = `${which} of tunnel "${tunnelName}" is connected`;
    throw new PosternError('ROUTE_NO_REPLICA', `Cannot reach "${hostname}": ${nobody}`);
  }
}

interface Ask {
  readonly kind: 'http' | 'tcp';
  readonly hostname: string;
  readonly path: string;
  readonly notAt: string | undefined;
}

/** Bytes can be carried to any service; HTTP can only be spoken to one that is said to speak it. */
function speaks(rule: ReplicaRule, kind: 'http' | 'tcp'): boolean {
  return kind === 'tcp' || rule.kind === 'http';
}
