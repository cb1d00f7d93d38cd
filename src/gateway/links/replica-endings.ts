/**
 * Ends what connectors have here, their links and every stream to them: they may have it no longer, or are known to be dead.
 *
 * At once, whoever asks: an administrator of this process, the store that another process wrote to, or a connector that was
 * started again. What came with a tunnel's newest token is left alone.
 */
import { PosternError } from '../../core/error.ts';
import { CLOSE_CODE } from '../../protocol/close-code.ts';
import type { Tunnel } from '../../store/store.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ConnectedReplica, ProvenTunnel } from './connected-replica.ts';
import type { RequestRecord } from '../http/record/request-record.ts';
import { CLOSE_RESTART, type UpgradeRegistry } from '../http/websocket/upgrade-registry.ts';
import type { LinkDoor } from './link-door.ts';
import type { ClientStreams } from '../relay/client-streams.ts';
import type { ClientPrincipal } from '../relay/stream-gate.ts';
import type { TunnelRegistry } from './tunnel-registry.ts';

/** What of a tunnel its end is told with. */
type NamedTunnel = Pick<Tunnel, 'id' | 'name'>;

export interface ReplicaEndingsOptions {
  readonly registry: Pick<TunnelRegistry, 'replicasOf'>;
  readonly upgrades: Pick<UpgradeRegistry, 'close'>;
  readonly clientStreams: Pick<ClientStreams<ClientPrincipal>, 'endReplicas'>;
  readonly door: Pick<LinkDoor, 'close'>;
  readonly log: Log;
  /** The streams of a replica have ended. */
  readonly onEnded: (replica: ConnectedReplica) => void;
}

export class ReplicaEndings {
  readonly #options: ReplicaEndingsOptions;

  constructor(options: ReplicaEndingsOptions) {
    this.#options = options;
  }

  /** Ends every link and stream of a tunnel whose token was rotated, or which was deleted. */
  revoke(tunnel: NamedTunnel, reason: 'rotated' | 'deleted'): void {
    const why = reason === 'rotated' ? 'its token was rotated' : 'it was deleted';
    this.#refuse(tunnel, why, () => true);
  }

  /** Ends those that came with another token than the one the tunnel has. */
  expire(tunnel: ProvenTunnel): void {
    const isStale = ({ rotatedAt }: ProvenTunnel): boolean => rotatedAt !== tunnel.rotatedAt;
    this.#refuse(tunnel, 'its token was rotated', isStale);
  }

  /** The connector was started again after it died: who waits for the dead one is told now, and need not wait any longer. */
  died(replica: ConnectedReplica): void {
    const { tunnel, id, streamCount } = replica;
    const error = new PosternError('STREAM_LOST', 'Cannot go on: the connector was restarted');
    this.#end([replica], (one) => one === replica, CLOSE_CODE.goingAway, error);
    const fields = { [FIELD.tunnelName]: tunnel.name, [FIELD.replica]: id };
    this.#options.log.info({ ...fields, [FIELD.count]: streamCount }, 'a connector was restarted');
  }

  #refuse({ id, name }: NamedTunnel, why: string, picks: (proven: ProvenTunnel) => boolean): void {
    const isMeant = ({ tunnel }: ConnectedReplica): boolean => tunnel.id === id && picks(tunnel);
    const error = new PosternError('REGISTER_REVOKED', `Cannot serve tunnel "${name}": ${why}`);
    const replicas = this.#options.registry.replicasOf(id).filter(isMeant);
    this.#end(replicas, isMeant, CLOSE_CODE.refused, error);
    if (replicas.length === 0) return;
    const fields = { [FIELD.tunnel]: id, [FIELD.tunnelName]: name, [FIELD.reason]: why };
    this.#options.log.info(fields, 'the tunnel was revoked');
  }

  /** `isMeant` also knows those that are gone, and whose streams clients may come back for. */
  #end(
    replicas: readonly ConnectedReplica[],
    isMeant: (replica: ConnectedReplica) => boolean,
    closeCode: number,
    error: PosternError,
  ): void {
    const { upgrades, clientStreams, door, onEnded } = this.#options;
    const ids = new Set(replicas.map((replica) => replica.id));
    // Before their streams break: a WebSocket that is told to come back does, whoever serves it then.
    const isTheirs = ({ replicaId = '' }: RequestRecord): boolean => ids.has(replicaId);
    upgrades.close(CLOSE_RESTART, error, isTheirs);
    for (const replica of replicas) {
      replica.failStreams(error);
      onEnded(replica);
    }
    clientStreams.endReplicas(isMeant, error);
    door.close(closeCode, error, ids);
  }
}
