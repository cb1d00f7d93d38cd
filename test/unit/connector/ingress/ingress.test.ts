import { describe, expect, it } from '@jest/globals';
import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import { announce, chooseRule } from '../../../../src/connector/ingress/ingress.ts';
import { aRule } from '../a-rule.ts';

const ssh = aRule('ssh://10.0.0.5', { hostname: 'ssh.example.com' });
const wiki = aRule('http://localhost:8080', {
  hostname: '*.wiki.example.com',
  path: '^/pages/',
  httpHostHeader: 'wiki.internal',
  keepAliveConnections: 7,
  keepAliveTimeoutMs: 5_000,
});
const rest = aRule('http_status:404');
const rules = [ssh, wiki, rest];

describe('chooseRule()', () => {
  it('finds the rule by its id', () => {
    const request = { kind: 'tcp', hostname: 'ssh.example.com', rule: ssh.id } as const;
    expect(chooseRule(rules, request)).toBe(ssh);
  });

  it('compares hostnames in their normal form and below a wildcard', () => {
    const request = { kind: 'http', hostname: 'A.B.Wiki.Example.COM.', rule: wiki.id } as const;
    expect(chooseRule(rules, request)).toBe(wiki);
  });

  it('lets any hostname use a catch-all', () => {
    const request = { kind: 'http', hostname: 'whatever.test', rule: rest.id } as const;
    expect(chooseRule(rules, request)).toBe(rest);
  });

  it('carries raw bytes to a service that speaks HTTP: a TCP port may lead to any service', () => {
    const request = { kind: 'tcp', hostname: 'a.wiki.example.com', rule: wiki.id } as const;
    expect(chooseRule(rules, request)).toBe(wiki);
  });

  it.each([
    ['an id that no rule has', 'tcp', 'ssh.example.com', '0123456789abcdef'],
    ['an empty id', 'tcp', 'ssh.example.com', ''],
    ['an address instead of an id', 'tcp', 'ssh.example.com', 'tcp://10.0.0.9:22'],
    ['a service instead of an id', 'tcp', 'ssh.example.com', 'ssh://10.0.0.5'],
    ['the name of an inherited property', 'tcp', 'ssh.example.com', '__proto__'],
    ['a hostname of another rule', 'tcp', 'a.wiki.example.com', ssh.id],
    ['a host behind the connector as hostname', 'tcp', '10.0.0.9:22', ssh.id],
    ['no hostname for a rule that has one', 'tcp', '', ssh.id],
    ['the parent of a wildcard', 'http', 'wiki.example.com', wiki.id],
    ['HTTP to a TCP service', 'http', 'ssh.example.com', ssh.id],
  ] as const)(
    'K6: a gateway that asks for %s gets ORIGIN_NO_RULE',
    (_what, kind, hostname, rule) => {
      expect(() => chooseRule(rules, { kind, hostname, rule })).toThrow(
        expect.objectContaining({ code: 'ORIGIN_NO_RULE' }),
      );
    },
  );

  it('K6: the id of a rule that was removed opens nothing', () => {
    const request = { kind: 'tcp', hostname: 'ssh.example.com', rule: ssh.id } as const;
    const moved = aRule('ssh://10.0.0.6', { hostname: 'ssh.example.com' });
    expect(() => chooseRule([moved, rest], request)).toThrow(/no ingress rule has this id/);
  });
});

describe('a service of several ports', () => {
  const range = aRule('tcp://10.0.0.5:6000-6002', { hostname: 'range.example.com' });
  const request = { kind: 'tcp', hostname: 'range.example.com', rule: range.id } as const;

  it('says how many, and takes each of them', () => {
    expect(announce([range, ssh])).toMatchObject([{ ports: 3 }, { id: ssh.id }]);
    expect(announce([ssh])[0]).not.toHaveProperty('ports');
    for (const portOffset of [0, 1, 2]) {
      expect(chooseRule([range], { ...request, portOffset })).toBe(range);
    }
  });

  it.each([
    [range, 3],
    [range, 65_535],
    [ssh, 1],
    [wiki, 1],
  ])('K6: a gateway that asks for a port beyond gets ORIGIN_NO_RULE', (rule, portOffset) => {
    const asked = { kind: 'tcp', hostname: 'a.wiki.example.com', rule: rule.id } as const;
    const hostname = rule === wiki ? asked.hostname : rule.hostname.text;
    expect(() => chooseRule([...rules, range], { ...asked, hostname, portOffset })).toThrow(
      expect.objectContaining({ code: 'ORIGIN_NO_RULE' }),
    );
  });
});

describe('a gateway of an older version', () => {
  const heads = { response: { set: [], remove: ['server'] } };
  it.each([
    ['rewrite', { rewrite: { path: '^/a', to: '/b' } }],
    ['headers', { headers: heads }],
    ['wholeBodies', { wholeBodies: true as const }],
  ])('is refused a rule whose "%s" it would not do, and may carry its bytes', (word, options) => {
    const rule = aRule('http://localhost:1', options);
    const request = { kind: 'http', hostname: 'a.test', rule: rule.id } as const;
    const refused = expect.objectContaining({ code: 'ORIGIN_NO_RULE' });
    expect(() => chooseRule([rule], request)).toThrow(refused);
    expect(() => chooseRule([rule], { ...request, heeds: ['http2'] })).toThrow(refused);
    expect(chooseRule([rule], { ...request, heeds: ['http2', word] })).toBe(rule);
    expect(chooseRule([rule], { ...request, kind: 'tcp' })).toBe(rule);
    expect(announce([rule])[0]?.http).toHaveProperty(word);
  });

  it('speaks HTTP/1.1 where the rule would like HTTP/2', () => {
    const rule = aRule('http://localhost:1', { http2: true });
    expect(chooseRule([rule], { kind: 'http', hostname: 'a.test', rule: rule.id })).toBe(rule);
    expect(announce([rule])[0]?.http).toMatchObject({ http2: true });
  });
});

describe('announce()', () => {
  it('says which rules require access, and not which applications', () => {
    const [any, some, none] = [{}, { applications: ['secret-name'] }, undefined].map((access) =>
      announce([aRule('ssh://10.0.0.7', { access })]),
    );
    expect(any).toEqual([expect.objectContaining({ access: true })]);
    expect(some).toEqual([expect.objectContaining({ access: true })]);
    expect(JSON.stringify(some)).not.toContain('secret-name');
    expect(none?.[0]).not.toHaveProperty('access');
  });

  it('says which rules want a destination, and not which ones they allow', () => {
    const ipRules = [{ range: parseIpRange('10.1.2.0/24'), ports: [22], allow: true }];
    const [bastion, socks] = ['bastion', 'socks-proxy'].map((service) =>
      announce([aRule(service, { ipRules })]),
    );
    expect(bastion).toEqual([expect.objectContaining({ destinations: true })]);
    expect(socks?.[0]).not.toHaveProperty('destinations');
    expect(JSON.stringify([bastion, socks])).not.toContain('10.1');
  });

  it('has no connection kept where one stands for one user', () => {
    const [rule] = announce([
      aRule('http://a:1', { proxyProtocol: 'v2', keepAliveConnections: 9 }),
    ]);
    expect(rule?.http).toHaveProperty('keepAliveConnections', 0);
  });

  it('says how to match and to speak HTTP, in order, and not where origins are', () => {
    expect(announce(rules)).toEqual([
      { id: ssh.id, hostname: 'ssh.example.com', kind: 'tcp' },
      {
        id: wiki.id,
        hostname: '*.wiki.example.com',
        path: '^/pages/',
        kind: 'http',
        http: { hostHeader: 'wiki.internal', keepAliveConnections: 7, keepAliveTimeoutMs: 5_000 },
      },
      {
        id: rest.id,
        hostname: '*',
        kind: 'http',
        http: { keepAliveConnections: 100, keepAliveTimeoutMs: 90_000 },
      },
    ]);
  });

  it.each([
    ['http://a:1', 'http'],
    ['https://a', 'http'],
    ['ws://a:1', 'http'],
    ['unix:/run/a.sock', 'http'],
    ['unix+tls:/run/a.sock', 'http'],
    ['hello_world', 'http'],
    ['http_status:503', 'http'],
    ['tcp://a:1', 'tcp'],
    ['ssh://a', 'tcp'],
    ['rdp://a', 'tcp'],
    ['smb://a', 'tcp'],
    ['postgres://a:5432', 'tcp'],
    ['bastion', 'tcp'],
    ['socks-proxy', 'tcp'],
  ])('announces %s as %s', (service, kind) => {
    expect(announce([aRule(service)])).toEqual([expect.objectContaining({ kind })]);
  });
});
