import { once } from 'node:events';
import { type ServerResponse, createServer, get } from 'node:http';
import { describe, expect, it } from '@jest/globals';

import { withResolvers } from '../../../../../src/core/with-resolvers.ts';
import { endTogether } from '../../../../../src/gateway/http/user/end-together.ts';
import { cleanup } from '../../../../support/cleanup.ts';
import { listen } from '../http-fixture.ts';

/** Asks for as many responses as there are `names`, and resolves with them and with what the users of them got. */
async function responses(names: readonly string[]): Promise<{
  readonly waiting: Map<string, ServerResponse>;
  readonly got: Promise<string>[];
}> {
  const waiting = new Map<string, ServerResponse>();
  const { promise: allCame, resolve } = withResolvers<void>();
  const server = createServer((request, response) => {
    waiting.set((request.url ?? '').slice(1), response);
    if (waiting.size === names.length) resolve();
  });
  const port = await listen(server);
  const got = names.map(async (name) => {
    const request = get({ port, path: `/${name}`, agent: false });
    cleanup(() => void request.destroy());
    const [response] = await once(request, 'response');
    response.setEncoding('latin1');
    let body = '';
    for await (const text of response) body += text;
    return body;
  });
  await allCame;
  return { waiting, got };
}

describe('endTogether', () => {
  it('ends responses after what else there is to do in the turn, in order, each with the last of its body', async () => {
    const { waiting, got } = await responses(['one', 'two', 'three']);
    const ended: string[] = [];
    for (const [name, response] of waiting) {
      response.writeHead(200, { 'Content-Length': name.length });
      response.on('prefinish', () => ended.push(name));
      endTogether(response, Buffer.from(name));
    }
    expect([...waiting.values()].some(({ writableEnded }) => writableEnded)).toBe(false);
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect([...waiting.values()].every(({ writableEnded }) => writableEnded)).toBe(true);
    expect(await Promise.all(got)).toEqual(['one', 'two', 'three']);
    expect(ended).toEqual([...waiting.keys()]);
  });

  it('ends one whose body was sent before', async () => {
    const { waiting, got } = await responses(['one']);
    const response = waiting.get('one');
    response?.write('all of it');
    if (response !== undefined) endTogether(response);
    expect(await got[0]).toBe('all of it');
  });

  it('ends the others when one has broken meanwhile', async () => {
    const { waiting, got } = await responses(['one', 'two']);
    for (const response of waiting.values()) endTogether(response, Buffer.from('whole'));
    waiting.get('one')?.destroy();
    const [one, two] = await Promise.allSettled(got);
    expect(one?.status).toBe('rejected');
    expect(two).toEqual({ status: 'fulfilled', value: 'whole' });
  });
});
