/** `postern update --check`: whether there is a newer version, and how to get it. Changes nothing. */
import { readdir } from 'node:fs/promises';
import { VERSION } from '../../core/version.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../output.ts';
import { PACKAGE_ROOT } from '../../core/package-root.ts';
import { runTool } from '../service/run-tool.ts';
import { UNIT_FOLDER } from '../service/service-plan.ts';
import { newestVersion } from '../update/newest-version.ts';
import { compareVersions } from '../update/semantic-version.ts';
import { upgradeCommands } from '../update/upgrade-commands.ts';

const NPM_MS = 20_000;

export const update = defineCommand({
  positionals: {},
  options: {
    check: {
      type: 'boolean',
      demandOption: true,
      describe: 'Ask the npm registry for the newest version, and change nothing',
    },
    ...OUTPUT_OPTION,
  },
  epilogue: 'Exits with 0 when there is nothing newer, and with 5 when there is.',
  async run({ output }) {
    const newest = await newestVersion('postern');
    const isNewer = compareVersions(newest, VERSION) > 0;
    const commands = isNewer ? await commandsFor(newest) : [];
    const result = { version: VERSION, newest, isNewer, commands };
    printResult(output, result, () => [
      `Installed: ${VERSION}`,
      `Newest:    ${newest}`,
      '',
      ...(isNewer ? ['Upgrade with:', `  ${commands.join(' && ')}`] : ['Nothing to do.']),
    ]);
    return isNewer ? EXIT.outdated : EXIT.done;
  },
});

async function commandsFor(version: string): Promise<string[]> {
  const prefix = await runTool('ask npm', 'npm', ['prefix', '--global'], NPM_MS).catch(() => '');
  return upgradeCommands(version, {
    packageRoot: PACKAGE_ROOT,
    npmPrefix: prefix.trim(),
    units: await ownUnits(),
  });
}

/** The gateway first. */
async function ownUnits(): Promise<string[]> {
  const names = await readdir(UNIT_FOLDER).catch((): string[] => []);
  const units = names.filter((name) =>
    /^postern-(?:gateway|connector(?:@.+)?)\.service$/.test(name),
  );
  return units.map((name) => name.replace(/\.service$/, '')).toSorted((a, b) => b.localeCompare(a));
}
