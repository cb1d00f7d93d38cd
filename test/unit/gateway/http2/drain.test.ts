/** How a gateway that goes away treats its HTTP/2 connections. */
import type { ServerResponse } from 'node:http';
import { expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FRAME } from '../../../support/http2-bytes.js';
import { CODE, headersFrame } from '../../../support/http2-frames.ts';
import { httpOrigin } from '../http/http-fixture.ts';
import {
  GET,
  answerOf,
  ask,
  begin,
  openFrames,
  openSession,
  startHttp2Gateway,
} from './http2-fixture.ts';

it('drain() says GOAWAY with the last answer, so that no request crosses it', async () => {
  const waiting: ServerResponse[] = [];
  const origin = await httpOrigin((_request, response) => waiting.push(response));
  const clock = new FakeClock();
  const { port, handler } = await startHttp2Gateway({ origin, clock });
  const client = await openFrames(port);
  client.send(headersFrame(1, GET));
  await eventually(() => waiting.length === 1);

  const drained = handler.drain();
  client.send(headersFrame(3, GET));
  await eventually(() => waiting.length === 2);
  waiting[0]?.end('one');
  await client.first(FRAME.data, 1);
  expect(client.frames.some(({ type }) => type === FRAME.goaway)).toBe(false);
  expect(handler.busySince).toBeLessThan(performance.now());

  waiting[1]?.end('two');
  await drained;
  await client.closed();
  const kinds = client.frames.map(({ type, streamId }) => `${type} on ${streamId}`);
  expect(kinds.indexOf(`${FRAME.goaway} on 0`)).toBeLessThan(
    kinds.lastIndexOf(`${FRAME.data} on 3`),
  );
  const goaway = await client.first(FRAME.goaway);
  expect(goaway.payload.toString('hex')).toBe('0000000300000000');
  await eventually(() => {
    clock.run(LIMITS.http2LingerMs);
    return handler.stats.connections === 0;
  });
  expect(handler.busySince).toBeUndefined();
});

it('where no such moment comes, what is under way finishes and what comes later is refused', async () => {
  const waiting: ServerResponse[] = [];
  const origin = await httpOrigin((_request, response) => waiting.push(response));
  const clock = new FakeClock();
  const { port, handler } = await startHttp2Gateway({ origin, clock });
  const session = await openSession(port);
  const slow = begin(session);
  await eventually(() => waiting.length === 1);
  const drained = handler.drain();
  clock.run(LIMITS.http2MomentMs);
  // Sent before the client has heard of the GOAWAY.
  const late = begin(session);
  await new Promise<void>((resolve) => void late.once('close', () => resolve()));
  expect(late.rstCode).toBe(CODE.refused);
  expect(waiting).toHaveLength(1);
  expect(handler.stats).toMatchObject({ connections: 1, requests: 1, isDraining: true });
  waiting[0]?.end('whole');
  expect((await answerOf(slow)).body.toString()).toBe('whole');
  await drained;
});

it('a connection without requests closes soon, also one that comes late', async () => {
  const origin = await httpOrigin((_request, response) => response.end('ok'));
  const clock = new FakeClock();
  const { port, handler } = await startHttp2Gateway({ origin, clock });
  const idle = await openSession(port);
  await ask(idle);
  await handler.drain();
  const late = await openFrames(port);
  await late.first(FRAME.settings);
  clock.run(LIMITS.http2MomentMs);
  await eventually(() => idle.closed);
  await late.first(FRAME.goaway);
  // The idle one's client has answered the PING, and the other one does not.
  await eventually(() => {
    clock.run(LIMITS.http2GoneMs);
    return idle.destroyed;
  });
  clock.run(LIMITS.http2GoawayMs);
  await late.closed();
});

it('resume() serves new connections as before', async () => {
  const origin = await httpOrigin((_request, response) => response.end('ok'));
  const { port, handler } = await startHttp2Gateway({ origin });
  await handler.drain();
  handler.resume();
  const session = await openSession(port);
  expect(await ask(session)).toMatchObject({ status: 200 });
  expect(await ask(session)).toMatchObject({ status: 200 });
  expect(session.closed).toBe(false);
});
