/** Resident memory of the gateway per idle link: 2,000 registered ones over real TLS. Part of the memory scenario. */
import { setTimeout as delay } from 'node:timers/promises';
import { residentBytes } from '../harness/process-stats.js';
import { PEER, medianOf } from '../harness/table.js';
import { makeTunnel, postern, startGateway } from '../peers/postern.js';

/** 2,000 links: 2 tunnels × 100 replicas × 10 links, within what a gateway lets each tunnel and each replica have. */
const TUNNELS = ['idle-1', 'idle-2'];
const REPLICAS = 100;
const LINKS_PER_REPLICA = 10;

/** Opened and closed before: 2 tunnels × 5 replicas × 10 links. */
const WARM_UP_REPLICAS = 5;

/** Longer than a link is idle before it is pinged: what the first ping costs is part of an idle link. */
const SETTLE_MS = 8_000;

/** The table of idle links. Postern alone: no peer multiplexes over links that can be counted like these. */
export async function measureIdleLinks({ lab, peers, say }) {
  const title = 'KiB of resident memory of the gateway per idle link';
  const columns = [PEER, medianOf('links', 'count'), medianOf('KiB each', 'gatewayKib')];
  if (!peers.includes(postern)) return { title, columns, rows: [] };
  say('idle links');
  const row = { name: postern.name, title: postern.title };
  try {
    const reason = await postern.unavailable();
    if (reason !== undefined) throw new Error(reason);
    return { title, columns, rows: [{ ...row, samples: [await holdLinks(lab)] }] };
  } catch (error) {
    return { title, columns, rows: [{ ...row, reason: error.message }] };
  }
}

async function holdLinks(lab) {
  const { gateway, file, httpsPort, ca } = await startGateway(lab, 'gateway-of-links', {});
  const tokens = [];
  for (const tunnel of TUNNELS)
    tokens.push(await makeTunnel(lab, file, tunnel, [`${tunnel}.bench.test`]));
  const holder = await lab.load('link-holder');
  const url = `https://127.0.0.1:${httpsPort}`;
  const hold = (replicas) => {
    const load = { url, caFile: ca, tokens, replicas, linksPerReplica: LINKS_PER_REPLICA };
    return holder.call('hold', load, 120_000);
  };
  await hold(WARM_UP_REPLICAS);
  await holder.call('release');
  await delay(SETTLE_MS);
  const before = residentBytes(gateway);
  const { count } = await hold(REPLICAS);
  await delay(SETTLE_MS);
  const gatewayKib = (residentBytes(gateway) - before) / count / 1024;
  const { count: held } = await holder.call('held');
  await holder.call('release');
  const wanted = TUNNELS.length * REPLICAS * LINKS_PER_REPLICA;
  if (held < wanted) throw new Error(`only ${held} of ${wanted} idle links stayed registered`);
  return { count, gatewayKib };
}
