/** `postern version`: what runs here. */
import { VERSION } from '../../core/version.ts';
import { defineCommand } from '../command.ts';
import { EXIT } from '../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../output.ts';

export const version = defineCommand({
  positionals: {},
  options: OUTPUT_OPTION,
  async run({ output }) {
    const platform = `${process.platform}/${process.arch}`;
    const result = { version: VERSION, node: process.version, platform };
    printResult(output, result, () => [
      `postern ${VERSION} (node ${process.version}, ${platform})`,
    ]);
    return EXIT.done;
  },
});
