/**
 * Registering a connector's link, and what its gateway says on it afterwards. See docs/protocol.md §4.
 */
import type { Clock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { AnnouncedRule } from '../protocol/message/announced-rule.ts';
import type {
  ControlMessage,
  DrainMessage,
  HostnamesMessage,
  RegisteredMessage,
} from '../protocol/message/control-message.ts';
import type { GatewayKey } from '../protocol/message/gateway-key.ts';
import type { ReplicaInfo } from '../protocol/message/register-message.ts';
import type { FrameChannel } from '../protocol/frame-channel.ts';
import type { StreamAccepter } from '../protocol/stream-accepter.ts';
import { registerLink, type RegisteredLink } from '../transport/dial/register-link.ts';

/** What a registered link is told afterwards. */
interface ConnectorLinkEvents {
  onDrain(message: DrainMessage): void;
  onHostnames(message: HostnamesMessage): void;
  /** What the gateway signs with from now on; before any stream is opened, and again when it changes. */
  onKeys(keys: readonly GatewayKey[]): void;
  /** Exactly once. */
  onClose(error: PosternError | undefined): void;
}

export interface RegistrationOptions {
  readonly channel: FrameChannel;
  readonly clock: Clock;
  readonly accepter: StreamAccepter;
  readonly token: string;
  /** The id of this run of the connector. */
  readonly process: string;
  /** Index of this link among the replica's. */
  readonly index: number;
  readonly replica: ReplicaInfo;
  readonly rules: readonly AnnouncedRule[];
  /** Runs of the tunnel that are known to be dead, by their ids. */
  readonly replaces: readonly string[];
  /** Whether the replica takes no new streams any more. */
  readonly isDraining: boolean;
  readonly events: ConnectorLinkEvents;
}

/** Resolves once the gateway has registered the link. Rejects as registerLink() does. */
export async function registerConnector(
  options: RegistrationOptions,
): Promise<RegisteredLink<RegisteredMessage>> {
  const { channel, clock, accepter, token, process, index, events } = options;
  const { replica, rules, replaces, isDraining } = options;
  /** How long the gateway's streams may be detached; undefined: as long as always. */
  let detachedMs: number | undefined;
  return registerLink<RegisteredMessage>({
    channel,
    clock,
    process,
    register: {
      type: 'register',
      role: 'connector',
      token,
      link: index,
      replica,
      rules,
      ...(replaces.length > 0 && { replaces }),
      ...(isDraining && { draining: true }),
    },
    answer: 'registered',
    events: {
      onRegistered: (answer) => {
        detachedMs = detachedMsFor(answer);
        events.onKeys(answer.keys ?? []);
      },
      onOpen: (slot, message) => accepter.open(slot, message, detachedMs),
      onControl: (message) => onControl(options, message),
      onClose: (error) => events.onClose(error),
    },
  });
}

function onControl({ accepter, events }: RegistrationOptions, message: ControlMessage): void {
  switch (message.type) {
    case 'drain':
      events.onDrain(message);
      return;
    case 'hostnames':
      events.onHostnames(message);
      return;
    case 'keys':
      events.onKeys(message.keys);
      return;
    case 'end':
      accepter.end(message.keys, noLongerAllowed());
      accepter.endGrants(message.grants ?? [], noLongerAllowed());
      return;
    default:
      // Whatever else means nothing to a connector.
      return;
  }
}

/**
 * As long as the gateway keeps its end, from when the gateway notices: that may be `deadPeerMs` after we did. Giving up
 * before it does would lose streams, long after it would hold origins for nobody.
 */
function detachedMsFor({ resumeMs }: RegisteredMessage): number | undefined {
  return resumeMs === undefined ? undefined : resumeMs + LIMITS.deadPeerMs;
}

function noLongerAllowed(): PosternError {
  return new PosternError('ACCESS_REVOKED', 'Cannot go on: the user is no longer allowed');
}
