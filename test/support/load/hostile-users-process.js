/**
 * Users who want to bring a gateway down, in a process of their own: plain JavaScript, since Node 20 runs no TypeScript.
 *
 * Each kind keeps as many connections as it says and opens another where one ends, at most PER_SECOND a second in all, so
 * that the gateway is asked for more than handshakes. Ends when its standard input does, and tells by kind how many
 * connections there were, how many the gateway ended, and what it answered.
 */
import { connect } from 'node:tls';
import { FLAG, frame, FRAME, PREFACE, uint32 } from '../http2-bytes.js';

const { port, hostname, ca, addresses } = JSON.parse(process.env.HOSTILE_USERS ?? '{}');

/** New connections, all kinds together. */
const PER_SECOND = 150;
const TICK_MS = 50;

/** Of a head that is the whole request. */
const WHOLE = FLAG.endStream | FLAG.endHeaders;
const HEAD = `Host: ${hostname}\r\n`;
const UPLOAD = `POST /sha256 HTTP/1.1\r\n${HEAD}Content-Length: 1000000\r\n\r\n`;

/** A GET as HPACK: indexed fields for the method and the scheme, literals for the rest. */
function get(path) {
  const literal = (index, text) => [Buffer.from([index, text.length]), Buffer.from(text)];
  return Buffer.concat([
    Buffer.from([0x82, 0x87]),
    ...literal(0x01, hostname),
    ...literal(0x04, path),
  ]);
}

const settings = (bytes) => [Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, bytes)];

/** SETTINGS_INITIAL_WINDOW_SIZE of nothing. */
const NO_WINDOW = Buffer.from('000400000000', 'hex');

const resets = Array.from({ length: 800 }, (_, at) => [
  frame(FRAME.headers, WHOLE, 1 + at * 2, get('/slow?ms=2000')),
  frame(FRAME.reset, 0, 1 + at * 2, uint32(8)),
]).flat();

/** One field of 3,900 bytes, and 16,000 bytes that each stand for it: 60 MB. */
const bomb = [
  frame(
    FRAME.headers,
    FLAG.endStream,
    1,
    Buffer.concat([
      get('/'),
      Buffer.from([0x40, 1, 0x78, 0x7f, 0xbd, 0x1d]),
      Buffer.alloc(3_900, 'a'),
    ]),
  ),
  frame(FRAME.continuation, FLAG.endHeaders, 1, Buffer.alloc(16_000, 0xbe)),
];

/**
 * By name: how many connections, what is said first, what then every `everyMs`, whether it is in HTTP/2, and whether nothing
 * is read any more after the first bytes.
 */
const KINDS = {
  silent: { many: 150 },
  'slow heads': {
    many: 250,
    first: [`GET / HTTP/1.1\r\n${HEAD}`],
    more: 'X-More: to come\r\n',
    everyMs: 300,
  },
  'bodies that stop': { many: 80, first: [`${UPLOAD}x`] },
  'bodies that drip': { many: 80, first: [UPLOAD], more: 'x', everyMs: 400 },
  'unread responses': {
    many: 40,
    first: [`GET /bytes/50000000 HTTP/1.1\r\n${HEAD}\r\n`],
    isUnread: true,
  },
  'responses without a window': {
    many: 20,
    h2: NO_WINDOW,
    first: [1, 3, 5, 7].map((id) => frame(FRAME.headers, WHOLE, id, get('/bytes/5000000'))),
  },
  'rapid resets': { many: 3, h2: '', first: resets },
  'heads without end': {
    many: 3,
    h2: '',
    first: [
      frame(FRAME.headers, FLAG.endStream, 1, get('/')),
      ...Array.from({ length: 3_000 }, () => frame(FRAME.continuation, 0, 1, Buffer.from([0x80]))),
    ],
  },
  'unpacked heads': { many: 3, h2: '', first: bomb },
  'long heads': {
    many: 3,
    first: [`GET / HTTP/1.1\r\n${HEAD}X-Long: ${'x'.repeat(200_000)}\r\n\r\n`],
  },
  'too many at once': {
    many: 5,
    h2: '',
    first: Array.from({ length: 100 }, (_, at) =>
      frame(FRAME.headers, WHOLE, 1 + at * 2, get('/slow?ms=1500')),
    ),
  },
};

const told = {};
let allowance = 0;
let isOver = false;

function open(kind, sockets) {
  const { first = [], more, everyMs, h2, isUnread = false } = KINDS[kind];
  const counts = told[kind];
  counts.opened += 1;
  const socket = connect({
    port,
    host: '127.0.0.1',
    // Each kind has an address of its own.
    localAddress: addresses[Object.keys(KINDS).indexOf(kind) % addresses.length],
    ca,
    servername: hostname,
    ALPNProtocols: [h2 === undefined ? 'http/1.1' : 'h2'],
  });
  let timer;
  socket.on('error', () => undefined);
  socket.once('secureConnect', () => {
    const all = [...(h2 === undefined ? [] : settings(Buffer.from(h2))), ...first];
    socket.write(Buffer.concat(all.map((bytes) => Buffer.from(bytes))));
    if (everyMs !== undefined) timer = setInterval(() => socket.write(more), everyMs);
  });
  socket.on('data', (bytes) => {
    if (isUnread) socket.pause();
    const status = /^HTTP\/1\.1 (\d{3})/.exec(bytes.toString('latin1', 0, 12))?.[1];
    if (status !== undefined) counts.answers[status] = (counts.answers[status] ?? 0) + 1;
  });
  socket.once('end', () => socket.end());
  socket.once('close', () => {
    clearInterval(timer);
    sockets.delete(socket);
    if (!isOver) counts.ended += 1;
  });
  sockets.add(socket);
}

const all = Object.keys(KINDS).map((kind) => {
  told[kind] = { opened: 0, ended: 0, answers: {} };
  return [kind, new Set()];
});

/** Tops up every kind in turn, as far as the allowance goes. */
const ticking = setInterval(() => {
  allowance = Math.min(allowance + (PER_SECOND * TICK_MS) / 1000, PER_SECOND);
  for (let isFull = false; allowance >= 1 && !isFull;) {
    isFull = true;
    for (const [kind, sockets] of all) {
      if (allowance < 1 || sockets.size >= KINDS[kind].many) continue;
      isFull = false;
      allowance -= 1;
      open(kind, sockets);
    }
  }
}, TICK_MS);

process.stdin.resume();
process.stdin.on('end', () => {
  isOver = true;
  clearInterval(ticking);
  process.stdout.write(`told ${JSON.stringify(told)}\n`, () => process.exit(0));
});
process.stdout.write('begun\n');
