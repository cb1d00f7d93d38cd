/** Holds docs/config.md against the schemas, both ways: every key, default, variable and example. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import {
  MEANINGLESS_CLOUDFLARED_KEYS,
  REFUSED_CLOUDFLARED_KEYS,
} from '../../../src/config/connector/cloudflared-keys.ts';
import { ConfigSource } from '../../../src/config/config-source.ts';
import { clientSchema } from '../../../src/config/client-config.ts';
import {
  CONNECTOR_ENVIRONMENT,
  connectorSchema,
} from '../../../src/config/connector/connector-schema.ts';
import { GATEWAY_ENVIRONMENT, gatewaySchema } from '../../../src/config/gateway-schema.ts';
import { ORIGIN_REQUEST_DEFAULTS } from '../../../src/config/connector/origin-request.ts';
import { parseYaml } from '../../../src/config/yaml-file.ts';
import { parseDuration } from '../../../src/core/duration.ts';
import { tableRows } from '../../arch/markdown-table.ts';
import { ROOT } from '../../arch/module-graph.ts';

const DOC = 'docs/config.md';

type Schema = NonNullable<z.core.JSONSchema.BaseSchema['not']>;

/** Key → its default as text, `required`, or `none`. */
type Keys = Map<string, string>;

function keysOf(schema: Schema, at = '', keys: Keys = new Map<string, string>()): Keys {
  if (typeof schema === 'boolean') return keys;
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const path = at === '' ? key : `${at}.${key}`;
    const fallback = schema.required?.includes(key) === true ? 'required' : 'none';
    keys.set(path, defaultOf(child) ?? fallback);
    keysOf(child, path, keys);
  }
  for (const item of [schema.items ?? []].flat()) keysOf(item, `${at}[]`, keys);
  for (const choice of [schema.anyOf ?? [], schema.oneOf ?? []].flat()) keysOf(choice, at, keys);
  return keys;
}

/** Where the default is a list or a mapping, it is an empty one. */
function defaultOf(schema: Schema): string | undefined {
  const value = typeof schema === 'boolean' ? undefined : schema.default;
  const isScalar = ['string', 'number', 'boolean'].includes(typeof value);
  return isScalar ? JSON.stringify(value).replaceAll('"', '') : undefined;
}

function schemaKeys(schema: z.ZodType): Keys {
  return keysOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
}

/** The keys of the first table below a heading; a default in backticks is a value. */
function documentedKeys(heading: string): Keys {
  const rows = tableRows(DOC, heading).filter(({ cells }) => 'default' in cells);
  const entries = rows.map(({ name = '', cells }) => [name, cells['default'] ?? ''] as const);
  return new Map(entries.map(([name, value]) => [name, value.replaceAll('`', '')]));
}

function without(keys: Keys, pattern: RegExp): Keys {
  return new Map([...keys].filter(([key]) => !pattern.test(key)));
}

describe("the gateway's file", () => {
  const keys = schemaKeys(gatewaySchema);
  const conditions = /\.(?:include|require|exclude)\[\]\./;

  it('has every key in the document, with its default, and no other', () => {
    expect(documentedKeys("The gateway's file")).toEqual(without(keys, conditions));
  });

  it('has every condition of policies in the document, and no other', () => {
    const rows = tableRows(DOC, "The gateway's file").filter(({ cells }) => 'condition' in cells);
    const prefix = 'applications[].policies[].include[].';
    const known = [...keys.keys()].filter((key) => key.startsWith(prefix));
    expect(rows.map(({ name }) => name)).toEqual(known.map((key) => key.slice(prefix.length)));
  });
});

describe("the connector's file", () => {
  const foreign = new Set(
    Object.keys({ ...REFUSED_CLOUDFLARED_KEYS, ...MEANINGLESS_CLOUDFLARED_KEYS }),
  );
  const keys = new Map([...schemaKeys(connectorSchema)].filter(([key]) => !foreign.has(key)));
  const options = [...keys.keys()].flatMap((key) => /^originRequest\.(.+)$/.exec(key)?.[1] ?? []);
  const rows = tableRows(DOC, "cloudflared's keys");
  const withFate = (fate: string) => rows.filter(({ cells }) => cells['here'] === fate);

  it('has every key in the document, with its default, and no other', () => {
    const documented = documentedKeys("The connector's file");
    const optionRows = documentedKeys('Options for origins');
    const own = new Map([...documented].filter(([key]) => !optionRows.has(key)));
    expect(own).toEqual(without(keys, /originRequest\./));
  });

  it('has every option of originRequest in the document, or says that it is refused', () => {
    const documented = [...documentedKeys('Options for origins').keys()];
    const refused = withFate('refused').flatMap(
      ({ name = '' }) => /^originRequest\.(.+)$/.exec(name)?.[1] ?? [],
    );
    expect([...documented, ...refused].toSorted()).toEqual(options.toSorted());
  });

  it.each(['connectTimeout', 'tlsTimeout', 'tcpKeepAlive', 'keepAliveTimeout'] as const)(
    'has the default of %s in the document',
    (option) => {
      const documented = parseDuration(documentedKeys('Options for origins').get(option) ?? '');
      expect(documented).toBe(ORIGIN_REQUEST_DEFAULTS[`${option}Ms`]);
    },
  );

  it('has the other defaults of originRequest in the document', () => {
    const { keepAliveConnections, happyEyeballs, tlsVerification } = ORIGIN_REQUEST_DEFAULTS;
    const documented = documentedKeys('Options for origins');
    expect(documented.get('keepAliveConnections')).toBe(String(keepAliveConnections));
    expect(documented.get('noHappyEyeballs')).toBe(String(!happyEyeballs));
    expect(documented.get('noTLSVerify')).toBe(String(tlsVerification === 'none'));
  });

  it('says of each key of cloudflared what becomes of it, in the words of the error', () => {
    const refused = withFate('refused').filter(({ name = '' }) => !name.includes('.'));
    expect(refused.map(({ name, cells }) => [name, cells['note']])).toEqual(
      Object.entries(REFUSED_CLOUDFLARED_KEYS).map(([key, { because, instead }]) => [
        key,
        `${because}; ${instead}`,
      ]),
    );
    const meaningless = withFate('meaningless').map(({ name, cells }) => [name, cells['note']]);
    expect(meaningless).toEqual(Object.entries(MEANINGLESS_CLOUDFLARED_KEYS));
  });

  it('lists under the keys of cloudflared every key but those that Postern adds', () => {
    const kept = [...withFate('same'), ...withFate('different')].map(({ name = '' }) => name);
    const own = [...keys.keys()].filter(
      (key) =>
        !/^(gateway|ca|config-watch|originRequest\.proxyProtocol|ingress\[\]\..*)$/.test(key),
    );
    const refused = withFate('refused').map(({ name }) => name);
    expect(kept.toSorted()).toEqual(own.filter((key) => !refused.includes(key)).toSorted());
  });
});

describe('the environment', () => {
  it.each([
    ['Environment of the gateway', GATEWAY_ENVIRONMENT, gatewaySchema],
    ['Environment of the connector', CONNECTOR_ENVIRONMENT, connectorSchema],
  ] as const)(
    '%s: every variable sets the key in the document, which exists',
    (heading, variables, schema) => {
      const rows = tableRows(DOC, heading).map(({ name, cells }) => [
        name,
        cells['key']?.replaceAll('`', ''),
      ]);
      expect(rows).toEqual(Object.entries(variables));
      const keys = schemaKeys(schema);
      for (const key of Object.values(variables)) expect(keys.has(key)).toBe(true);
    },
  );
});

describe('the examples', () => {
  it('load', async () => {
    const doc = await readFile(join(ROOT, DOC), 'utf8');
    const [gateway, connector, changing, bastion, client, ...more] = Array.from(
      doc.matchAll(/^```yaml\n(.*?)^```$/gms),
      ([, yaml = '']) => new ConfigSource(parseYaml('example', yaml), {}, {}),
    );
    expect(gateway?.parse(gatewaySchema).domain).toBe('example.com');
    expect(connector?.parse(connectorSchema).ingress).toHaveLength(4);
    expect(changing?.parse(connectorSchema).ingress).toHaveLength(2);
    expect(bastion?.parse(connectorSchema).ingress).toHaveLength(2);
    expect(client?.parse(clientSchema).forwards).toHaveLength(3);
    expect(more).toEqual([]);
  });
});
