/**
 * Writes MaxMind databases of a few networks, by the published format: a binary tree over address bits, whose leaves point
 * into a section of typed values, and metadata at the end.
 */
import { isIPv4 } from 'node:net';

export interface CountryEntry {
  /** Address and prefix, IPv4 or IPv6: `192.0.2.0/24`. */
  readonly network: string;
  readonly value: unknown;
}

type Node = [left: Branch, right: Branch];
type Branch = Node | number | undefined;

/** The bytes of a database. `ipVersion` 4 has a tree of IPv4 addresses alone. */
export function countryFile(entries: readonly CountryEntry[], ipVersion: 4 | 6 = 6): Buffer {
  const root: Node = [undefined, undefined];
  const values: Buffer[] = [];
  let offset = 0;
  for (const { network, value } of entries) {
    const [address = '', prefix = ''] = network.split('/');
    const padding = ipVersion === 6 && isIPv4(address) ? '0'.repeat(96) : '';
    const bits = padding + bitsOf(address).slice(0, Number(prefix));
    insert(root, bits, offset);
    const bytes = encode(value);
    values.push(bytes);
    offset += bytes.length;
  }
  const nodes = flatten(root);
  const tree = Buffer.concat(nodes.flatMap((node) => node.map((branch) => record(branch, nodes))));
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: 'Test-Country',
    description: { en: 'for tests' },
    ip_version: ipVersion,
    languages: ['en'],
    node_count: nodes.length,
    record_size: 32,
  });
  const marker = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from('MaxMind.com')]);
  return Buffer.concat([tree, Buffer.alloc(16), ...values, marker, metadata]);
}

function insert(root: Node, bits: string, value: number): void {
  let node = root;
  for (const [at, bit] of Array.from(bits).entries()) {
    const side = bit === '1' ? 1 : 0;
    if (at === bits.length - 1) {
      node[side] = value;
      return;
    }
    const next = node[side];
    const inner: Node = Array.isArray(next) ? next : [undefined, undefined];
    node[side] = inner;
    node = inner;
  }
}

function flatten(root: Node): Node[] {
  const nodes = [root];
  for (const node of nodes) nodes.push(...node.filter((branch) => Array.isArray(branch)));
  return nodes;
}

/** A node's number; for a value its offset behind all nodes and the separator; for nothing the number of nodes. */
function record(branch: Branch, nodes: readonly Node[]): Buffer {
  const bytes = Buffer.alloc(4);
  if (Array.isArray(branch)) bytes.writeUInt32BE(nodes.indexOf(branch));
  else bytes.writeUInt32BE(nodes.length + (branch === undefined ? 0 : branch + 16));
  return bytes;
}

const TYPES = { text: 2, uint32: 6, map: 7, list: 11 } as const;

function encode(value: unknown): Buffer {
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([control(TYPES.text, text.length), text]);
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([control(TYPES.uint32, 4), bytes]);
  }
  if (Array.isArray(value)) {
    return Buffer.concat([control(TYPES.list, value.length), ...value.map(encode)]);
  }
  const entries = Object.entries(value ?? {}).flat();
  return Buffer.concat([control(TYPES.map, entries.length / 2), ...entries.map(encode)]);
}

/** Types above 7 are written in a second byte. Sizes here stay below 29. */
function control(type: number, size: number): Buffer {
  return type > 7 ? Buffer.from([size, type - 7]) : Buffer.from([(type << 5) | size]);
}

function bitsOf(address: string): string {
  if (isIPv4(address))
    return address
      .split('.')
      .map((part) => binary(Number(part), 8))
      .join('');
  const [head = '', tail = ''] = address.split('::');
  const words = (half: string): string[] => half.split(':').filter(Boolean);
  const gap = Array<string>(8 - words(head).length - words(tail).length).fill('0');
  const all = [...words(head), ...gap, ...words(tail)];
  return all.map((word) => binary(Number.parseInt(word, 16), 16)).join('');
}

function binary(value: number, width: number): string {
  return value.toString(2).padStart(width, '0');
}
