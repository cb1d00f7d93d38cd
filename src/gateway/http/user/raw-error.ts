/**
 * Answers to bytes that Node's parser refused: there is no request, so there is no ServerResponse either.
 *
 * Pure. Who sent such bytes is no browser, so the answer is JSON.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../../core/error-codes.ts';
import { PosternError } from '../../../core/error.ts';
import { newRequestId } from '../../../core/id.ts';
import { statusOf } from '../answer/error-text.ts';
import { errorPage } from '../answer/error-page.ts';
import { RequestRecord } from '../record/request-record.ts';
import { clientOf } from '../../front/client-address.ts';

/** The code for an error of Node's HTTP parser; undefined where the connection itself broke and nobody is left to answer. */
export function parserErrorCode(code: string | undefined): ErrorCode | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'HTTP_TIMEOUT';
  if (code === 'HPE_HEADER_OVERFLOW') return 'HTTP_TOO_LARGE';
  // The user stopped in the middle of a message.
  if (code === 'HPE_INVALID_EOF_STATE') return undefined;
  return code?.startsWith('HPE_') === true ? 'HTTP_BAD_REQUEST' : undefined;
}

/** The record of a request that was not understood. */
export function unreadRecord(code: ErrorCode, cause: Error, socket: Socket): RequestRecord {
  const record = new RequestRecord(newRequestId(), clientOf(socket), '');
  const message = `Cannot read the request: ${cause.message}`;
  record.fail(code, new PosternError(code, message, { cause }));
  record.status = statusOf(code);
  return record;
}

/** A whole response, after which the connection is to be closed. */
export function rawErrorResponse(code: ErrorCode, requestId: string): string {
  const { status, headers, body } = errorPage({ code, requestId });
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return `${head}\r\n${body}`;
}
