/**
 * How the device and the command that want to sign in call themselves, for the page on which somebody is asked (case L8).
 *
 * It is only a claim, so it is short, printable, and stands beside the address, which is none.
 */
import { LIMITS } from '../../core/limits.ts';

export interface ClientDevice {
  readonly device: string;
  readonly command: string;
}

/** Reads the claim; undefined when it is not one. */
export function clientDevice(
  device: string | null | undefined,
  command: string | null | undefined,
): ClientDevice | undefined {
  if (!isName(device) || !isName(command)) return undefined;
  return { device, command };
}

function isName(text: string | null | undefined): text is string {
  return typeof text === 'string' && text.length <= LIMITS.clientTextChars && /^[ -~]+$/.test(text);
}
