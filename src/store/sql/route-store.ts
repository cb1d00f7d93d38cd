/**
 * Routes: which tunnel a public hostname belongs to. A hostname belongs to one tunnel at most, and the database's
 * primary key is what holds that, not a check before the insert.
 */
import type { Kysely } from 'kysely';

import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { parseRouteHostname, ROUTE_HOSTNAME_RULE } from '../../core/route-hostname.ts';
import type { Schema } from '../schema.ts';
import type { Route, RouteStore } from '../store.ts';
import { noteChange } from './change-store.ts';
import { selectTunnel, unknownTunnel } from './select-tunnel.ts';
import { quoted } from './quoted.ts';
import type { Session } from './session.ts';

export class SqlRouteStore implements RouteStore {
  readonly #session: Session;
  readonly #clock: Clock;

  constructor(session: Session, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  async add(tunnelNameOrId: string, hostnameText: string): Promise<Route> {
    const action = `route ${quoted(hostnameText)} to tunnel ${quoted(tunnelNameOrId)}`;
    const hostname = checkedHostname(action, hostnameText);
    return this.#session.write(action, async (db) => {
      const tunnel = await selectTunnel(db, tunnelNameOrId);
      if (tunnel === undefined) throw unknownTunnel(action);
      const added = await db
        .insertInto('routes')
        .values({ hostname, tunnel_id: tunnel.id, created_at: this.#clock.wall() })
        .onConflict((conflict) => conflict.column('hostname').doNothing())
        .returning('hostname')
        .executeTakeFirst();
      if (added !== undefined) await noteChange(db, { kind: 'route', item: hostname });
      const route = await selectRoutes(db)
        .where('routes.hostname', '=', hostname)
        .executeTakeFirstOrThrow();
      if (route.tunnelId !== tunnel.id) {
        const message = `Cannot ${action}: it is routed to tunnel ${quoted(route.tunnelName)}; remove that route first`;
        throw new PosternError('ROUTE_CONFLICT', message);
      }
      return route;
    });
  }

  async list(tunnelNameOrId?: string): Promise<Route[]> {
    const action =
      tunnelNameOrId === undefined
        ? 'list routes'
        : `list the routes of tunnel ${quoted(tunnelNameOrId)}`;
    return this.#session.read(action, async (db) => {
      const routes = selectRoutes(db).orderBy('routes.hostname');
      if (tunnelNameOrId === undefined) return routes.execute();
      const tunnel = await selectTunnel(db, tunnelNameOrId);
      if (tunnel === undefined) throw unknownTunnel(action);
      return routes.where('routes.tunnel_id', '=', tunnel.id).execute();
    });
  }

  async remove(hostnameText: string): Promise<Route> {
    const action = `remove the route of ${quoted(hostnameText)}`;
    const hostname = checkedHostname(action, hostnameText);
    return this.#session.write(action, async (db) => {
      const route = await selectRoutes(db)
        .where('routes.hostname', '=', hostname)
        .executeTakeFirst();
      if (route === undefined) {
        throw new PosternError('STORE_NOT_FOUND', `Cannot ${action}: no such route exists`);
      }
      await db.deleteFrom('routes').where('hostname', '=', hostname).execute();
      await noteChange(db, { kind: 'route', item: hostname });
      return route;
    });
  }
}

function checkedHostname(action: string, text: string): string {
  const hostname = parseRouteHostname(text);
  if (hostname !== undefined) return hostname;
  throw new PosternError('ADMIN_BAD_REQUEST', `Cannot ${action}: it ${ROUTE_HOSTNAME_RULE}`);
}

function selectRoutes(db: Kysely<Schema>) {
  return db
    .selectFrom('routes')
    .innerJoin('tunnels', 'tunnels.id', 'routes.tunnel_id')
    .select([
      'routes.hostname as hostname',
      'routes.tunnel_id as tunnelId',
      'tunnels.name as tunnelName',
      'routes.created_at as createdAt',
    ]);
}
