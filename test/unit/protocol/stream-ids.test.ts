import { describe, expect, it } from '@jest/globals';

import { StreamIds } from '../../../src/protocol/stream-ids.ts';

describe('StreamIds', () => {
  it.each([
    ['dialler', true, [1, 3, 5], 2],
    ['accepter', false, [2, 4, 6], 1],
  ])('a %s has every second id, and its peer the others', (_who, isDialler, own, ofPeer) => {
    const ids = new StreamIds(isDialler);
    for (const id of own) {
      expect(ids.next).toBe(id);
      ids.useNext();
      expect(() => ids.check(id)).toThrow(expect.objectContaining({ code: 'PROTO_BAD_STREAM_ID' }));
    }
    ids.check(ofPeer);
  });

  it('those of the peer only grow, with gaps', () => {
    const ids = new StreamIds(true);
    ids.check(6);
    ids.usedByPeer(6);
    for (const id of [2, 4, 6, 7]) {
      expect(() => ids.check(id)).toThrow(`Cannot open stream ${id}: the last one was 6`);
    }
    ids.check(8);
  });

  it.each([true, false])('tells which were opened, by either side (dialler: %s)', (isDialler) => {
    const ids = new StreamIds(isDialler);
    expect([1, 2, 3, 4].filter((id) => ids.wasOpened(id))).toEqual([]);
    ids.useNext();
    ids.usedByPeer(isDialler ? 2 : 1);
    expect([1, 2, 3, 4].filter((id) => ids.wasOpened(id))).toEqual([1, 2]);
  });
});
