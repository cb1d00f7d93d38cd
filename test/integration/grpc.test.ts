/**
 * gRPC through the whole tunnel: `@grpc/grpc-js` on both sides, over TLS and without to the origin. All four kinds of calls,
 * what comes before and behind their messages, and how each side gives up.
 */
import { createHash } from 'node:crypto';

import {
  Client,
  Metadata,
  credentials,
  status,
  type CallOptions,
  type ServiceError,
} from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { patternBytes } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { startGrpcOrigin, type GrpcOrigin } from '../support/real/grpc-origin.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { freePort } from '../support/real/port.ts';
import { say } from '../support/say.ts';
import { TestAuthority } from '../support/test-authority.ts';

const PLAIN = 'grpc.postern.test';
const TLS = 'grpcs.postern.test';
const OLD = 'old.postern.test';
const GONE = 'gone.postern.test';
const HOSTNAMES = [PLAIN, TLS] as const;
const MiB = 1024 * 1024;

let gateway: Gateway;
let connector: Connector;
let plain: GrpcOrigin;

beforeAll(async () => {
  const authority = await TestAuthority.create();
  const [grpcTls, oldTls] = [
    await authority.issue({ dns: ['grpc.internal'] }),
    await authority.issue({ dns: ['old.internal'] }),
  ];
  const caPool = authority.writeFile();
  plain = await startGrpcOrigin();
  const secure = await startGrpcOrigin({ tls: grpcTls });
  const old = await startHttpOrigin({ tls: oldTls });
  ({ gateway, connector } = await startPostern({
    ingress: [
      { hostname: PLAIN, service: plain.service, originRequest: { http2Origin: true } },
      {
        hostname: TLS,
        service: secure.service,
        originRequest: { http2Origin: true, caPool, originServerName: 'grpc.internal' },
      },
      {
        hostname: OLD,
        service: old.service,
        originRequest: { http2Origin: true, caPool, originServerName: 'old.internal' },
      },
      {
        hostname: GONE,
        service: `http://127.0.0.1:${await freePort()}`,
        originRequest: { http2Origin: true },
      },
    ],
  }));
  guardLinks(connector);
});

/** A channel to a hostname. */
function open(hostname: string): Client {
  const { port, ca } = gateway.connectOptions(hostname);
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(ca)), {
    'grpc.ssl_target_name_override': hostname,
    'grpc.default_authority': hostname,
    'grpc.max_receive_message_length': 16 * MiB,
    'grpc.max_send_message_length': 16 * MiB,
    'grpc.enable_retries': 0,
  });
  cleanup(() => client.close());
  return client;
}

const asIs = (bytes: Buffer): Buffer => bytes;
const inTime = (): CallOptions => ({ deadline: Date.now() + 30_000 });

interface Answer {
  readonly text: string;
  readonly first: Metadata;
  readonly last: Metadata;
}

/** A call with one message in each direction. Rejects with a ServiceError. */
async function ask(
  client: Client,
  method: string,
  message: Buffer | string,
  options = inTime(),
  metadata = new Metadata(),
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let first = new Metadata();
    let answer: Answer | undefined;
    let text = '';
    const call = client.makeUnaryRequest(
      `/test.Calls/${method}`,
      asIs,
      asIs,
      Buffer.from(message),
      metadata,
      options,
      (error, value) => {
        if (error === null) text = String(value);
        else reject(error);
      },
    );
    call.on('metadata', (metadata_) => (first = metadata_));
    call.on('status', ({ metadata: last }) => {
      answer = { text, first, last };
      setImmediate(() => resolve(answer as Answer));
    });
  });
}

async function failure(asked: Promise<unknown>): Promise<ServiceError> {
  return asked.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: unknown) => error as ServiceError,
  );
}

async function statsOf(client: Client): Promise<Record<string, number>> {
  return JSON.parse((await ask(client, 'Stats', '')).text) as Record<string, number>;
}

describe.each(HOSTNAMES)('%s', (hostname) => {
  it('answers a call, with what is said before and behind', async () => {
    const metadata = new Metadata();
    metadata.set('x-ask', 'before');
    const { text, first, last } = await ask(open(hostname), 'Unary', 'hello', inTime(), metadata);
    expect(text).toBe('hello');
    expect(first.get('x-first')).toEqual(['before']);
    expect(last.get('x-last')).toEqual(['behind']);
  });

  it('moves a message of 12 MiB in both directions', async () => {
    const message = patternBytes(12 * MiB);
    const client = open(hostname);
    const answered = await new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest('/test.Calls/Unary', asIs, asIs, message, (error, value) =>
        error === null ? resolve(value as Buffer) : reject(error),
      );
    });
    expect(answered.equals(message)).toBe(true);
  });

  it.each([status.NOT_FOUND, status.UNAUTHENTICATED, status.INTERNAL, status.RESOURCE_EXHAUSTED])(
    'fails with the status %i of the origin, its words and its trailers',
    async (code) => {
      const error = await failure(ask(open(hostname), 'Unary', `fail ${code}`));
      expect(error).toMatchObject({ code, details: 'as asked: 100 % äöü' });
      expect(error.metadata.get('x-details-bin')).toEqual([Buffer.from([0, 1, 254, 255])]);
    },
  );

  it('says of a method that it does not have it', async () => {
    const error = await failure(ask(open(hostname), 'Nothing', ''));
    expect(error.code).toBe(status.UNIMPLEMENTED);
  });

  it('streams to the client', async () => {
    const call = open(hostname).makeServerStreamRequest(
      '/test.Calls/Produce',
      asIs,
      asIs,
      Buffer.from('5000'),
      inTime(),
    );
    const ended = new Promise<Metadata>((resolve) =>
      call.on('status', ({ metadata }) => resolve(metadata)),
    );
    let next = 0;
    for await (const message of call) expect(String(message)).toBe(`message ${next++}`);
    expect(next).toBe(5_000);
    expect((await ended).get('x-last')).toEqual(['5000']);
  });

  it('streams from the client', async () => {
    const answered = new Promise<string>((resolve, reject) => {
      const call = open(hostname).makeClientStreamRequest(
        '/test.Calls/Gather',
        asIs,
        asIs,
        inTime(),
        (error, value) => (error === null ? resolve(String(value)) : reject(error)),
      );
      for (let index = 0; index < 300; index += 1) call.write(patternBytes(20_000, index * 20_000));
      call.end();
    });
    const sha256 = createHash('sha256').update(patternBytes(6_000_000)).digest('hex');
    expect(JSON.parse(await answered)).toEqual({ messages: 300, bytes: 6_000_000, sha256 });
  });

  it('streams both ways at once: each answer comes before the next question', async () => {
    const call = open(hostname).makeBidiStreamRequest('/test.Calls/Talk', asIs, asIs, inTime());
    const answers: string[] = [];
    const ended = new Promise<number>((resolve) => call.on('status', ({ code }) => resolve(code)));
    call.on('data', (message) => {
      answers.push(String(message));
      if (answers.length === 50) call.end();
      else call.write(Buffer.from(`question ${answers.length}`));
    });
    call.write(Buffer.from('question 0'));
    expect(await ended).toBe(status.OK);
    expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => `question ${index}`));
  });

  it('hears of a call that is cancelled, and of one whose time is over', async () => {
    const client = open(hostname);
    const before = await statsOf(client);
    const call = client.makeUnaryRequest(
      '/test.Calls/Wait',
      asIs,
      asIs,
      Buffer.alloc(0),
      inTime(),
      () => undefined,
    );
    await eventually(async () => (await statsOf(client))['waiting'] === 1);
    call.cancel();
    const isCancelled = (times: number) => async (): Promise<boolean> => {
      const { cancelled = 0, waiting } = await statsOf(client);
      return waiting === 0 && cancelled === (before['cancelled'] ?? 0) + times;
    };
    await eventually(isCancelled(1));
    const late = await failure(ask(client, 'Wait', '', { deadline: Date.now() + 300 }));
    expect(late.code).toBe(status.DEADLINE_EXCEEDED);
    await eventually(isCancelled(2));
    // The origin is told the deadline itself, in grpc-timeout.
    expect((await statsOf(client))['deadlines']).toBeGreaterThan(before['deadlines'] ?? 0);
  });

  it('takes 500 calls, a hundred at a time', async () => {
    const client = open(hostname);
    let next = 0;
    const since = performance.now();
    const askOn = async (): Promise<void> => {
      while (next < 500) {
        const text = `call ${next++}`;
        expect((await ask(client, 'Unary', text)).text).toBe(text);
      }
    };
    await Promise.all(Array.from({ length: 100 }, askOn));
    say(`500 gRPC calls to ${hostname} in ${Math.round(performance.now() - since)} ms`);
  });
});

describe('a gRPC call', () => {
  it('fails with INTERNAL where the origin speaks HTTP/1.1 only', async () => {
    const error = await failure(ask(open(OLD), 'Unary', 'hello'));
    expect(error.code).toBe(status.INTERNAL);
    expect(error.details).toMatch(/^ORIGIN_PROTOCOL: /);
  });

  it('fails with UNAVAILABLE where the origin is gone, and with UNIMPLEMENTED where nothing is', async () => {
    const error = await failure(ask(open(GONE), 'Unary', 'hello'));
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(error.details).toMatch(/^ORIGIN_REFUSED: /);
    const nowhere = await failure(ask(open('nowhere.postern.test'), 'Unary', 'hello'));
    expect(nowhere.code).toBe(status.UNIMPLEMENTED);
  });

  it('under way is finished by an origin that shuts down; the next goes to the one in its place', async () => {
    const client = open(PLAIN);
    const call = client.makeBidiStreamRequest('/test.Calls/Talk', asIs, asIs, inTime());
    const answers: string[] = [];
    call.on('data', (message) => answers.push(String(message)));
    const ended = new Promise<number>((resolve) => call.on('status', ({ code }) => resolve(code)));
    call.write(Buffer.from('before'));
    await eventually(() => answers.length === 1);
    plain.process.kill('SIGTERM');
    // It listens no more, and says GOAWAY on what it has.
    await eventually(async () => {
      const error = await ask(client, 'Unary', 'hello').then(
        () => undefined,
        ({ code }: ServiceError) => code,
      );
      return error === status.UNAVAILABLE;
    });
    const again = await startGrpcOrigin({ port: plain.port });
    expect((await ask(client, 'Unary', 'new')).text).toBe('new');
    call.write(Buffer.from('after'));
    await eventually(() => answers.length === 2);
    call.end();
    expect(await ended).toBe(status.OK);
    expect(answers).toEqual(['before', 'after']);
    await again.stop();
  });
});
