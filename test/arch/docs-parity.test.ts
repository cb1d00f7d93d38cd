/** Holds the documents against the code, both ways: what is API must be written down, and what is written down must be. */
import { describe, expect, it } from '@jest/globals';
import type { Registry } from 'prom-client';
import { parseByteSize } from '../../src/core/byte-size.ts';
import { parseDuration } from '../../src/core/duration.ts';
import { ERROR_CODES, type ErrorCode } from '../../src/core/error-codes.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { statusOf } from '../../src/gateway/http/answer/error-text.ts';
import { grpcStatusOf } from '../../src/gateway/http/answer/grpc-answer.ts';
import { RESET_CODE } from '../../src/protocol/reset-code.ts';
import { ConnectorMetrics } from '../../src/telemetry/connector-metrics.ts';
import { GatewayMetrics } from '../../src/telemetry/gateway-metrics.ts';
import { FIELD } from '../../src/telemetry/log-field.ts';
import { tableNames, tableRows } from './markdown-table.ts';

const CODES = Object.keys(ERROR_CODES);

/** Codes that users get in answers to requests; what is said of SAML is for the log. */
const ANSWERED = /^(?:ORIGIN_|ROUTE_|HTTP_|STREAM_|ACCESS_(?!SAML)|STORE_(?:BUSY|FAILED)$)/;

function isCode(name: string | undefined): name is ErrorCode {
  return name !== undefined && name in ERROR_CODES;
}

/** A number as the tables write it: `64 KiB`, `10 s`, `10,000`. */
function parseValue(text: string): number | undefined {
  const plain = text.replaceAll(',', '');
  if (/^\d+$/.test(plain)) return Number(plain);
  return parseByteSize(plain) ?? parseDuration(plain.replaceAll(' ', ''));
}

describe('docs/errors.md', () => {
  const rows = tableRows('docs/errors.md').filter(({ cells }) => 'code' in cells);

  it('has a row for every code, once, and for no other', () => {
    expect(rows.map(({ name }) => name ?? '').toSorted()).toEqual(CODES.toSorted());
  });

  it('says what each code means in the words of the code, and what to do', () => {
    for (const { name, cells } of rows) {
      expect(ERROR_CODES).toHaveProperty(name ?? '', cells['meaning']);
      expect(cells['what to do']).toMatch(/^[\w`].{3,}/);
    }
  });

  it('lists each code under the prefix that says what it hurts', () => {
    const prefixes = new Set(CODES.map((code) => code.slice(0, code.indexOf('_') + 1)));
    const listed = tableRows('docs/errors.md').flatMap(({ cells }) =>
      [...(cells['prefix'] ?? '').matchAll(/`([A-Z]+_)`/g)].map(([, prefix]) => String(prefix)),
    );
    expect(listed.toSorted()).toEqual([...prefixes].toSorted());
  });

  it('gives the HTTP and the gRPC status of each code that a request can be answered with', () => {
    const answered = CODES.filter(isCode).filter((code) => ANSWERED.test(code));
    const documented = rows.filter(({ cells }) => /\d/.test(cells['HTTP'] ?? ''));
    expect(
      documented.map(({ name, cells }) => `${name} ${cells['HTTP']} ${cells['gRPC']}`).toSorted(),
    ).toEqual(answered.map((code) => `${code} ${statusOf(code)} ${grpcStatusOf(code)}`).toSorted());
  });
});

describe('docs/operations.md', () => {
  it('lists every log field, once, and no other', () => {
    const names = tableNames('docs/operations.md', 'Fields');
    expect(names.toSorted()).toEqual(Object.values(FIELD).toSorted());
  });

  it.each([
    ['Gateway', new GatewayMetrics({ version: '0' }).registry],
    ['Connector', new ConnectorMetrics({ version: '0' }).registry],
  ])(
    'lists every metric of the %s with type and labels, and no other',
    async (heading, registry) => {
      expect(documentedMetrics(heading).toSorted()).toEqual(
        (await realMetrics(registry)).toSorted(),
      );
    },
  );
});

function documentedMetrics(heading: string): string[] {
  return tableRows('docs/operations.md', heading).map(({ name, cells }) => {
    const labels = [...(cells['labels'] ?? '').matchAll(/`(\w+)`/g)].map(([, label]) =>
      String(label),
    );
    return `${name} ${cells['type']} ${labels.toSorted().join(' ')}`;
  });
}

/** Name, type and labels of Postern's own metrics, from what `/metrics` says and what it is registered with. */
async function realMetrics(registry: Registry): Promise<string[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics
    .filter(({ name }) => name.startsWith('postern_'))
    .map(({ name }) => {
      const metric: unknown = registry.getSingleMetric(name);
      return `${name} ${String(field(metric, 'type'))} ${labelsOf(metric).toSorted().join(' ')}`;
    });
}

function field(metric: unknown, name: string): unknown {
  return typeof metric === 'object' && metric !== null ? Reflect.get(metric, name) : undefined;
}

function labelsOf(metric: unknown): string[] {
  const names = field(metric, 'labelNames');
  return Array.isArray(names) ? names.map(String).filter((name) => name !== 'le') : [];
}

describe('docs/protocol.md', () => {
  const limits = tableRows('docs/protocol.md', '9. Limits').filter(
    ({ name }) => name !== undefined,
  );

  it('names limits that exist, at least 15 of them, each once', () => {
    const names = limits.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(15);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(LIMITS).toHaveProperty(name ?? '');
  });

  it.each(limits.map(({ name, cells }) => [name ?? '', Object.values(cells)[1] ?? '']))(
    'gives %s as the code does (%s)',
    (name, value) => {
      expect(parseValue(value)).toBe(Object.entries(LIMITS).find(([key]) => key === name)?.[1]);
    },
  );

  it('lists every RESET code with its number on the wire, and no other', () => {
    const documented = tableRows('docs/protocol.md', '7. RESET codes').map(({ cells }) => [
      cells['name'],
      Number(cells['code']),
    ]);
    expect(Object.fromEntries(documented)).toEqual(RESET_CODE);
  });
});

describe('parseValue()', () => {
  it.each([
    ['64 KiB', 65_536],
    ['16MiB', 2 ** 24],
    ['10 s', 10_000],
    ['250 ms', 250],
    ['10,000', 10_000],
    ['500', 500],
    ['many', undefined],
  ])('reads %j', (text, value) => {
    expect(parseValue(text)).toBe(value);
  });
});
