/** Asks a connector over its control socket. docs/decisions/0022. */
import { connect } from 'node:net';
import { hasCode, isPosternError, messageOf, PosternError } from '../../../core/error.ts';
import { formatCall, LineBuffer, parseAnswer, type ControlCall } from './control-message.ts';

/**
 * The answer to a call. Rejects with the error that it carries, or CLI_FAILED where nobody answers: within `timeoutMs`, or, without
 * one, before the connector goes away.
 */
export async function callConnector(
  path: string,
  call: ControlCall,
  timeoutMs = 0,
): Promise<unknown> {
  const socket = connect(path);
  try {
    const line = await new Promise<string>((resolve, reject) => {
      const buffer = new LineBuffer();
      socket.setTimeout(timeoutMs, () => reject(new Error(`no answer in ${timeoutMs} ms`)));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the connector has gone')));
      socket.on('data', (chunk) => {
        try {
          const text = buffer.push(chunk);
          if (text !== undefined) resolve(text);
        } catch (error) {
          reject(error);
        }
      });
      socket.write(formatCall(call));
    });
    return parseAnswer(line);
  } catch (cause) {
    if (isPosternError(cause)) throw cause;
    const why = hasCode(cause, 'ECONNREFUSED') ? 'nobody listens' : messageOf(cause);
    throw new PosternError('CLI_FAILED', `Cannot ask the connector on "${path}": ${why}`, {
      cause,
    });
  } finally {
    socket.destroy();
  }
}
