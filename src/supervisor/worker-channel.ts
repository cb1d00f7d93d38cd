/**
 * One end of the channel between a supervisor and a worker: messages, sockets beside them, and calls that wait for their
 * answers. The same on both sides; the other side's end closes the channel when its process is gone, however it went.
 *
 * Calls are as many as administrators wait for at a time, which their server bounds, and a few of the supervisor's own.
 */
import type { MessageOptions, SendHandle } from 'node:child_process';
import { codeOf, isPosternError, messageOf, PosternError } from '../core/error.ts';
import { withResolvers, type Resolvers } from '../core/with-resolvers.ts';
import { sendHandle, type ListeningHandle } from './listening-handle.ts';
import { type MessageError, type SupervisorMessage, type WorkerMessage } from './worker-message.ts';

type Message = WorkerMessage | SupervisorMessage;

/** A child, or this process where it is one. */
export interface ChannelEnd {
  readonly connected: boolean;
  send?(
    message: object,
    handle?: SendHandle,
    options?: MessageOptions,
    done?: (error: Error | null) => void,
  ): boolean;
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
}

/** What came back from a call. */
export interface CallResult {
  readonly result: unknown;
  /** The socket that came with it. */
  readonly handle: ListeningHandle | undefined;
}

export interface ChannelEvents<In extends Message> {
  /** Everything but answers, in order. */
  onMessage(message: In): void;
  /** The other side is gone. Called once. */
  onClosed(): void;
}

export class WorkerChannel<In extends Message, Out extends Message> {
  readonly #end: ChannelEnd;
  readonly #calls = new Map<number, Resolvers<CallResult>>();
  #lastId = 0;

  constructor(end: ChannelEnd, events: ChannelEvents<In>) {
    this.#end = end;
    end.on('message', (value: unknown, handle: unknown) => {
      if (!isMessage(value)) return;
      // Of the other side, which is a program of ours.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const message = value as In;
      if (message.type === 'answer') this.#answered(message, handle);
      else events.onMessage(message);
    });
    end.on('disconnect', () => {
      for (const { reject } of this.#calls.values()) reject(gone());
      this.#calls.clear();
      events.onClosed();
    });
  }

  /** Sends a message, with a socket beside it. Nothing happens when the other side is gone: onClosed() tells. */
  send(message: Out, handle?: ListeningHandle): void {
    void this.sendAndFlush(message, handle);
  }

  /** The same; resolves when the system has it, or when the other side is gone. */
  async sendAndFlush(message: Out, handle?: ListeningHandle): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#end.connected) sendHandle(this.#end, message, handle, () => resolve());
      else resolve();
    });
  }

  /** Sends what needs an answer. Rejects with the error that is answered, and with CLI_FAILED when the other side is gone. */
  async call(message: (id: number) => Out): Promise<CallResult> {
    if (!this.#end.connected) throw gone();
    this.#lastId += 1;
    const id = this.#lastId;
    const call = withResolvers<CallResult>();
    this.#calls.set(id, call);
    this.send(message(id));
    return call.promise;
  }

  #answered(message: Extract<Message, { type: 'answer' }>, handle: unknown): void {
    const call = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.error !== undefined) call?.reject(errorOf(message.error));
    // Bare handles arrive as they are; nothing else is sent.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    else call?.resolve({ result: message.result, handle: handle as ListeningHandle | undefined });
  }
}

/** What an error becomes on its way to whoever called. */
export function errorMessage(error: unknown): MessageError {
  return { code: codeOf(error) ?? 'CLI_FAILED', message: messageOf(error) };
}

/** The error that was told: one of ours by its code, else with the code as it is, such as EADDRINUSE. */
export function errorOf(said: MessageError): Error {
  if (isPosternError(said)) return new PosternError(said.code, said.message);
  return Object.assign(new Error(said.message), { code: said.code });
}

function isMessage(value: unknown): value is { readonly type: string } {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
  );
}

function gone(): PosternError {
  return new PosternError('CLI_FAILED', 'Cannot go on: the other process is gone');
}
