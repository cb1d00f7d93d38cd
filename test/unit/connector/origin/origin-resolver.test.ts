import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import { formatIpAddress, type IpAddress } from '../../../../src/connector/origin/ip-address.ts';
import { OriginResolver, type Lookup } from '../../../../src/connector/origin/origin-resolver.ts';

const forever = new AbortController().signal;

/** Answers each lookup with the next list, and remembers what was asked. */
function resolverOf(...answers: readonly (readonly string[])[]): {
  resolver: OriginResolver;
  asked: string[];
} {
  const asked: string[] = [];
  const lookup: Lookup = (hostname) => {
    const addresses = answers[asked.length] ?? [];
    asked.push(hostname);
    return Promise.resolve(addresses.map((address) => ({ address })));
  };
  return { resolver: new OriginResolver(lookup), asked };
}

describe('OriginResolver', () => {
  it('returns all addresses of a name, in order', async () => {
    const { resolver, asked } = resolverOf(['2001:db8::1', '10.0.0.5']);
    await expect(resolver.resolve('db.internal', forever)).resolves.toEqual({
      addresses: ['2001:db8::1', '10.0.0.5'],
      refused: [],
    });
    expect(asked).toEqual(['db.internal']);
  });

  it('looks up nothing for an address', async () => {
    const { resolver, asked } = resolverOf();
    for (const address of ['10.0.0.5', '::1', 'fd12::1']) {
      await expect(resolver.resolve(address, forever)).resolves.toMatchObject({
        addresses: [address],
      });
    }
    expect(asked).toEqual([]);
  });

  it('K7: a name that resolves to the metadata address, directly or through a CNAME, is refused', async () => {
    const { resolver } = resolverOf(['169.254.169.254', 'fd00:ec2::254']);
    await expect(resolver.resolve('metadata.attacker.test', forever)).rejects.toMatchObject({
      code: 'ORIGIN_FORBIDDEN',
      message:
        'Cannot dial "metadata.attacker.test": 169.254.169.254 is the cloud metadata address, ' +
        'fd00:ec2::254 is a metadata address of AWS; only a rule whose service names that address itself allows it',
    });
  });

  it.each([
    '169.254.1.1',
    'fe80::1%eth0',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '0.0.0.0',
    '::',
    '224.0.0.251',
    'ff02::fb',
    '255.255.255.255',
  ])('K7: a name that resolves to %s is refused', async (address) => {
    const { resolver } = resolverOf([address]);
    await expect(resolver.resolve('app.internal', forever)).rejects.toMatchObject({
      code: 'ORIGIN_FORBIDDEN',
    });
  });

  it.each([
    '2852039166',
    '0xA9FEA9FE',
    '0251.0376.0251.0376',
    '169.254.43518',
    '[::ffff:a9fe:a9fe]',
    '::ffff:169.254.169.254',
    '0',
  ])(
    'K7: the service host %s names no restricted address, and is not handed to the resolver',
    async (host) => {
      const { resolver, asked } = resolverOf(['10.0.0.5']);
      await expect(resolver.resolve(host, forever)).rejects.toMatchObject({
        code: 'ORIGIN_FORBIDDEN',
      });
      expect(asked).toEqual([]);
    },
  );

  it.each(['169.254.169.254', 'fd00:ec2::254', 'fe80::1', '0.0.0.0', '::'])(
    'K7: a rule whose service is %s itself allows it',
    async (host) => {
      const { resolver } = resolverOf();
      await expect(resolver.resolve(host, forever)).resolves.toEqual({
        addresses: [host],
        refused: [],
      });
    },
  );

  it('normalises an address in another form that anyone may dial', async () => {
    const { resolver } = resolverOf();
    await expect(resolver.resolve('127.1', forever)).resolves.toMatchObject({
      addresses: ['127.0.0.1'],
    });
  });

  it('K7: of a mixed answer only what was checked is left, and the rest is told', async () => {
    const { resolver } = resolverOf(['169.254.169.254', '10.0.0.5', 'fe80::1']);
    await expect(resolver.resolve('app.internal', forever)).resolves.toEqual({
      addresses: ['10.0.0.5'],
      refused: ['169.254.169.254 is the cloud metadata address', 'fe80::1 is a link-local address'],
    });
  });

  it('K7: an answer that is a name and not an address is never passed on', async () => {
    const { resolver } = resolverOf(['metadata.google.internal']);
    await expect(resolver.resolve('app.internal', forever)).rejects.toMatchObject({
      code: 'ORIGIN_FORBIDDEN',
    });
  });

  it('looks at no more addresses than the limit', async () => {
    const many = Array.from({ length: 100 }, (_, i) => `10.0.0.${i + 1}`);
    const { resolver } = resolverOf(many);
    const { addresses } = await resolver.resolve('big.internal', forever);
    expect(addresses).toEqual(many.slice(0, LIMITS.originAddresses));
  });

  it('shares a lookup between dials that overlap, and asks again afterwards', async () => {
    const { resolver, asked } = resolverOf(['10.0.0.5'], ['10.0.0.6']);
    const both = await Promise.all([
      resolver.resolve('app.internal', forever),
      resolver.resolve('app.internal', forever),
    ]);
    expect(both.map(({ addresses }) => addresses)).toEqual([['10.0.0.5'], ['10.0.0.5']]);
    expect(asked).toHaveLength(1);
    await expect(resolver.resolve('app.internal', forever)).resolves.toMatchObject({
      addresses: ['10.0.0.6'],
    });
  });

  it('says ORIGIN_DNS when the name does not exist', async () => {
    const missing = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    const resolver = new OriginResolver(() => Promise.reject(missing));
    await expect(resolver.resolve('gone.internal', forever)).rejects.toMatchObject({
      code: 'ORIGIN_DNS',
      message: 'Cannot resolve "gone.internal": no such name',
      cause: missing,
    });
  });

  it('says ORIGIN_DNS when the name has no addresses', async () => {
    const { resolver } = resolverOf([]);
    await expect(resolver.resolve('empty.internal', forever)).rejects.toMatchObject({
      code: 'ORIGIN_DNS',
    });
  });

  it('uses the system resolver where none is given', async () => {
    const resolver = new OriginResolver();
    const { addresses } = await resolver.resolve('localhost', forever);
    expect(addresses).toContain('127.0.0.1');
    await expect(resolver.resolve('nothing.invalid', forever)).rejects.toMatchObject({
      code: 'ORIGIN_DNS',
    });
  });

  it('stops waiting for a lookup that hangs, and leaves it to the next dial', async () => {
    const answers: ((addresses: { address: string }[]) => void)[] = [];
    const asked: string[] = [];
    const resolver = new OriginResolver((hostname) => {
      asked.push(hostname);
      return new Promise((resolve) => {
        answers.push(resolve);
      });
    });
    const abort = new AbortController();
    const first = resolver.resolve('slow.internal', abort.signal);
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(first).rejects.toBe(reason);
    const second = resolver.resolve('slow.internal', forever);
    answers[0]?.([{ address: '10.0.0.5' }]);
    await expect(second).resolves.toMatchObject({ addresses: ['10.0.0.5'] });
    expect(asked).toHaveLength(1);
  });
});

describe('resolveChosen()', () => {
  const noTens = (address: IpAddress): string | undefined =>
    formatIpAddress(address).startsWith('10.') ? 'denied' : undefined;

  it('leaves out the addresses that are refused, and looks up nothing for an address', async () => {
    const { resolver, asked } = resolverOf(['10.0.0.5', '192.0.2.1', '2001:db8::1']);
    await expect(resolver.resolveChosen('db', forever, noTens)).resolves.toEqual({
      addresses: ['192.0.2.1', '2001:db8::1'],
      refused: ['10.0.0.5 is denied'],
    });
    await expect(resolver.resolveChosen('0xc0000201', forever, noTens)).resolves.toEqual({
      addresses: ['192.0.2.1'],
      refused: [],
    });
    expect(asked).toEqual(['db']);
  });

  it('K7 tells the user nothing of the addresses of a name, and the log why', async () => {
    const { resolver } = resolverOf(['10.0.0.5', 'junk']);
    const failed = resolver.resolveChosen('db.internal', forever, noTens);
    await expect(failed).rejects.toMatchObject({
      code: 'ORIGIN_FORBIDDEN',
      message: 'Cannot dial "db.internal": the rules of the connector do not allow it',
      cause: { message: '10.0.0.5 is denied, junk is not an address' },
    });
    await expect(resolver.resolveChosen('10.1', forever, noTens)).rejects.toMatchObject({
      code: 'ORIGIN_FORBIDDEN',
    });
  });

  it('says when a name has no address', async () => {
    const { resolver } = resolverOf([]);
    await expect(resolver.resolveChosen('db', forever, noTens)).rejects.toMatchObject({
      code: 'ORIGIN_DNS',
    });
  });

  it('asks a resolver that hangs for no more names than the limit, and still for those of rules', async () => {
    const asked: string[] = [];
    const resolver = new OriginResolver((hostname) => new Promise(() => void asked.push(hostname)));
    const abort = new AbortController();
    const waiting = Array.from({ length: LIMITS.originLookups }, (_, index) =>
      resolver.resolveChosen(`host-${index}`, abort.signal, noTens),
    );
    await expect(resolver.resolveChosen('one-more', forever, noTens)).rejects.toMatchObject({
      code: 'ORIGIN_DNS',
      message: `Cannot resolve "one-more": ${LIMITS.originLookups} other names are being resolved`,
    });
    const more = [
      resolver.resolveChosen('host-0', abort.signal, noTens),
      resolver.resolve('of-a-rule', abort.signal),
    ];
    expect(asked).toHaveLength(LIMITS.originLookups + 1);
    abort.abort(new Error('enough'));
    for (const lookup of [...waiting, ...more]) await expect(lookup).rejects.toThrow('enough');
  });
});
