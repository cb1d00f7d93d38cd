/** The options of long-running programs that say what they log. */
import { LOG_FORMATS, LOG_LEVELS } from '../config/log-config.ts';

/** Both win over the file. */
export const LOG_OPTIONS = {
  'log-level': {
    choices: LOG_LEVELS,
    requiresArg: true,
    describe: 'The least level that is logged',
  },
  'log-format': {
    choices: LOG_FORMATS,
    requiresArg: true,
    describe: 'Form of the log; auto is pretty on a terminal and JSON elsewhere',
  },
} as const;
