/**
 * A worker of no application, for supervisor.test.ts: answers each connection with its generation and does as the file says
 * that is named by its only argument, which a test writes again to have other code on disk.
 *
 * `sockets`: what it listens on. `failure`: what it says instead of getting ready. `isStuck`: it never gets ready.
 * `exit`: the status it ends with at once. A connection that sends something is held: a drain waits for its end. SIGUSR2: it asks for
 * a reload by itself and for an administrator, and by itself again, and says of itself what it was `told`.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
if (plan.exit !== undefined) process.exit(plan.exit);

const answers = new Map();
const held = new Set();
let servers = [];
let welcome;
let isDraining = false;
let told = [];
let lastId = 0;

const send = (message) => process.connected && process.send(message);

const ask = (message) =>
  new Promise((resolve) => {
    lastId += 1;
    answers.set(lastId, resolve);
    send({ ...message, id: lastId });
  });

function serve(socket) {
  socket.on('error', () => undefined);
  socket.write(String(welcome.generation));
  socket.once('data', () => held.add(socket));
  socket.once('close', () => {
    held.delete(socket);
    drained();
  });
}

async function listen() {
  for (const request of plan.sockets ?? []) {
    const { handle, error } = await ask({ type: 'socket', isForOperators: false, ...request });
    if (error !== undefined) return send({ type: 'failed', ...error });
    const server = createServer(serve);
    await new Promise((resolve) => server.listen(handle, 64, resolve));
    servers.push(server);
  }
}

function drained() {
  if (!isDraining || held.size > 0) return;
  send({ type: 'drained', cut: plan.cut ?? 0 });
  if (!process.connected) process.exit(0);
}

function drain() {
  isDraining = true;
  for (const server of servers) server.close();
  servers = [];
  drained();
}

const orders = {
  welcome: async (message) => {
    welcome = message;
    const { configText } = message;
    if (plan.failure !== undefined && configText === undefined)
      return send({ type: 'failed', ...plan.failure });
    await listen();
    if (plan.isStuck) return;
    const log = { level: 'trace', format: 'json' };
    const text = configText ?? plan.configText ?? '';
    send({ type: 'ready', version: plan.version ?? '1', log, configText: text });
    // What a later version may say.
    send({ type: 'news' });
  },
  active: () => undefined,
  drain,
  resume: async () => {
    await listen();
    isDraining = false;
    send({ type: 'resumed' });
  },
  end: () => process.exit(0),
  call: ({ id }) => {
    const environment = Object.keys(process.env).filter((name) =>
      /^(NOTIFY|LISTEN|WATCHDOG)/.test(name),
    );
    const { ticketKeys, configText } = welcome;
    send({
      type: 'answer',
      id,
      result: { held: held.size, environment, ticketKeys, configText, told },
    });
  },
  answer: (message, handle) => answers.get(message.id)?.({ ...message, handle }),
};

process.on('message', (message, handle) => void orders[message.type]?.(message, handle));
process.on('disconnect', drain);
process.on('SIGTERM', () => void ask({ type: 'call', call: 'reload' }));
process.on('SIGUSR2', () => void askTwice());
setInterval(() => send({ type: 'beat' }), 2_000).unref();
send({ type: 'hello' });

/** Asks for a reload of its own while an administrator's is under way, and once more behind it. */
async function askTwice() {
  const own = { type: 'call', call: 'reload', ownReason: 'changed files' };
  const both = await Promise.all([ask(own), ask({ type: 'call', call: 'reload' })]);
  told = [...both, await ask(own)].map(({ result, error }) => result?.generation ?? error.code);
}
