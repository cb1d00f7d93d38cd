/**
 * What a link is once its `register` said so: a connector's, or a client's. The door hands it what arrives.
 */
import type { PosternError } from '../../core/error.ts';
import type { ControlMessage } from '../../protocol/message/control-message.ts';
import type { OpenMessage } from '../../protocol/message/stream-opening.ts';
import type { Link } from '../../protocol/link.ts';
import type { Slot, StreamHolder } from '../../protocol/slot.ts';

export interface LinkRole {
  /** Whether it was let in: until then it counts as a stranger's. */
  readonly isAdmitted: boolean;
  /** A connector's run, once it is let in; absent for a client. */
  readonly replicaId: string | undefined;
  /** What log lines say of it. */
  readonly fields: Record<string, unknown>;
  onControl(message: ControlMessage): void;
  onOpen(slot: Slot, message: OpenMessage): StreamHolder;
  /** The link ended; with an error where it was not us who closed it. */
  onClose(error?: PosternError): void;
  /** The routes changed. */
  announceRoutes(): void;
  /** The public keys changed. */
  announceKeys(): void;
}

/** What a role asks of the door. */
export interface RoleHost {
  /** Grows with every revocation: a credential that was checked before one must be checked again. */
  revocations(): number;
  /** The link was let in: it is a stranger's no more. */
  onAdmitted(kind: 'connector' | 'client'): void;
  /** Whether one more client may be let in. */
  hasClientRoom(): boolean;
}

/** The last words before a link is closed. */
export function sayRefused(link: Link, { code, message }: PosternError, permanent: boolean): void {
  link.sendControl({ type: 'refused', code, message, permanent });
}
