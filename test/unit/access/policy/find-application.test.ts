import { describe, expect, it } from '@jest/globals';
import { findApplication } from '../../../../src/access/policy/find-application.ts';
import { accessRules } from '../../../support/access-rules.ts';

const { applications } = accessRules({
  applications: [
    { name: 'any', hostname: '*.example.com' },
    { name: 'lab', hostname: '*.lab.example.com' },
    { name: 'wiki', hostname: 'wiki.example.com' },
    { name: 'wiki-admin', hostname: 'wiki.example.com', path: '/admin' },
    { name: 'wiki-audit', hostname: 'wiki.example.com', path: '/admin/audit' },
    { name: 'api', hostname: 'api.example.com', path: '/v1' },
    { name: 'alone', hostname: 'alone.test', path: '/app' },
  ],
});

function find(hostname: string, path: string): string {
  const found = findApplication(applications, hostname, path);
  return typeof found === 'string' ? `(${found})` : found.name;
}

describe('findApplication()', () => {
  it.each([
    ['wiki.example.com', '/', 'wiki'],
    ['wiki.example.com', '/page', 'wiki'],
    ['wiki.example.com', '/admin', 'wiki-admin'],
    ['wiki.example.com', '/admin/', 'wiki-admin'],
    ['wiki.example.com', '/admin/users', 'wiki-admin'],
    ['wiki.example.com', '/administrator', 'wiki'],
    ['wiki.example.com', '/admin/audit/2026', 'wiki-audit'],
    ['wiki.example.com', '/admin/auditor', 'wiki-admin'],
    ['other.example.com', '/admin', 'any'],
    ['x.lab.example.com', '/', 'lab'],
    ['api.example.com', '/v1/users', 'api'],
    ['api.example.com', '/v2', 'any'],
    ['alone.test', '/app/x', 'alone'],
    ['alone.test', '/', '(no-application)'],
    ['nowhere.test', '/', '(no-application)'],
    ['example.com', '/', '(no-application)'],
  ])('%s %s belongs to %s', (hostname, path, name) => {
    expect(find(hostname, path)).toBe(name);
  });

  it.each(['//admin', '/x/../admin', '/%61dmin', '/admin;x', '/%2e%2e/admin', '\\admin', '*', ''])(
    'P21 %j belongs to nothing where applications share the hostname by path',
    (path) => {
      expect(find('wiki.example.com', path)).toBe('(path-not-canonical)');
      expect(find('api.example.com', path)).toBe('(path-not-canonical)');
      expect(find('alone.test', path)).toBe('(path-not-canonical)');
    },
  );

  it.each(['//admin', '/%61dmin', ''])('%j is fine where one application has it all', (path) => {
    expect(find('other.example.com', path)).toBe('any');
  });

  it('P23 a path is without its query: one that has a "?" is refused', () => {
    expect(find('wiki.example.com', '/page?x=/admin')).toBe('(path-not-canonical)');
  });
});
