/** Frames in any order, with anything in them: connections may end for it, and nothing else may happen. */
import { expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FLAG, FRAME, frame } from '../../../support/http2-bytes.js';
import { headersFrame } from '../../../support/http2-frames.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';
import { httpOrigin } from '../http/http-fixture.ts';
import { GET, ask, openFrames, openSession, startHttp2Gateway } from './http2-fixture.ts';

const CONNECTIONS = 60;
const FRAMES = 40;
const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS', 'CONNECT', 'ODD'];
/** Of frames that have only one. */
const SIZES = new Map<number, number>([
  [FRAME.ping, 8],
  [FRAME.reset, 4],
  [FRAME.windowUpdate, 4],
]);
const PATHS = ['/', '/hang', '/early', '/status/999', '/break'];

it('a gateway survives connections of random frames, and frees what they held', async () => {
  const origin = await httpOrigin((request, response) => {
    const { url = '' } = request;
    request.on('error', () => undefined);
    if (url === '/hang') return;
    if (url === '/break') {
      response.write('half');
      setImmediate(() => response.destroy());
    } else if (url === '/status/999') response.writeHead(999).end('odd');
    else if (url === '/early') response.end('early');
    else request.pipe(response);
  });
  const clock = new FakeClock();
  const { port, handler } = await startHttp2Gateway({ origin, clock });
  const random = new SeededRandom();
  const below = (limit: number): number => random.below(limit);
  const noise = (): Buffer => Buffer.from(Array.from({ length: below(40) }, () => below(256)));

  const randomFrame = (at: number): Buffer => {
    const id = below(4) === 0 ? below(30) : 1 + 2 * at;
    if (below(3) > 0) {
      const head = [
        [':method', random.pick(METHODS)],
        ...GET.slice(1, 3),
        [':path', random.pick(PATHS)],
      ] as const;
      return headersFrame(id, head, FLAG.endHeaders + below(2));
    }
    const type = random.pick(Object.values(FRAME));
    const size = SIZES.get(type);
    const payload = size === undefined ? noise() : Buffer.alloc(size, below(256));
    // Mostly of the right size: else the first frame would end every connection.
    return frame(type, below(8) === 0 ? below(256) : 0, type === FRAME.ping ? 0 : id, payload);
  };

  for (let round = 0; round < CONNECTIONS; round += 1) {
    // oxlint-disable-next-line no-await-in-loop
    const client = await openFrames(port);
    client.send(...Array.from({ length: 1 + below(FRAMES) }, (_, at) => randomFrame(at)));
    if (below(2) === 0) client.send(noise());
    // oxlint-disable-next-line no-await-in-loop
    await client.first(FRAME.settings);
    if (below(3) === 0) client.stream.destroy();
  }
  expect(await ask(await openSession(port), { ':path': '/early' })).toMatchObject({ status: 200 });
  await eventually(() => {
    clock.run(LIMITS.http2WatchMs);
    return handler.stats.requests === 0 && handler.stats.connections <= 1;
  });
});
