import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../../src/core/error.ts';
import { CLOSE_CODE } from '../../../../src/protocol/close-code.ts';
import { settle } from '../../protocol/turns.ts';
import { RelayLab } from '../relay/relay-lab.ts';

describe('the last link of a connector', () => {
  it('has broken when it ends without a word', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector('r');
    await connector.dial(1);
    await connector.cut();
    expect(lab.left).toEqual([]);
    await connector.dial(1);
    const alone = await lab.connector('alone');
    await alone.cut();
    expect(lab.left).toEqual([['alone', true]]);
  });

  it('has not when the connector said that it leaves', async () => {
    const lab = new RelayLab();
    const connector = await lab.connector('r');
    connector.link?.sendControl({ type: 'drain', reason: 'r', dialAgainMs: 0, graceMs: 0 });
    await settle();
    await connector.cut();
    expect(lab.left).toEqual([['r', false]]);
  });

  it('has not when the gateway closed it', async () => {
    const lab = new RelayLab();
    await lab.connector('r');
    lab.door.close(CLOSE_CODE.refused, new PosternError('REGISTER_REVOKED', 'it was deleted'));
    await settle();
    expect(lab.left).toEqual([['r', false]]);
  });
});
