/** The door, for links that say they are clients': what it takes, when, and what ends them. */
import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { encodeJson, encodeReset } from '../../../../src/protocol/frame.ts';
import { openMessage } from '../../protocol/raw-peer.ts';
import { settle } from '../../protocol/turns.ts';
import { RelayLab, Stranger } from '../relay/relay-lab.ts';

const HELLO = { type: 'hello', versions: [1], features: [], software: 'x/1', process: 'p' };
const REGISTER = { type: 'register', role: 'client' };

describe('a client at the door', () => {
  it('is let in without a credential, and with a good one, and is told who it is', async () => {
    const lab = new RelayLab();
    expect((await lab.client()).user).toBeUndefined();
    expect((await lab.client('alice')).user).toBe('alice');
    expect([lab.door.clientCount, lab.door.linkCount]).toEqual([2, 2]);
  });

  it.each([
    ['register before hello', [REGISTER]],
    ['hello twice', [HELLO, HELLO]],
    ['register twice', [HELLO, REGISTER, REGISTER]],
    ['register twice, in two roles', [HELLO, REGISTER, { ...REGISTER, role: 'connector' }]],
    ['rules before it is let in', [HELLO, { type: 'rules', rules: [] }]],
    ['a role that nobody has', [HELLO, { ...REGISTER, role: 'gateway' }]],
  ])('M13 who says %s loses the link', async (_, messages) => {
    const lab = new RelayLab();
    const stranger = new Stranger(lab.door);
    for (const message of messages) stranger.control(message);
    await settle();
    expect(stranger.closed?.code).toBe(4400);
    expect([lab.door.linkCount, lab.door.clientCount, lab.gate.watches.size]).toEqual([0, 0, 0]);
  });

  it.each([
    ['OPEN', encodeJson('OPEN', 1, openMessage())],
    ['RESET', encodeReset(1, 'STREAM_CANCELLED', '')],
  ])('M13 who sends %s before it is let in loses the link', async (_, frame) => {
    const lab = new RelayLab();
    const stranger = new Stranger(lab.door);
    stranger.control(HELLO);
    stranger.control(REGISTER);
    stranger.channel.send([frame]);
    await settle();
    expect(stranger.closed).toMatchObject({ code: 4400 });
    expect(stranger.closed?.reason).toContain('PROTO_UNEXPECTED');
  });

  it('is refused for good with a credential that is worth nothing', async () => {
    const lab = new RelayLab();
    const stranger = await lab.stranger('bad');
    expect(stranger.closed).toMatchObject({ code: 4401, reason: 'ACCESS_SIGN_IN' });
    await expect(lab.client('bad')).rejects.toMatchObject({ code: 'ACCESS_SIGN_IN' });
    expect(lab.door.linkCount).toBe(0);
  });

  it('is refused for now when its credential cannot be checked', async () => {
    const lab = new RelayLab();
    lab.gate.failure = new Error('the database is away');
    const stranger = await lab.stranger('alice');
    expect(stranger.closed).toMatchObject({ code: 4429, reason: 'REGISTER_LIMIT' });
    await expect(lab.client('alice')).rejects.toMatchObject({ code: 'REGISTER_LIMIT' });
  });

  it('loses its link, with the reason, when its credential is over', async () => {
    const lab = new RelayLab();
    const stranger = await lab.stranger('alice');
    const error = new PosternError('ACCESS_SIGN_IN', 'Cannot go on: sign in again');
    for (const end of lab.gate.watches) end(error);
    await settle();
    expect(stranger.controls).toEqual([
      { type: 'refused', code: error.code, message: error.message, permanent: true },
    ]);
    expect(stranger.closed?.code).toBe(4401);
    expect(lab.gate.watches.size).toBe(0);
  });

  it('ends by itself when nothing is said in time', async () => {
    const lab = new RelayLab();
    const stranger = new Stranger(lab.door);
    stranger.control(HELLO);
    await settle();
    lab.clock.run(LIMITS.handshakeMs);
    await settle();
    expect(stranger.closed?.code).toBe(4408);
  });

  it('may say what a newer one says, and what means nothing from it', async () => {
    const lab = new RelayLab();
    const stranger = await lab.stranger('alice');
    for (const message of [
      { type: 'something-new' },
      { type: 'rules', rules: [] },
      { type: 'end', keys: ['k'.repeat(22)] },
      { type: 'drain', reason: 'r', dialAgainMs: 0, graceMs: 0 },
    ]) {
      stranger.control(message);
    }
    await settle();
    expect(stranger.closed).toBeUndefined();
    expect(lab.door.clientCount).toBe(1);
  });

  it('is asked once to dial elsewhere when the gateway drains', async () => {
    const lab = new RelayLab();
    const stranger = await lab.stranger('alice');
    expect(lab.door.drainClients(5_000)).toBe(2);
    expect(lab.door.drainClients(5_000)).toBe(0);
    await settle();
    expect(stranger.controls).toMatchObject([{ type: 'drain', dialAgainMs: 2, graceMs: 5_000 }]);
  });

  it(`is refused for now beyond ${LIMITS.clientLinks} of them`, async () => {
    const lab = new RelayLab();
    for (let n = 0; n < LIMITS.clientLinks; n += 1) {
      const stranger = new Stranger(lab.door);
      stranger.control(HELLO);
      stranger.control(REGISTER);
    }
    await settle();
    expect(lab.door.clientCount).toBe(LIMITS.clientLinks);
    await expect(lab.client()).rejects.toMatchObject({ code: 'REGISTER_LIMIT' });
    expect(lab.door.hasRoom).toBe(true);
  });
});
