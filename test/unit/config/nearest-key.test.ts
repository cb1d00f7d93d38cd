import { expect, it } from '@jest/globals';
import { nearestKey } from '../../../src/config/nearest-key.ts';

const KEYS = ['ingress', 'tunnel', 'grace-period', 'noTLSVerify', 'tls', 'tcp', 'credentials-file'];

it.each([
  ['ingres', 'ingress'],
  ['ingerss', 'ingress'],
  ['Tunnel', 'tunnel'],
  ['graceperiod', 'grace-period'],
  ['grace_period', 'grace-period'],
  ['no-tls-verify', 'noTLSVerify'],
  ['credential-files', 'credentials-file'],
  ['tsl', 'tls'],
  ['colour', undefined],
  ['x', undefined],
  ['', undefined],
  ['i'.repeat(100_000), undefined],
])('nearestKey(%j) is %j', (key, nearest) => {
  expect(nearestKey(key, KEYS)).toBe(nearest);
});
