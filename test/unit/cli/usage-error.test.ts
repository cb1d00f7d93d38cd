import { describe, expect, it } from '@jest/globals';

import { usageError } from '../../../src/cli/usage-error.ts';

const GROUP = { path: 'tunnel', commands: ['create', 'run', 'route'], options: ['help'] };
const COMMAND = {
  path: 'tunnel run',
  usage: 'run [tunnel]',
  commands: [],
  options: ['config', 'token-file', 'help'],
};

function messageFor(problem: string, place: typeof GROUP, ...words: string[]): string {
  const error = usageError(problem, place, words);
  expect(error.code).toBe('CLI_USAGE');
  return error.message;
}

describe('usageError()', () => {
  it('suggests the command that was probably meant', () => {
    expect(messageFor('Unknown argument: crate', GROUP, 'tunnel', 'crate')).toBe(
      'Cannot run "postern tunnel": unknown command "crate"; did you mean "create"?; see "postern tunnel --help"',
    );
    expect(messageFor('Unknown command: teleport', GROUP, 'tunnel', 'teleport')).toContain(
      'unknown command "teleport"; see',
    );
  });

  it('suggests the option that was probably meant', () => {
    expect(messageFor('Unknown argument: confg', COMMAND, '--confg=x')).toContain(
      'unknown option "--confg"; did you mean "--config"?',
    );
    expect(messageFor('Unknown arguments: tokenfile, x', COMMAND, '--tokenfile', 'x')).toContain(
      'did you mean "--token-file"?',
    );
    expect(messageFor('Unknown argument: z', COMMAND, '-z')).toContain('unknown option "-z"');
  });

  it('never repeats a token', () => {
    const token = `pst_${'x'.repeat(64)}`;
    for (const message of [
      messageFor(`Unknown argument: ${token}`, COMMAND, token),
      messageFor(`Unknown argument: ${token}`, COMMAND, `--${token}`),
      messageFor(
        `Invalid values:\n  Argument: output, Given: "${token}", Choices: "text", "json"`,
        COMMAND,
        token,
      ),
    ]) {
      expect(message).not.toContain('xxx');
    }
  });

  it('says what is missing', () => {
    expect(messageFor('Not enough arguments following: config', COMMAND)).toContain(
      'option "--config" needs a value',
    );
    expect(messageFor('Not enough non-option arguments: got 0, need at least 1', GROUP)).toContain(
      'a command is missing',
    );
    const create = { ...COMMAND, path: 'tunnel create', usage: 'create <name>' };
    expect(messageFor('Not enough non-option arguments: got 0, need at least 1', create)).toContain(
      'an argument is missing; write "postern tunnel create <name>"',
    );
  });

  it('keeps any other problem on one line', () => {
    expect(messageFor('Something new:\n  of yargs', COMMAND)).toBe(
      'Cannot run "postern tunnel run": Something new: of yargs; see "postern tunnel run --help"',
    );
  });
});
