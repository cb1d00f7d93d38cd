import { describe, expect, it } from '@jest/globals';
import { parseHostnamePattern } from '../../../../src/config/hostname-pattern.ts';
import { ingressRule, matchRule } from '../../../../src/config/connector/ingress-rule.ts';
import type { IngressRule } from '../../../../src/config/connector/ingress-rule.ts';
import { ORIGIN_REQUEST_DEFAULTS } from '../../../../src/config/connector/origin-request.ts';
import { parseService } from '../../../../src/config/connector/origin-service.ts';
import { compilePath } from '../../../../src/config/connector/path-pattern.ts';

function rule(hostname: string, path?: string): Omit<IngressRule, 'id'> {
  return {
    index: 0,
    hostname: parseHostnamePattern(hostname),
    path: path === undefined ? undefined : compilePath(path),
    service: parseService('http://localhost:8080'),
    originRequest: ORIGIN_REQUEST_DEFAULTS,
  };
}

describe('matchRule()', () => {
  const rules = [
    { ...rule('app.example.com', '^/api/'), name: 'api' },
    { ...rule('app.example.com'), name: 'app' },
    { ...rule('*.example.com', '\\.css$'), name: 'styles' },
    { ...rule('*.example.com'), name: 'rest' },
    { ...rule(''), name: 'all' },
  ];

  it.each([
    ['app.example.com', '/api/users', 'api'],
    ['app.example.com', '/', 'app'],
    ['app.example.com', '/site.css', 'app'],
    ['APP.example.com.:8443', '/x', 'app'],
    ['www.example.com', '/site.css', 'styles'],
    ['a.b.example.com', '/api/', 'rest'],
    ['example.com', '/', 'all'],
    ['', '', 'all'],
  ])('%j %j: the first rule that matches both is %j', (hostname, path, name) => {
    expect(matchRule(rules, hostname, path)?.name).toBe(name);
  });

  it('finds nothing when no rule matches', () => {
    expect(matchRule(rules.slice(0, 1), 'app.example.com', '/')).toBeUndefined();
    expect(matchRule([], 'app.example.com', '/')).toBeUndefined();
  });
});

describe('ingressRule()', () => {
  const base = rule('app.example.com', '^/api/');
  const { id } = ingressRule(base);

  it('gives a rule the same id wherever it stands', () => {
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(ingressRule({ ...base, index: 7 }).id).toBe(id);
  });

  it('gives the same id whatever the order of fields', () => {
    const originRequest = Object.fromEntries(Object.entries(base.originRequest).toReversed());
    const rewritten = { ...base, originRequest: { ...ORIGIN_REQUEST_DEFAULTS, ...originRequest } };
    expect(ingressRule(rewritten).id).toBe(id);
    const undefinedField = { ...base.originRequest, caFile: undefined };
    expect(ingressRule({ ...base, originRequest: undefinedField }).id).toBe(id);
  });

  it.each([
    ['hostname', { hostname: parseHostnamePattern('*.example.com') }],
    ['path', { path: undefined }],
    ['service', { service: parseService('https://localhost:8080') }],
    ['option', { originRequest: { ...ORIGIN_REQUEST_DEFAULTS, tlsVerification: 'none' as const } }],
  ])('gives another id to a rule with another %s', (_, change) => {
    expect(ingressRule({ ...base, ...change }).id).not.toBe(id);
  });
});
