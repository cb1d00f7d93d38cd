/**
 * The gRPC origin of grpc-origin.ts, as a program: plain JavaScript, since Node 20 runs no TypeScript. Messages are bytes.
 *
 *   /test.Calls/Unary     answers what it got; "fail <code>" fails with that status and a binary trailer. Both with `x-first`
 *                         before and `x-last` behind
 *   /test.Calls/Produce   as many messages as the text of the request says
 *   /test.Calls/Gather    takes a stream; answers how many messages and bytes it had, and their SHA-256
 *   /test.Calls/Talk      answers each message of a stream with itself
 *   /test.Calls/Wait      never answers
 *   /test.Calls/Stats     what it saw so far, as JSON
 */
import { createHash } from 'node:crypto';

import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';

const { tls, port = 0 } = JSON.parse(process.env.GRPC_ORIGIN ?? '{}');
const stats = { calls: 0, waiting: 0, cancelled: 0, deadlines: 0 };
const MAX_BYTES = 16 * 1024 * 1024;

function method(name, requestStream, responseStream) {
  const asIs = (bytes) => bytes;
  return {
    path: `/test.Calls/${name}`,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

function metadata(fields) {
  const result = new Metadata();
  for (const [name, value] of Object.entries(fields)) result.set(name, value);
  return result;
}

function begin(call) {
  stats.calls += 1;
  if (Number.isFinite(Number(call.getDeadline()))) stats.deadlines += 1;
  call.on('cancelled', () => (stats.cancelled += 1));
}

const calls = {
  Unary(call, answer) {
    begin(call);
    call.sendMetadata(metadata({ 'x-first': String(call.metadata.get('x-ask')[0] ?? '') }));
    const [, code] = /^fail (\d+)$/.exec(call.request.toString()) ?? [];
    const last = metadata({ 'x-last': 'behind' });
    if (code === undefined) {
      answer(null, call.request, last);
      return;
    }
    last.set('x-details-bin', Buffer.from([0, 1, 254, 255]));
    answer({ code: Number(code), details: 'as asked: 100 % äöü', metadata: last });
  },
  Produce(call) {
    begin(call);
    const most = Number(call.request.toString());
    let next = 0;
    const write = () => {
      while (next < most) if (!call.write(Buffer.from(`message ${next++}`))) return;
      call.end(metadata({ 'x-last': String(most) }));
    };
    call.on('drain', write);
    write();
  },
  Gather(call, answer) {
    begin(call);
    const hash = createHash('sha256');
    let messages = 0;
    let bytes = 0;
    call.on('data', (message) => {
      messages += 1;
      bytes += message.length;
      hash.update(message);
    });
    call.on('end', () =>
      answer(null, Buffer.from(JSON.stringify({ messages, bytes, sha256: hash.digest('hex') }))),
    );
  },
  Talk(call) {
    begin(call);
    call.on('data', (message) => call.write(message));
    call.on('end', () => call.end());
  },
  Wait(call) {
    begin(call);
    stats.waiting += 1;
    call.on('cancelled', () => (stats.waiting -= 1));
  },
  Stats(_call, answer) {
    answer(null, Buffer.from(JSON.stringify(stats)));
  },
};

const server = new Server({
  'grpc.max_receive_message_length': MAX_BYTES,
  'grpc.max_send_message_length': MAX_BYTES,
});
server.addService(
  {
    Unary: method('Unary', false, false),
    Produce: method('Produce', false, true),
    Gather: method('Gather', true, false),
    Talk: method('Talk', true, true),
    Wait: method('Wait', false, false),
    Stats: method('Stats', false, false),
  },
  calls,
);

const credentials =
  tls === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [
        { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) },
      ]);
server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => {
  if (error !== null) throw error;
  process.stdout.write(`listening ${bound}\n`);
});
process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
