/** The address of an application, or of a gateway, as an argument of `access` commands. */
import { PosternError } from '../../core/error.ts';
import { gatewayArgument, type GatewayAddress } from './access-options.ts';

interface Where {
  readonly url?: string | undefined;
  readonly gateway?: string | undefined;
  readonly ca?: string | undefined;
}

/** `https://host[:port]/path`, or a hostname alone. Throws CLI_USAGE. */
export function applicationUrl(text: string): URL {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url?.protocol === 'https:' && url.username === '' && url.password === '') return url;
  // Not repeated: it may hold a password.
  const rule = 'it must be https://host[:port]/path, without a user';
  throw new PosternError('CLI_USAGE', `Cannot use the address: ${rule}`);
}

/** The gateway that `url`, or an option, or the environment names, and the origin to ask. Throws CLI_USAGE. */
export async function gatewayOfUrl({
  url,
  ...args
}: Where): Promise<{ readonly address: GatewayAddress; readonly origin: string | undefined }> {
  const origin = url === undefined ? undefined : applicationUrl(url).origin;
  const address = await gatewayArgument(args, origin?.slice('https://'.length));
  return { address, origin };
}
