import { describe, expect, it } from '@jest/globals';

import { ConnectionShares } from '../../../../src/gateway/tcp/connection-shares.ts';

const limits = (maxConnections: number, maxConnectionsPerAddress: number) => ({
  maxConnections,
  maxConnectionsPerAddress,
});

describe('ConnectionShares', () => {
  it('gives as many as there are, and one again when one ends', () => {
    const shares = new ConnectionShares();
    const release = shares.take('192.0.2.1', limits(2, 0));
    shares.take('192.0.2.2', limits(2, 0));
    expect(() => shares.take('192.0.2.3', limits(2, 0))).toThrow(
      expect.objectContaining({
        code: 'TCP_LIMIT',
        message: 'Cannot take the connection: 2 are open, which is max-connections',
      }),
    );
    release();
    release();
    shares.take('192.0.2.3', limits(2, 0));
    expect(() => shares.take('192.0.2.3', limits(2, 0))).toThrow();
  });

  it('counts each address, and a /64 as one', () => {
    const shares = new ConnectionShares();
    shares.take('2001:db8::1', limits(0, 2));
    shares.take('2001:db8::ffff:2', limits(0, 2));
    expect(() => shares.take('2001:db8:0:0:5::', limits(0, 2))).toThrow(
      'Cannot take the connection: 2001:db8:0:0::/64 has 2, which is max-connections-per-address',
    );
    shares.take('2001:db8:0:1::1', limits(0, 2));
    shares.take('192.0.2.1', limits(0, 2));
    expect(shares.size).toEqual({ connections: 4, addresses: 3 });
  });

  it('forgets an address without connections', () => {
    const shares = new ConnectionShares();
    const releases = ['a', 'a', 'b'].map((address) => shares.take(address, limits(0, 0)));
    for (const release of releases) release();
    expect(shares.size).toEqual({ connections: 0, addresses: 0 });
  });
});
