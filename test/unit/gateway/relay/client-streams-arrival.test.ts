/** What clients open before the connector has come: a gateway that just took over knows of none. */
import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import {
  encodeDataHeader,
  encodeFin,
  encodeJson,
  encodeReset,
} from '../../../../src/protocol/frame.ts';
import { openMessage, REQUEST } from '../../protocol/raw-peer.ts';
import { settle } from '../../protocol/turns.ts';
import { HOSTNAME, RelayLab, type Stranger } from './relay-lab.ts';

function expecting(most?: { relayed: number; detached: number }): RelayLab {
  const lab = new RelayLab(most);
  lab.arrivals.open();
  return lab;
}

function open(epoch = 0): Uint8Array {
  const request = { ...REQUEST, hostname: HOSTNAME };
  return encodeJson('OPEN', 1, openMessage({ epoch, resume: epoch > 0, request }));
}

function data(offset: number, bytes: Buffer): Uint8Array {
  return Buffer.concat([encodeDataHeader(1, offset, 0), bytes]);
}

async function opening(lab: RelayLab, ...frames: Uint8Array[]): Promise<Stranger> {
  const stranger = await lab.stranger('alice');
  await stranger.send(open(), ...frames);
  return stranger;
}

it('a stream waits for its connector, and what was sent meanwhile arrives', async () => {
  const lab = expecting();
  const client = await lab.client('alice');
  const app = await client.open();
  app.write('early');
  app.stream.end();
  await settle();
  expect(lab.events).toEqual([]);
  expect(lab.streams.attachedCount).toBe(1);
  const connector = await lab.connector();
  await settle();
  expect(lab.events).toEqual(['attached']);
  expect(connector.app().text).toBe('early');
  expect(connector.app().told).toContain('end');
  expect([lab.arrivals.count, lab.streams.attachedCount]).toEqual([0, 1]);
});

it('a stream that lives at a connector waits for that one', async () => {
  const lab = expecting();
  const first = await lab.connector('replica-1');
  const client = await lab.client('alice');
  const app = await client.open();
  app.write('one ');
  await settle();
  await first.cut();
  await client.cut();
  await client.dial();
  await lab.connector('replica-2');
  await settle();
  expect(lab.streams.attachedCount).toBe(1);
  app.write('two');
  await first.dial();
  await settle();
  expect(first.app().text).toBe('one two');
  expect(lab.events.filter((event) => event.startsWith('refused'))).toEqual([]);
});

it('is refused as ever when no connector comes in time', async () => {
  const lab = expecting();
  const stranger = await opening(lab, data(0, Buffer.from('early')));
  expect(await stranger.told()).toEqual([]);
  await lab.pass(LIMITS.arrivalMs);
  expect(await stranger.told()).toEqual(['RESET ROUTE_NO_REPLICA']);
  expect(lab.events).toEqual(['refused ROUTE_NO_REPLICA']);
  expect(lab.streams.attachedCount).toBe(0);
});

it('is judged again when the connector has come', async () => {
  const lab = expecting();
  const stranger = await opening(lab);
  lab.gate.denied.add('alice');
  await lab.connector();
  expect(await stranger.told()).toEqual(['RESET ACCESS_DENIED']);
});

it('waits no longer when its client gives up, or is gone', async () => {
  const lab = expecting();
  const stranger = await opening(lab);
  await stranger.send(encodeReset(1, 'STREAM_CANCELLED', ''));
  expect([lab.arrivals.count, lab.streams.attachedCount]).toEqual([0, 0]);
  const other = await opening(lab);
  expect(lab.arrivals.count).toBe(1);
  other.channel.cut();
  await settle();
  expect([lab.arrivals.count, lab.streams.attachedCount]).toEqual([0, 0]);
  const connector = await lab.connector();
  expect(connector.apps).toHaveLength(0);
});

it.each([
  ['more than may be sent before an answer', [data(0, Buffer.alloc(LIMITS.earlyDataBytes + 1))]],
  ['data at a wrong offset', [data(1, Buffer.from('x'))]],
  ['data behind the end', [encodeFin(1, 0), data(0, Buffer.from('x'))]],
])('%s ends the link while a stream waits', async (_, frames) => {
  const lab = expecting();
  const stranger = await opening(lab, ...frames);
  expect(stranger.closed?.code).toBe(4400);
  expect([lab.arrivals.count, lab.streams.attachedCount]).toEqual([0, 0]);
});

it('data behind an OPEN that is not the first ends the link', async () => {
  const lab = expecting();
  const stranger = await lab.stranger('alice');
  await stranger.send(open(1), data(0, Buffer.from('x')));
  expect(stranger.closed?.code).toBe(4400);
});

it('counts among the streams that are relayed', async () => {
  const lab = expecting({ relayed: 1, detached: 1 });
  const client = await lab.client('alice');
  await client.open();
  const second = await client.open();
  expect(second.closedWith).toBe('STREAM_LIMIT');
  await lab.connector();
  expect(lab.streams.attachedCount).toBe(1);
});
