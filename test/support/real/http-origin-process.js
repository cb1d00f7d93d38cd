/**
 * The HTTP origin of http-origin.ts, as a program: plain JavaScript, since Node 20 runs no TypeScript.
 *
 *   /echo              what arrived, as JSON: method, url, httpVersion, rawHeaders, body (its bytes, SHA-256 and, when
 *                      short, text), rawTrailers
 *   /bytes/N           N bytes of the test pattern; ?chunked=1 without a length, ?close=1 ended by closing, ?from=M from
 *                      the M-th byte on
 *   /sha256            the bytes and the SHA-256 of the request's body
 *   /sse?n=&ms=        n server-sent events, one every ms: `id: <i>`, `data: <i> <unix ms>`
 *   /slow?ms=          says nothing for that long
 *   /drip?n=&ms=       n bytes, one every ms
 *   /status/NNN        that status
 *   /headers?name=value&…   those response headers, repeated names as repeated headers
 *   /trailers          a chunked body with a trailer
 *   /early             answers 413 without reading the body, and closes
 *   /close/before      closes without an answer; /close/mid after half the body; /close/reset resets half-way
 *   /garbage           answers with bytes that are not HTTP
 *   /ws                a WebSocket that echoes; ?protocol= chooses that one; a text "close <code>" closes it so
 */
import { createCipheriv, createHash } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

import { WebSocketServer } from 'ws';

const { socketPath, tls, port = 0 } = JSON.parse(process.env.HTTP_ORIGIN ?? '{}');
const ZEROS = Buffer.alloc(64 * 1024);
const SHOWN_BODY_BYTES = 64 * 1024;

const stats = { accepted: 0, open: 0, requests: 0, aborted: 0, webSockets: 0, closeCodes: [] };

/** Bytes of pattern.ts. */
async function sendPattern(response, length, from) {
  const counter = Buffer.alloc(16);
  counter.writeBigUInt64BE(BigInt(Math.floor(from / 16)), 8);
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), counter);
  cipher.update(ZEROS.subarray(0, from % 16));
  for (let left = length; left > 0 && !response.destroyed;) {
    const chunk = cipher.update(ZEROS.subarray(0, Math.min(left, ZEROS.byteLength)));
    left -= chunk.byteLength;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
}

function drained(response) {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve();
    };
    response.on('drain', settle);
    response.on('close', settle);
  });
}

async function readBody(request) {
  const hash = createHash('sha256');
  const shown = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.byteLength;
    hash.update(chunk);
    if (bytes <= SHOWN_BODY_BYTES) shown.push(chunk);
  }
  const text = bytes <= SHOWN_BODY_BYTES ? Buffer.concat(shown).toString() : undefined;
  return { bytes, sha256: hash.digest('hex'), text };
}

function sendJson(response, value) {
  const body = JSON.stringify(value);
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}

async function every(ms, count, response, write) {
  for (let i = 0; i < count && !response.destroyed; i += 1) {
    if (i > 0) await delay(ms);
    write(i);
  }
  response.end();
}

const ROUTES = {
  async echo({ request, response }) {
    const body = await readBody(request);
    const { method, url, httpVersion, rawHeaders, rawTrailers } = request;
    sendJson(response, { method, url, httpVersion, rawHeaders, body, rawTrailers });
  },
  async bytes({ response, rest, query }) {
    const length = Number(rest);
    const isCounted = !query.has('chunked') && !query.has('close');
    if (isCounted) response.setHeader('Content-Length', length);
    if (query.has('close')) response.useChunkedEncodingByDefault = false;
    if (query.has('close')) response.shouldKeepAlive = false;
    await sendPattern(response, length, Number(query.get('from') ?? 0));
  },
  async sha256({ request, response }) {
    const { bytes, sha256 } = await readBody(request);
    sendJson(response, { bytes, sha256 });
  },
  async sse({ response, query }) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    await every(Number(query.get('ms') ?? 100), Number(query.get('n') ?? 10), response, (i) => {
      response.write(`id: ${i}\ndata: ${i} ${Date.now()}\n\n`);
    });
  },
  async slow({ response, query }) {
    await delay(Number(query.get('ms') ?? 1000));
    response.end('slow\n');
  },
  async drip({ response, query }) {
    response.flushHeaders();
    await every(Number(query.get('ms') ?? 100), Number(query.get('n') ?? 10), response, () => {
      response.write('.');
    });
  },
  status({ response, rest }) {
    response.writeHead(Number(rest)).end();
  },
  headers({ response, query }) {
    for (const name of new Set(query.keys())) response.setHeader(name, query.getAll(name));
    response.end('headers\n');
  },
  trailers({ response }) {
    response.writeHead(200, { Trailer: 'X-Checksum' });
    response.write('body\n');
    response.addTrailers({ 'X-Checksum': 'abc123' });
    response.end();
  },
  early({ response }) {
    response.writeHead(413, { Connection: 'close', 'Content-Length': 0 }).end();
  },
  close({ request, response, rest }) {
    if (rest === 'before') return request.socket.destroy();
    response.writeHead(200, { 'Content-Length': 2000 });
    response.write('x'.repeat(1000), () => {
      if (rest === 'reset') request.socket.resetAndDestroy();
      else request.socket.destroy();
    });
  },
  garbage({ request }) {
    request.socket.end('This is not HTTP\r\n\r\n');
  },
};

async function serve(request, response) {
  stats.requests += 1;
  finished(response, () => {
    if (!response.writableFinished) stats.aborted += 1;
  });
  const url = new URL(request.url ?? '/', 'http://origin');
  const [, name = '', ...rest] = url.pathname.split('/');
  const route = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  if (route === undefined) {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end(`no ${url.pathname} here\n`);
    return;
  }
  try {
    await route({ request, response, rest: rest.join('/'), query: url.searchParams });
  } catch {
    // The peer went away while its body was read: `finished` counted it.
    response.destroy();
  }
}

const webSockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 64 * 1024 * 1024,
  handleProtocols: (_offered, request) =>
    new URL(request.url, 'http://origin').searchParams.get('protocol') ?? false,
});

webSockets.on('connection', (socket) => {
  stats.webSockets += 1;
  socket.on('error', () => undefined);
  socket.on('close', (code) => stats.closeCodes.push(code));
  socket.on('message', (data, isBinary) => {
    const text = isBinary || !Buffer.isBuffer(data) ? '' : data.toString();
    const code = /^close (\d+)$/.exec(text)?.[1];
    if (code === undefined) socket.send(data, { binary: isBinary });
    else socket.close(Number(code), 'as asked');
  });
});

const server = tls
  ? createHttpsServer({ ...tls, keepAliveTimeout: 120_000 })
  : createHttpServer({ keepAliveTimeout: 120_000 });
server.on('request', (request, response) => void serve(request, response));
server.on('upgrade', (request, socket, head) => {
  stats.requests += 1;
  if (!request.url.startsWith('/ws')) {
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  webSockets.handleUpgrade(request, socket, head, (ws) => webSockets.emit('connection', ws));
});
server.on('connection', (socket) => {
  stats.accepted += 1;
  stats.open += 1;
  socket.on('close', () => (stats.open -= 1));
});
server.listen(socketPath ? { path: socketPath } : { port, host: '127.0.0.1' }, () => {
  const address = server.address();
  process.stdout.write(`listening ${typeof address === 'string' ? 0 : address.port}\n`);
});

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line.startsWith('stats ')) process.stdout.write(`${line} ${JSON.stringify(stats)}\n`);
});
