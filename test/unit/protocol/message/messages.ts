/** Messages of a link as a well-behaved peer sends them, for tests to send as they are or spoil. */
import { expect } from '@jest/globals';
import type { ControlMessage } from '../../../../src/protocol/message/control-message.ts';

/** The bytes of a message. */
export const json = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
/** The error of one that is malformed, about `key`. */
export const bad = (key?: string): unknown =>
  expect.objectContaining({
    code: 'PROTO_BAD_CONTROL',
    message: expect.stringContaining(key === undefined ? '' : `"${key}"`),
  });

export const RULE = { id: '9f86', hostname: '*.a.test', path: '/api', kind: 'http' } as const;
export const REGISTER = {
  type: 'register',
  role: 'connector',
  token: 't',
  link: 0,
  replica: { hostname: 'h', platform: 'linux', startedAt: 1 },
  rules: [RULE],
} as const;
export const OPEN = {
  key: 'abcdefghijklmnopqrstuv',
  epoch: 0,
  resume: false,
  position: { received: 0, consumed: 0, window: 262_144 },
  request: { kind: 'tcp', hostname: 'a.test', rule: '9f86', requestId: 'q' },
} as const;

export const GATEWAY_KEY = {
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

/** One of each, and some that carry all they can. */
export const MESSAGES: ControlMessage[] = [
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
