/**
 * A client's link, from its `register` on: who they are is checked, then they may open streams. See docs/protocol.md §4.
 */
import { isPosternError, messageOf, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { unmappedAddress } from '../../core/unmapped-address.ts';
import type { ClientRegisterMessage } from '../../protocol/message/register-message.ts';
import type { OpenMessage } from '../../protocol/message/stream-opening.ts';
import { CLOSE_CODE } from '../../protocol/close-code.ts';
import type { Link } from '../../protocol/link.ts';
import { NOBODY, type Slot, type StreamHolder } from '../../protocol/slot.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { LinkDoorOptions } from '../links/link-door.ts';
import { sayRefused, type LinkRole, type RoleHost } from '../links/link-role.ts';
import type { ClientPeer } from './client-streams.ts';
import type { ClientPrincipal } from './stream-gate.ts';

export interface ClientLinkOptions {
  readonly door: LinkDoorOptions;
  readonly host: RoleHost;
  readonly link: Link;
  /** Address and port of the client. */
  readonly address: string;
  readonly register: ClientRegisterMessage;
}

export class ClientLink implements LinkRole {
  readonly #options: ClientLinkOptions;
  #peer: ClientPeer<ClientPrincipal> | undefined;
  #watch: { release(): void } | undefined;
  readonly replicaId = undefined;

  /** Checks the credential at once, and answers on the link. */
  constructor(options: ClientLinkOptions) {
    this.#options = options;
    const { door, register, address } = options;
    const at = address.lastIndexOf(':');
    const ip = unmappedAddress(address.slice(0, at));
    const port = Number(address.slice(at + 1));
    door.gate.admit(register.credential, ip).then(
      (principal) => this.#admitted({ principal, address: ip, port }),
      (error: unknown) => this.#refuse(error),
    );
  }

  get isAdmitted(): boolean {
    return this.#peer !== undefined;
  }

  get fields(): Record<string, unknown> {
    const user = this.#peer?.principal.user;
    return user === undefined ? {} : { [FIELD.user]: user };
  }

  onControl(): void {
    // A client says nothing more; whatever a newer one says is ignored.
  }

  onOpen(slot: Slot, message: OpenMessage): StreamHolder {
    return this.#peer === undefined
      ? NOBODY
      : this.#options.door.clientStreams.open(this.#peer, slot, message);
  }

  onClose(): void {
    // Its streams have been told by the link.
    this.#watch?.release();
  }

  announceRoutes(): void {
    // Clients ask for hostnames and are not told of any.
  }

  announceKeys(): void {
    // Nothing is signed for clients.
  }

  #admitted(peer: ClientPeer<ClientPrincipal>): void {
    const { link, door, host, address } = this.#options;
    if (link.isClosed) return;
    if (!host.hasClientRoom()) {
      const why = `Cannot take the link: ${LIMITS.clientLinks} clients are connected`;
      this.#refuse(new PosternError('REGISTER_LIMIT', why));
      return;
    }
    this.#peer = peer;
    host.onAdmitted('client');
    this.#watch = door.gate.watch(peer.principal, (error) => this.#refuse(error));
    link.trust();
    const { user } = peer.principal;
    link.sendControl({ type: 'admitted', gateway: door.gatewayId, ...(user && { user }) });
    door.log.info({ [FIELD.address]: address, ...this.fields }, 'client connected');
  }

  #refuse(error: unknown): void {
    const { link, door, address } = this.#options;
    const refusal = isPosternError(error)
      ? error
      : new PosternError('REGISTER_LIMIT', messageOf(error), { cause: error });
    const isPermanent = refusal.code === 'ACCESS_SIGN_IN';
    const fields = (): Record<string, unknown> => ({ [FIELD.address]: address });
    door.refusals.add({ message: 'client refused', listener: 'links', error, fields });
    sayRefused(link, refusal, isPermanent);
    link.close(isPermanent ? CLOSE_CODE.refused : CLOSE_CODE.tooMany, refusal.code);
  }
}
