/**
 * Holds many registered links to one gateway, for the memory scenario: 2,000 connectors would not fit on the machine, so this dials
 * with the built modules themselves (`dist/transport`, `dist/protocol`) and says what a connector says: hello, register, and then
 * nothing but PONG. TLS, WebSocket and registration are real; only the ingress behind them is missing.
 *
 * To the gateway it is as many replicas as `replicas` says, each with `linksPerReplica` links. Run by bench/scenarios/memory.js.
 */
import { readFile } from 'node:fs/promises';
import { answerCalls } from './answer-calls.js';

/** Dials at once: below the gateway's limit of links that have not registered yet. */
const LANES = 32;

const RULE = { id: '0'.repeat(16), hostname: 'idle.bench.test', kind: 'http' };

const links = new Set();
let modules;

function importBuilt(path) {
  return import(new URL(`../../dist/${path}.js`, import.meta.url));
}

async function loadModules() {
  const paths = [
    'transport/dial/dial-channel',
    'protocol/link',
    'protocol/close-code',
    'core/clock',
    'core/id',
  ];
  const [{ dialChannel }, { Link }, { CLOSE_CODE }, { systemClock: clock }, { newId }] =
    await Promise.all(paths.map(importBuilt));
  return { dialChannel, Link, CLOSE_CODE, clock, newId };
}

/** Dials one link and resolves once the gateway has registered it. */
async function openLink({ url, ca, token, replica, index }) {
  const { dialChannel, Link, clock } = modules;
  const channel = await dialChannel({ url, ca });
  await new Promise((resolve, reject) => {
    const link = new Link({
      channel,
      isDialler: true,
      clock,
      events: {
        onControl: (message) => {
          if (message.type === 'registered') {
            links.add(link);
            resolve();
          }
          if (message.type === 'refused') reject(new Error(`${message.code}: ${message.message}`));
        },
        onOpen: (slot) => slot.reset('STREAM_CANCELLED', 'this link only idles'),
        onClose: (error) => {
          links.delete(link);
          reject(error ?? new Error('the link was closed'));
        },
      },
    });
    const hello = { type: 'hello', versions: [1], features: [], software: 'postern-bench' };
    link.sendControl({ ...hello, process: replica });
    link.sendControl({
      type: 'register',
      role: 'connector',
      token,
      link: index,
      replica: { hostname: 'bench', platform: process.platform, startedAt: Date.now() },
      rules: [RULE],
    });
    link.trust();
  });
}

async function hold({ url, caFile, tokens, replicas, linksPerReplica }) {
  modules ??= await loadModules();
  const ca = await readFile(caFile, 'utf8');
  const wanted = tokens.flatMap((token) =>
    Array.from({ length: replicas }, () => modules.newId()).flatMap((replica) =>
      Array.from({ length: linksPerReplica }, (_, index) => ({ url, ca, token, replica, index })),
    ),
  );
  const lane = async () => {
    for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) await openLink(next);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return { count: links.size };
}

answerCalls({
  hold,
  held: () => ({ count: links.size }),
  release: () => {
    for (const link of links) link.close(modules.CLOSE_CODE.goingAway, 'done');
  },
});
