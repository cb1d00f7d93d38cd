/**
 * The connector's credentials: what `postern tunnel create -o json` prints, or a file with nothing but the token.
 *
 * The token is a secret: it is never put into an error, and the configuration only carries the file's name.
 */
import { z } from 'zod';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { parseTunnelToken } from '../../core/tunnel-token.ts';
import { readTextFile } from '../read-text-file.ts';

/** What a connector registers with. */
export interface Credentials {
  /** A secret. */
  readonly token: string;
  /** The id of the tunnel, which the token says. */
  readonly id: string;
  /** The tunnel's name when the file was written; for people, never for decisions. */
  readonly name?: string | undefined;
}

const REMEDY = 'write it with "postern tunnel create NAME -o json"';

/** Reads a credentials file. Throws CONFIG_UNREADABLE and CONFIG_INVALID with the file's name in front. */
export async function readCredentials(file: string): Promise<Credentials> {
  try {
    return parseCredentials(await readTextFile(file));
  } catch (cause) {
    const code = hasCode(cause, 'CONFIG_UNREADABLE') ? 'CONFIG_UNREADABLE' : 'CONFIG_INVALID';
    throw new PosternError(code, `Cannot use credentials file "${file}": it ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Parses the text of a credentials file. Throws CONFIG_INVALID; the message completes "<file> …". */
export function parseCredentials(content: string): Credentials {
  const trimmed = content.trim();
  return trimmed.startsWith('{') ? fromJson(trimmed) : fromToken(trimmed, undefined);
}

/** What `postern tunnel create -o json` prints; more may be added to it. */
const jsonSchema = z.looseObject({
  token: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
  TunnelSecret: z.unknown().optional(),
});

function fromJson(content: string): Credentials {
  const { success, data } = jsonSchema.safeParse(parseJson(content));
  if (!success) throw invalid('has a "token", "id" or "name" that is not text');
  if (data.TunnelSecret !== undefined) {
    throw invalid("is cloudflared's, which a Postern gateway does not know");
  }
  if (data.token === undefined) throw invalid('has no "token"');
  const credentials = fromToken(data.token, data.name);
  if (data.id !== undefined && data.id !== credentials.id) {
    throw invalid('has an "id" that is not the one in its token');
  }
  return credentials;
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    // Without a cause: the parser's message quotes the text, which is a secret.
    throw invalid('is not valid JSON');
  }
}

function fromToken(token: string, name: string | undefined): Credentials {
  const parts = parseTunnelToken(token);
  if (parts === undefined) throw invalid('holds no tunnel token (pst_…)');
  return { token, id: parts.tunnelId, name };
}

function invalid(problem: string): PosternError {
  return new PosternError('CONFIG_INVALID', `${problem}; ${REMEDY}`);
}
