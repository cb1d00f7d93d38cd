import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import {
  parseAccept,
  parseControl,
  parseOpen,
  type ControlMessage,
} from '../../../src/protocol/control-message.ts';

const json = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const bad = (key?: string): unknown =>
  expect.objectContaining({
    code: 'PROTO_BAD_CONTROL',
    message: expect.stringContaining(key === undefined ? '' : `"${key}"`),
  });

const RULE = { id: '9f86', hostname: '*.a.test', path: '/api', kind: 'http' } as const;
const REGISTER = {
  type: 'register',
  role: 'connector',
  token: 't',
  link: 0,
  replica: { hostname: 'h', platform: 'linux', startedAt: 1 },
  rules: [RULE],
} as const;
const OPEN = {
  key: 'abcdefghijklmnopqrstuv',
  epoch: 0,
  resume: false,
  position: { received: 0, consumed: 0, window: 262_144 },
  request: { kind: 'tcp', hostname: 'a.test', rule: '9f86', requestId: 'q' },
} as const;

const GATEWAY_KEY = {
  kid: 'k',
  kty: 'EC',
  crv: 'P-256',
  x: 'x'.repeat(43),
  y: 'y'.repeat(43),
} as const;

const CHANGED_HTTP = {
  rewrite: { path: '^/a', to: '/b' },
  headers: { request: { set: [['a', 'b']] }, response: { remove: ['c'] } },
  wholeBodies: true,
} as const;

const MESSAGES: ControlMessage[] = [
  { type: 'hello', versions: [1, 2], features: ['x'], software: 'postern/1', process: 'p' },
  REGISTER,
  {
    ...REGISTER,
    rules: [
      { ...RULE, http: { hostHeader: 'b', keepAliveConnections: 1, keepAliveTimeoutMs: 2 } },
      { id: '1', hostname: '', kind: 'tcp', http: { http2: true } },
      { id: '2', hostname: '', kind: 'tcp', access: true },
      { id: '3', hostname: '', kind: 'tcp', ports: 100 },
      { id: '3', hostname: '', kind: 'tcp', destinations: true },
      { id: '4', hostname: '', kind: 'http', http: CHANGED_HTTP },
    ],
  },
  {
    type: 'registered',
    tunnel: { id: '1', name: 'n' },
    gateway: 'g',
    hostnames: { 'a.test': 'routed', 'b.test': 'unrouted', 'c.test': 'refused' },
  },
  { type: 'register', role: 'client' },
  { type: 'admitted', gateway: 'g' },
  { type: 'end', keys: ['abcdefghijklmnopqrstuv'] },
  { type: 'refused', code: 'REGISTER_REFUSED', message: 'no', permanent: true },
  { type: 'rules', rules: [] },
  { type: 'hostnames', hostnames: {} },
  { type: 'keys', keys: [GATEWAY_KEY] },
  { type: 'drain', reason: 'stop', dialAgainMs: 1, graceMs: 2 },
];

describe('parseControl()', () => {
  it.each(MESSAGES.map((message) => [message.type, message] as const))(
    'reads %s',
    (_type, message) => {
      expect(parseControl(json(message))).toEqual(message);
    },
  );

  it('reads which dead runs a connector comes after, and that it drains', () => {
    const message = { ...REGISTER, replaces: ['one run', 'r'.repeat(64)], draining: true };
    expect(parseControl(json(message))).toEqual(message);
    expect(parseControl(json({ ...REGISTER, draining: false }))).toEqual(REGISTER);
  });

  it('reads how long a gateway keeps detached streams', () => {
    const registered = MESSAGES.find(({ type }) => type === 'registered');
    const message = { ...registered, resumeMs: 30_000 };
    expect(parseControl(json(message))).toEqual(message);
  });

  it('reads which origins of a connector are not well', () => {
    const health = { type: 'health', revision: 7, unhealthy: ['a1', 'b2'] };
    expect(parseControl(json(health))).toEqual(health);
    expect(() => parseControl(json({ ...health, unhealthy: ['x'.repeat(65)] }))).toThrow(/ids/);
    expect(() => parseControl(json({ ...health, unhealthy: [1] }))).toThrow(/ids/);
    const most = Array.from({ length: LIMITS.announcedRules + 1 }, () => 'a');
    expect(() => parseControl(json({ ...health, unhealthy: most }))).toThrow(
      /more than 500 entries/,
    );
  });

  it('reads who a client is, and for whom it is taken', () => {
    const register = { type: 'register', role: 'client', credential: 'c' };
    expect(parseControl(json(register))).toEqual(register);
    const admitted = { type: 'admitted', gateway: 'g', user: 'ann@example.com' };
    expect(parseControl(json(admitted))).toEqual(admitted);
    expect(() => parseControl(json({ ...register, credential: 1 }))).toThrow(bad());
    expect(() => parseControl(json({ ...admitted, user: 'u'.repeat(1_025) }))).toThrow(bad());
  });

  it('reads what a gateway signs with, and passes over what it could not check', () => {
    const registered = MESSAGES.find(({ type }) => type === 'registered');
    const message = { ...registered, keys: [GATEWAY_KEY] };
    expect(parseControl(json(message))).toEqual(message);
    const keys = [
      { ...GATEWAY_KEY, alg: 'ES256', d: 'private' },
      { kid: 'later', kty: 'OKP', crv: 'Ed25519', x: 'x' },
      { ...GATEWAY_KEY, crv: 'P-521' },
    ];
    expect(parseControl(json({ type: 'keys', keys }))).toEqual({
      type: 'keys',
      keys: [GATEWAY_KEY],
    });
  });

  it('drops keys that it does not know', () => {
    expect(parseControl(json({ type: 'rules', rules: [], later: 1 }))).toEqual({
      type: 'rules',
      rules: [],
    });
  });

  it('passes over types that it does not know', () => {
    expect(parseControl(json({ type: 'later' }))).toBeUndefined();
    expect(parseControl(json({ type: '__proto__' }))).toBeUndefined();
    expect(parseControl(json({ type: 'constructor' }))).toBeUndefined();
  });

  it('passes over versions, features and states that it does not know', () => {
    const hello = { type: 'hello', versions: ['1', 1, {}], features: [1, 'x'] };
    expect(parseControl(json({ ...hello, software: 's', process: 'p' }))).toMatchObject({
      versions: [1],
      features: ['x'],
    });
    const hostnames = { a: 'routed', b: 'later', c: 1 };
    expect(parseControl(json({ type: 'hostnames', hostnames }))).toMatchObject({
      hostnames: { a: 'routed' },
    });
  });

  it.each([
    ['nothing', ''],
    ['half a message', '{"type":"rul'],
    ['two messages', '{"type":"a"}{"type":"b"}'],
    ['text that is no UTF-8', Buffer.from('7b2274797065ff', 'hex').toString('latin1')],
    ['a list', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['a string', '"hello"'],
    ['an object without a type', '{}'],
    ['a type that is no string', '{"type":1}'],
    ['a type that is inherited', '{"__proto__":{"type":"rules","rules":[]}}'],
  ])('refuses %s', (_what, text) => {
    expect(() => parseControl(json(text))).toThrow(bad());
  });

  it.each([
    ['hello', 'versions', 1],
    ['hello', 'versions', Array.from({ length: 17 }, () => 1)],
    ['hello', 'features', {}],
    ['hello', 'software', undefined],
    ['hello', 'software', 's'.repeat(1_025)],
    ['hello', 'process', 'p'.repeat(65)],
    ['register', 'role', 'gateway'],
    ['register', 'token', null],
    ['register', 'token', 't'.repeat(1_025)],
    ['register', 'draining', 1],
    ['register', 'replaces', 'a-run'],
    ['register', 'replaces', ['']],
    ['register', 'replaces', [7]],
    ['register', 'replaces', ['r'.repeat(65)]],
    ['register', 'replaces', Array.from({ length: LIMITS.replacedRuns + 1 }, () => 'r')],
    ['register', 'link', -1],
    ['register', 'link', 1.5],
    ['register', 'link', '0'],
    ['register', 'link', 2 ** 53],
    ['register', 'replica', []],
    ['register', 'replica', { ...REGISTER.replica, hostname: 'h'.repeat(254) }],
    ['register', 'replica', { ...REGISTER.replica, platform: 'p'.repeat(65) }],
    ['register', 'rules', {}],
    ['register', 'rules', [null]],
    ['register', 'rules', [[]]],
    ['register', 'rules', [{ ...RULE, id: 'i'.repeat(65) }]],
    ['register', 'rules', [{ ...RULE, hostname: 'h'.repeat(254) }]],
    ['register', 'rules', [{ ...RULE, path: 1 }]],
    ['register', 'rules', [{ ...RULE, path: 'p'.repeat(1_025) }]],
    ['register', 'rules', [{ ...RULE, kind: 'udp' }]],
    ['register', 'rules', [{ ...RULE, http: 1 }]],
    ['register', 'rules', [{ ...RULE, http: { http2: 'yes' } }]],
    ['register', 'rules', [{ ...RULE, http: { keepAliveConnections: -1 } }]],
    ...[
      { rewrite: '/' },
      { rewrite: { path: '/' } },
      { rewrite: { path: '/', to: 't'.repeat(1_025) } },
      { headers: { request: [] } },
      { headers: { request: { set: { a: 'b' } } } },
      { headers: { request: { set: [['a']] } } },
      { headers: { request: { set: [['a', 1]] } } },
      { headers: { response: { remove: [1] } } },
      { headers: { response: { remove: Array(LIMITS.changedFields + 1).fill('a') } } },
      { wholeBodies: 1 },
    ].map((http) => ['register', 'rules', [{ ...RULE, http }]] as const),
    ['registered', 'tunnel', { id: 'i'.repeat(65), name: 'n' }],
    ['registered', 'gateway', 1],
    ['registered', 'hostnames', []],
    ['registered', 'resumeMs', -1],
    ['registered', 'resumeMs', 24 * 24 * 3_600_000 + 1],
    ['register', 'rules', [{ ...RULE, access: 'yes' }]],
    ['registered', 'keys', {}],
    ['registered', 'keys', [1]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, kty: 1 }]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, x: 'x' }]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, y: `${'y'.repeat(42)}+` }]],
    ['keys', 'keys', [{ ...GATEWAY_KEY, kid: 'k'.repeat(65) }]],
    ['keys', 'keys', Array.from({ length: 17 }, () => GATEWAY_KEY)],
    ['refused', 'permanent', 1],
    ['refused', 'message', 'm'.repeat(1_025)],
    ['admitted', 'gateway', 1],
    ['end', 'keys', ['short']],
    ['end', 'keys', [1]],
    ['end', 'keys', Array.from({ length: 501 }, () => OPEN.key)],
    ['drain', 'dialAgainMs', -1],
    ['drain', 'graceMs', 'soon'],
  ])('refuses %s with a wrong "%s"', (type, key, value) => {
    const message = MESSAGES.find((m) => m.type === type);
    expect(() => parseControl(json({ ...message, [key]: value }))).toThrow(bad());
  });

  it('refuses each message that lacks a key, and names the key', () => {
    for (const message of MESSAGES) {
      for (const key of Object.keys(message).filter((k) => k !== 'type')) {
        const { [key as 'type']: _, ...rest } = message;
        expect(() => parseControl(json(rest))).toThrow(bad(key));
      }
    }
  });

  it('takes as many rules as may be announced and not one more', () => {
    const rules = (count: number): Buffer =>
      json({ type: 'rules', rules: Array.from({ length: count }, () => RULE) });
    expect(parseControl(rules(LIMITS.announcedRules))).toHaveProperty(
      'rules.length',
      LIMITS.announcedRules,
    );
    expect(() => parseControl(rules(LIMITS.announcedRules + 1))).toThrow(bad('rules'));
  });

  it('takes a date of a replica only where there is one', () => {
    // The last millisecond that Date knows: listings print it.
    const startedAt = (ms: number): Buffer =>
      json({ ...REGISTER, replica: { ...REGISTER.replica, startedAt: ms } });
    expect(parseControl(startedAt(8.64e15))).toMatchObject({ replica: { startedAt: 8.64e15 } });
    expect(() => parseControl(startedAt(8.64e15 + 1))).toThrow(bad('startedAt'));
  });

  it('is not fooled by keys of the prototype', () => {
    const hostnames =
      '{"type":"hostnames","hostnames":{"__proto__":"routed","constructor":"refused","toString":"routed"}}';
    const message = parseControl(json(hostnames)) as { hostnames: Record<string, string> };
    expect(Object.getPrototypeOf(message.hostnames)).toBeNull();
    expect(Object.entries(message.hostnames)).toEqual([
      ['__proto__', 'routed'],
      ['constructor', 'refused'],
      ['toString', 'routed'],
    ]);
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('routed');
    // A key that only the prototype has is not there.
    expect(() => parseControl(json('{"type":"drain","__proto__":{"reason":"r"}}'))).toThrow(
      bad('reason'),
    );
  });

  it('takes no more time for odd JSON than for other JSON', () => {
    const odd = [
      '['.repeat(LIMITS.controlBytes),
      '{"a":'.repeat(LIMITS.controlBytes / 5),
      `{"type":"later",${Array.from({ length: 5_000 }, (_, i) => `"${i * 7919}":0`).join(',')}}`,
      `{"type":"${'\\u0000'.repeat(10_000)}"}`,
      `{"type":"later","a":${'9'.repeat(60_000)}}`,
    ];
    const begin = performance.now();
    for (const text of odd) {
      try {
        parseControl(json(text));
      } catch (error) {
        expect(error).toMatchObject({ code: 'PROTO_BAD_CONTROL' });
      }
    }
    expect(performance.now() - begin).toBeLessThan(500);
  });
});

describe('parseOpen()', () => {
  it('reads what it knows and drops the rest', () => {
    expect(parseOpen(json({ ...OPEN, later: 1, request: { ...OPEN.request, later: 1 } }))).toEqual(
      OPEN,
    );
    const client = { address: '::1', port: 5 };
    const assertion = 'a'.repeat(2_048);
    const heeds = Array.from({ length: LIMITS.heededWords }, (_, index) => `w${index}`);
    const relayed = {
      replica: 'r',
      owner: 'o',
      detachedMs: 300_000,
      portOffset: 7,
      assertion,
      heeds,
    };
    const whole = {
      ...OPEN,
      position: { received: 1, consumed: 0, window: 0, ended: true },
      request: { ...OPEN.request, client, ...relayed, destination: { host: 'db.b', port: 22 } },
      relayMs: 80,
    };
    expect(parseOpen(json(whole))).toEqual(whole);
  });

  it.each([
    ['key', 'k'.repeat(21)],
    ['key', 'k'.repeat(65)],
    ['key', `${'k'.repeat(22)}\n`],
    ['key', `${'k'.repeat(21)}+`],
    ['key', undefined],
    ['epoch', -1],
    ['epoch', 0.5],
    ['epoch', '0'],
    ['resume', 0],
    ['position', null],
    ['position', { received: 0, consumed: 1, window: 0 }],
    ['position', { received: 0, consumed: 0, window: LIMITS.maxWindowBytes + 1 }],
    ['position', { received: -1, consumed: -1, window: 0 }],
    ['position', { received: 2 ** 53, consumed: 0, window: 0 }],
    ['position', { received: 0, consumed: 0 }],
    ['position', { received: 0, consumed: 0, window: 0, ended: true }],
    ['position', { received: 1, consumed: 0, window: 0, ended: 1 }],
    ['relayMs', 60_001],
    ['request', []],
    ['request', { ...OPEN.request, replica: 'r'.repeat(65) }],
    ['request', { ...OPEN.request, owner: 'o'.repeat(65) }],
    ['request', { ...OPEN.request, detachedMs: -1 }],
    ['request', { ...OPEN.request, assertion: 'a'.repeat(2_049) }],
    ['request', { ...OPEN.request, assertion: {} }],
    ['request', { ...OPEN.request, portOffset: 65_536 }],
    ['request', { ...OPEN.request, portOffset: -1 }],
    ['request', { ...OPEN.request, heeds: 'http2' }],
    ['request', { ...OPEN.request, heeds: Array(LIMITS.heededWords + 1).fill('http2') }],
    ['request', { ...OPEN.request, destination: 'db:22' }],
    ['request', { ...OPEN.request, destination: { host: 'db' } }],
    ['request', { ...OPEN.request, destination: { host: 'd'.repeat(254), port: 22 } }],
    ['request', { ...OPEN.request, destination: { host: 'a b', port: 22 } }],
    ['request', { ...OPEN.request, destination: { host: '', port: 22 } }],
    ['request', { ...OPEN.request, destination: { host: 'db', port: 65_536 } }],
    ['request', { ...OPEN.request, kind: 'udp' }],
    ['request', { ...OPEN.request, hostname: 'h'.repeat(254) }],
    ['request', { ...OPEN.request, rule: 'r'.repeat(65) }],
    ['request', { ...OPEN.request, requestId: 'q'.repeat(65) }],
    ['request', { ...OPEN.request, client: '::1' }],
    ['request', { ...OPEN.request, client: { address: 'a'.repeat(65), port: 1 } }],
    ['request', { ...OPEN.request, client: { address: '::1', port: 65_536 } }],
  ])('refuses a wrong "%s"', (key, value) => {
    expect(() => parseOpen(json({ ...OPEN, [key]: value }))).toThrow(bad());
  });

  it('takes keys of 22 to 64 characters of base64url', () => {
    for (const key of ['A'.repeat(22), `${'z'.repeat(60)}09-_`]) {
      expect(parseOpen(json({ ...OPEN, key }))).toHaveProperty('key', key);
    }
  });
});

describe('parseAccept()', () => {
  it('reads the position and what it knows of the origin', () => {
    const position = { received: 5, consumed: 4, window: 0 };
    const info = { alpn: 'h2', origin: '127.0.0.1:22' };
    expect(parseAccept(json({ position, info: { ...info, later: 1 } }))).toEqual({
      position,
      info,
    });
    expect(parseAccept(json({ position, info: {} }))).toEqual({ position, info: {} });
  });

  it.each([
    ['no position', { info: {} }],
    ['no info', { position: OPEN.position }],
    ['info that is text', { position: OPEN.position, info: 'h2' }],
    ['an alpn that is no text', { position: OPEN.position, info: { alpn: 2 } }],
    ['a long origin', { position: OPEN.position, info: { origin: 'o'.repeat(1_025) } }],
  ])('refuses %s', (_what, value) => {
    expect(() => parseAccept(json(value))).toThrow(bad());
  });
});
