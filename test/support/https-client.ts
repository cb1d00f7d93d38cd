/** Single requests to a gateway over HTTPS, for tests that look at a response while it comes. */
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';

import { cleanup } from './cleanup.ts';
import type { Gateway } from './gateway.ts';

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
}

/** A request that is not ended yet. The clean-up gives it up. */
export function ask(
  gateway: Gateway,
  hostname: string,
  path: string,
  { method = 'GET', headers = {}, agent }: AskOptions = {},
): ClientRequest {
  const asked = request({
    ...gateway.connectOptions(hostname),
    agent: agent ?? false,
    method,
    path,
    headers: { host: hostname, ...headers },
  });
  cleanup(() => asked.destroy());
  return asked;
}

/** The response to a request, unread. */
export function answerTo(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.once('response', resolve);
    asked.on('error', reject);
  });
}

/** The whole body of a response. Rejects when it breaks off. */
export async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}
