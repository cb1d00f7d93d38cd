/** What is reached behind a bastion, as an argument of `access` commands. */
import { parseDestination, type Destination } from '../../config/destination.ts';
import { messageOf, PosternError } from '../../core/error.ts';

/** `host:port` in normal form; undefined when none was named. Throws CLI_USAGE. */
export function destinationArgument(text: string | undefined): Destination | undefined {
  if (text === undefined) return undefined;
  try {
    return parseDestination(text);
  } catch (cause) {
    throw new PosternError('CLI_USAGE', `Cannot use --destination: ${messageOf(cause)}`, { cause });
  }
}
