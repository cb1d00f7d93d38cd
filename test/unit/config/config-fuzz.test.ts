/** Whatever is in a file or a field: a value, or one line with a code. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConfigSource } from '../../../src/config/config-source.ts';
import { connectorSchema } from '../../../src/config/connector/connector-schema.ts';
import { gatewaySchema } from '../../../src/config/gateway-schema.ts';
import {
  matchesHostname,
  normaliseHostname,
  parseHostnamePattern,
} from '../../../src/config/hostname-pattern.ts';
import { parseListenAddress } from '../../../src/config/listen-address.ts';
import { parseService } from '../../../src/config/connector/origin-service.ts';
import { compilePath } from '../../../src/config/connector/path-pattern.ts';
import { parseYaml } from '../../../src/config/yaml-file.ts';
import { codeOf, messageOf } from '../../../src/core/error.ts';

function expectCoded(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(codeOf(error)).toMatch(/^CONFIG_/);
  }
}

function expectOneLine(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(codeOf(error)).toMatch(/^CONFIG_/);
    // oxlint-disable-next-line no-control-regex
    expect(messageOf(error)).toMatch(/^[^\u0000-\u001f\u007f-\u009f]+$/);
  }
}

/** Pieces that configuration files are made of, so that random files get past the first line. */
const piece = fc.oneof(
  fc.constantFrom('domain', 'listen', 'https', 'tcp', 'ingress', 'service', 'hostname', 'path'),
  fc.constantFrom(': ', ':\n  ', '\n', '\n- ', '\n  - ', '{', '}', '[', ']', ', ', '"', "'"),
  fc.constantFrom('&a ', '*a', '<<: *a', '!t ', '|\n', '>-\n', '# ', '---\n', '? ', '\t', '\0'),
  fc.constantFrom('30s', ':8443', '*.example.com', 'http://a', 'true', '~', '1e999', '0x1f'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

describe('any file', () => {
  it.each([
    ['gateway', gatewaySchema],
    ['connector', connectorSchema],
  ] as const)('of a %s is read, or refused in one line', (_, schema) => {
    fc.assert(
      fc.property(text, (content) =>
        expectOneLine(() => new ConfigSource(parseYaml('f', content), {}, {}).parse(schema)),
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['gateway', gatewaySchema, ['domain', 'listen', 'tcp', 'tls', 'applications', 'log']],
    ['connector', connectorSchema, ['gateway', 'ingress', 'originRequest', 'metrics', 'tag']],
  ] as const)('of a %s may hold any values under its keys', (_, schema, keys) => {
    const values = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue());
    fc.assert(
      fc.property(values, (value) => {
        const file = parseYaml('f', JSON.stringify({ domain: 'a', ...value }));
        expectOneLine(() => new ConfigSource(file, {}, {}).parse(schema));
      }),
      { numRuns: 500 },
    );
  });
});

describe('any text', () => {
  const any = fc.string({ unit: 'binary' });

  it('is a hostname that has one normal form', () => {
    fc.assert(
      fc.property(any, (hostname) => {
        const normal = normaliseHostname(hostname);
        expect(normaliseHostname(normal)).toBe(normal);
      }),
    );
  });

  it('is a pattern that matches its own hostname, or is refused', () => {
    fc.assert(
      fc.property(fc.oneof(any, fc.domain()), (hostname) =>
        expectCoded(() => {
          const pattern = parseHostnamePattern(hostname);
          if (pattern.kind === 'exact') expect(matchesHostname(pattern, hostname)).toBe(true);
        }),
      ),
    );
  });

  it('is a service, a path or an address to listen on, or is refused', () => {
    fc.assert(
      fc.property(fc.oneof(any, fc.webUrl(), fc.ipV6()), (value) => {
        expectCoded(() => parseService(value));
        expectCoded(() => compilePath(value).test(value));
        expect(() => parseListenAddress(value)).not.toThrow();
      }),
    );
  });
});
