/**
 * A connector's link, from its `register` on: the token is checked, the replica is joined, its rules are kept. See
 * docs/protocol.md §4.
 */
import { messageOf, PosternError } from '../../core/error.ts';
import type {
  ControlMessage,
  HealthMessage,
  HelloMessage,
  HostnameState,
} from '../../protocol/message/control-message.ts';
import type { ConnectorRegisterMessage } from '../../protocol/message/register-message.ts';
import { CLOSE_CODE } from '../../protocol/close-code.ts';
import type { Link } from '../../protocol/link.ts';
import { NOBODY, type Slot, type StreamHolder } from '../../protocol/slot.ts';
import type { Tunnel } from '../../store/store.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { ConnectedReplica, ReplicaRule } from './connected-replica.ts';
import type { LinkDoorOptions } from './link-door.ts';
import { sayRefused, type LinkRole, type RoleHost } from './link-role.ts';

export interface ConnectorLinkOptions {
  readonly door: LinkDoorOptions;
  readonly host: RoleHost;
  readonly link: Link;
  readonly address: string;
  readonly hello: HelloMessage;
  readonly register: ConnectorRegisterMessage;
}

export class ConnectorLink implements LinkRole {
  readonly #options: ConnectorLinkOptions;
  /** Whether the connector said that it leaves. */
  #isLeaving = false;
  #replica: ConnectedReplica | undefined;

  /** Checks the token at once, and answers on the link. */
  constructor(options: ConnectorLinkOptions) {
    this.#options = options;
    this.#verify();
  }

  get isAdmitted(): boolean {
    return this.#replica !== undefined;
  }

  get replicaId(): string | undefined {
    return this.#replica?.id;
  }

  get fields(): Record<string, unknown> {
    const replica = this.#replica;
    return replica === undefined
      ? {}
      : { [FIELD.tunnelName]: replica.tunnel.name, [FIELD.replica]: replica.id };
  }

  announceRoutes(): void {
    if (this.#replica === undefined) return;
    const hostnames = this.#hostnames(this.#replica);
    this.#options.link.sendControl({ type: 'hostnames', hostnames });
  }

  announceKeys(): void {
    if (this.#replica === undefined) return;
    this.#options.link.sendControl({ type: 'keys', keys: this.#options.door.publicKeys() });
  }

  onControl(message: ControlMessage): void {
    if (message.type === 'rules') this.#onRules(message.rules);
    if (message.type === 'health') this.#onHealth(message);
    if (message.type !== 'drain' || this.#replica === undefined) return;
    this.#isLeaving = true;
    this.#options.link.drain();
    const { door } = this.#options;
    door.log.info(this.#fields({ [FIELD.reason]: message.reason }), 'link drains');
    door.onChange(this.#replica);
  }

  onOpen(slot: Slot): StreamHolder {
    slot.reset('STREAM_REFUSED', 'Cannot open a stream: connectors open none');
    return NOBODY;
  }

  onClose(error?: PosternError): void {
    if (this.#replica === undefined) return;
    const hasBroken = error !== undefined && !this.#isLeaving;
    this.#options.door.registry.leave(this.#replica, this.#options.link, hasBroken);
  }

  #verify(): void {
    const { door, host, register } = this.#options;
    const revocations = host.revocations();
    door.verifyToken(register.token).then(
      (tunnel) => {
        if (revocations === host.revocations()) this.#verified(tunnel);
        else this.#verify();
      },
      (error: unknown) => {
        door.log.error({ [FIELD.err]: error }, 'cannot check a tunnel token');
        this.#refuse(asTemporary(error));
      },
    );
  }

  #verified(tunnel: Tunnel | undefined): void {
    const { link, hello, register, door, address } = this.#options;
    if (link.isClosed) return;
    if (tunnel === undefined) {
      const why = 'Cannot register: the token is for no tunnel here, or was rotated';
      this.#refuse(new PosternError('REGISTER_REFUSED', why));
      return;
    }
    const { registry, gatewayId, resumeTimeoutMs, metrics, log } = door;
    try {
      link.trust();
      // Joining attaches waiting streams at once, so the connector must hear `registered` first.
      const replica = registry.prepare({ tunnel, hello, register });
      this.#replica = replica;
      link.sendControl({
        type: 'registered',
        tunnel: { id: tunnel.id, name: tunnel.name },
        gateway: gatewayId,
        hostnames: this.#hostnames(replica),
        resumeMs: resumeTimeoutMs,
        keys: door.publicKeys(),
      });
      registry.join(replica, { link, index: register.link, address });
      // Once the streams that waited for it have it.
      if (register.draining === true) {
        this.#isLeaving = true;
        link.drain();
      }
    } catch (error) {
      this.#refuse(asTemporary(error));
      return;
    }
    this.#options.host.onAdmitted('connector');
    metrics.registration();
    log.info(this.#fields(), 'link registered');
  }

  #onRules(rules: ConnectorRegisterMessage['rules']): void {
    if (this.#replica === undefined) throw unexpected('rules before registered');
    try {
      this.#replica.setRules(rules);
    } catch (error) {
      throw new PosternError('PROTO_BAD_CONTROL', `Cannot take rules: ${messageOf(error)}`);
    }
    this.#options.door.onChange(this.#replica);
    this.announceRoutes();
  }

  #onHealth(message: HealthMessage): void {
    if (this.#replica?.setHealth(message) !== true) return;
    const count = this.#replica.unhealthyRules.length;
    this.#options.door.log.info(
      this.#fields({ [FIELD.count]: count }),
      'the connector says how many of its origins are not healthy',
    );
  }

  /** Says for each hostname of the rules whether requests for it will come here. */
  #hostnames(replica: ConnectedReplica): Record<string, HostnameState> {
    const states: Record<string, HostnameState> = {};
    for (const rule of replica.rules) {
      const name = announcedName(rule);
      if (name !== undefined) states[name] = this.#stateOf(replica, name);
    }
    return states;
  }

  #stateOf(replica: ConnectedReplica, name: string): HostnameState {
    const route = this.#options.door.routes.find(name);
    if (route === undefined) return 'unrouted';
    if (route.tunnelId === replica.tunnel.id) return 'routed';
    if (replica.isNewRefusal(name)) {
      this.#options.door.log.warn(
        this.#fields({ [FIELD.hostname]: name }),
        'a connector announced a hostname that is routed to another tunnel',
      );
      this.#options.door.onRefusedHostname(replica, name);
    }
    return 'refused';
  }

  #refuse(error: PosternError): void {
    const { metrics, refusals } = this.#options.door;
    metrics.registration(error);
    const fields = (): Record<string, unknown> => this.#fields();
    refusals.add({ message: 'registration refused', listener: 'links', error, fields });
    const isPermanent = error.code === 'REGISTER_REFUSED';
    this.#replica = undefined;
    const { link } = this.#options;
    sayRefused(link, error, isPermanent);
    link.close(isPermanent ? CLOSE_CODE.refused : CLOSE_CODE.tooMany, error.code);
  }

  #fields(more: Record<string, unknown> = {}): Record<string, unknown> {
    return { [FIELD.address]: this.#options.address, ...this.fields, ...more };
  }
}

/** The hostname of a rule as it is routed; undefined for a catch-all, which waits for whatever is routed. */
function announcedName({ hostname }: ReplicaRule): string | undefined {
  return hostname.kind === 'any' ? undefined : hostname.text;
}

/** Anything but a refused token may be different next time. */
function asTemporary(error: unknown): PosternError {
  return new PosternError('REGISTER_LIMIT', messageOf(error), { cause: error });
}

function unexpected(what: string): PosternError {
  return new PosternError('PROTO_UNEXPECTED', `Cannot take ${what}`);
}
