/**
 * `npm run bench`: measures Postern and its peers side by side, in one run, and prints tables with ratios.
 *
 * It runs the chosen scenarios one after the other, each in a lab of its own, and ends every process it started whatever happens.
 * A slow figure is never a failure: the exit code is 0 unless --strict asks otherwise, 2 for a wrong command line.
 * What is measured and how: bench/README.md.
 */
import { writeFile } from 'node:fs/promises';
import { BUDGETS, budgetTable, judge } from './budgets.js';
import { UsageError, readCommandLine, usage } from './command-line.js';
import { NOISE } from './harness/field.js';
import { Lab } from './harness/lab.js';
import { describeMachine } from './harness/machine.js';
import { renderTable } from './harness/table.js';
import { PEERS } from './peers/all.js';
import { SCENARIOS } from './scenarios/all.js';

/** How long all measurements together may take that are made again because something else was using the machine, ms. */
const REPEAT_MS = 45_000;

let lab;
let isEnding = false;

function print(text) {
  process.stdout.write(`${text}\n`);
}

/** Progress goes to stderr, so that stdout is the report. */
function say(text) {
  process.stderr.write(`  ${text}\n`);
}

function takesPart(peer, scenario) {
  return (
    peer.carries.includes(scenario.carries) &&
    (peer.onlyIn?.includes(scenario.name) ?? true) &&
    (!scenario.tunnelsOnly || peer.isTunnel)
  );
}

async function runScenario(scenario, { peers, seconds, rounds, repeats }) {
  if (isEnding) return undefined;
  print(`\n## ${scenario.title} (${scenario.name})\n`);
  lab = Lab.create();
  try {
    const taking = peers.filter((peer) => takesPart(peer, scenario));
    const result = await scenario.run({ lab, peers: taking, seconds, rounds, repeats, say });
    for (const table of result.tables) print(`${renderTable(table)}\n`);
    if (!scenario.ignoresNoise) warnOfNoise(result.series);
    return result;
  } catch (error) {
    print(`NOT MEASURED: ${error.message}`);
    return { series: {}, tables: [], error: error.message };
  } finally {
    await lab.stop();
  }
}

function warnOfNoise(series) {
  const samples = Object.values(series).flatMap((rows) => rows.flatMap((row) => row.samples ?? []));
  const most = Math.max(0, ...samples.map((sample) => sample.foreignCpu ?? 0));
  if (most > NOISE)
    print(
      `Beware: other processes had up to ${Math.round(most * 100)} % of the machine meanwhile.`,
    );
}

async function main(argv) {
  const known = { scenarios: SCENARIOS, peers: PEERS };
  const options = readCommandLine(argv, known);
  if (options.help) return print(usage(known));
  if (options.list) return print([...SCENARIOS, ...PEERS].map((one) => one.name).join('\n'));

  const machine = describeMachine();
  print(`# Postern bench\n\n${machine}`);
  print(`${options.rounds} rounds of ${options.seconds} s; medians, and the range over the rounds`);
  const started = performance.now();
  const results = {};
  const repeats = { leftMs: REPEAT_MS };
  for (const scenario of options.scenarios)
    results[scenario.name] = await runScenario(scenario, { ...options, repeats });
  if (isEnding) return undefined;

  const judged = judge(BUDGETS, results);
  if (judged.length > 0) print(`\n${renderTable(budgetTable(judged))}`);
  print(`\nTook ${Math.round((performance.now() - started) / 1000)} s.`);
  if (options.json !== undefined) await writeJson(options, machine, results, judged);
  if (options.strict && judged.some((budget) => !budget.isMet)) process.exitCode = 1;
}

async function writeJson({ json, seconds, rounds }, machine, results, judged) {
  const scenarios = Object.fromEntries(
    Object.entries(results).map(([name, { series, error }]) => [name, { series, error }]),
  );
  const budgets = judged.map(({ title, unit, atLeast, atMost, measured, isMet }) => {
    return { title, unit, atLeast, atMost, measured, isMet };
  });
  const report = { at: new Date().toISOString(), machine, seconds, rounds, scenarios, budgets };
  await writeFile(json, `${JSON.stringify(report, undefined, 2)}\n`);
}

async function endEarly(code, reason) {
  isEnding = true;
  if (reason !== undefined) process.stderr.write(`bench: ${reason}\n`);
  await lab?.stop();
  process.exit(code);
}

process.once('SIGINT', () => void endEarly(130, 'interrupted'));
process.once('SIGTERM', () => void endEarly(143, 'terminated'));
// Whoever read the report has gone: nothing is left to measure for, and nothing can be said about it.
process.stdout.on('error', () => void endEarly(1));
process.stderr.on('error', () => undefined);
process.once('uncaughtException', (error) => void endEarly(1, error.stack));

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) await endEarly(1, error.stack);
  process.stderr.write(`bench: ${error.message}\nTry: npm run bench -- --help\n`);
  process.exitCode = 2;
}
