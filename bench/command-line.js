import { parseArgs } from 'node:util';

/** A command line that cannot be followed; the program says so and exits with 2. */
export class UsageError extends Error {}

const OPTIONS = {
  peers: { type: 'string' },
  seconds: { type: 'string', default: '1.5' },
  rounds: { type: 'string', default: '3' },
  json: { type: 'string' },
  strict: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

/**
 * Reads the command line: `{ scenarios, peers, seconds, rounds, json, strict, list, help }`, the first two as objects chosen from
 * those given. Throws UsageError for anything it does not know.
 */
export function readCommandLine(argv, { scenarios, peers }) {
  const { values, positionals } = parse(argv);
  return {
    ...values,
    scenarios: choose('scenario', positionals, scenarios, scenarios),
    peers: choose(
      'peer',
      values.peers?.split(',') ?? [],
      peers,
      peers.filter((peer) => !peer.isLeftOut),
    ),
    seconds: readNumber('--seconds', values.seconds, 0.5, 60),
    rounds: readNumber('--rounds', values.rounds, 1, 50),
  };
}

function parse(argv) {
  try {
    return parseArgs({ args: argv, options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error.message, { cause: error });
  }
}

/** Those called for, in their own order, or `usual` when none is called for. */
function choose(kind, names, all, usual) {
  const known = all.map((one) => one.name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`Unknown ${kind} "${unknown}"; there are ${known.join(', ')}`);
  return names.length === 0 ? usual : all.filter((one) => names.includes(one.name));
}

function readNumber(option, text, least, most) {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw new UsageError(`${option} must be a number from ${least} to ${most}, not "${text}"`);
}

function list(all) {
  return all.map(({ name, title }) => `  ${name.padEnd(14)} ${title}`).join('\n');
}

/** What --help prints. */
export function usage({ scenarios, peers }) {
  return `Usage: npm run bench -- [scenario …] [--peers a,b] [--seconds N] [--rounds N] [--json FILE] [--strict]

Scenarios (all of them, when none is named):
${list(scenarios)}

Peers (all of them, when --peers is left out; chisel only with BENCH_CHISEL=/path/to/chisel):
${list(peers)}

  --seconds N   length of one measurement (default 1.5)
  --rounds N    measurements of each peer, in turn with the others (default 3)
  --json FILE   write every sample to FILE
  --strict      exit with 1 unless every figure to reach was measured and is met
  --list        print the names of scenarios and peers and exit`;
}
