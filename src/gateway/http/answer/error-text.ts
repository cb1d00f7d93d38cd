/**
 * What users are told for each code: the HTTP status, the gRPC status, a title and a sentence.
 *
 * Pure. A sentence says whose turn it is (the user's, the operator's, or nobody's but time) and never why: addresses, rules
 * and limits stay in the log. docs/errors.md has the same statuses; a test compares them both ways.
 */
import type { ErrorCode } from '../../../core/error-codes.ts';

/** One answer, without its form. */
export interface ErrorText {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  /** After how many seconds trying again may help, where it may at all. */
  readonly retryAfter?: number;
}

const SOON = 5;

const BUSY: ErrorText = {
  status: 503,
  title: 'Too busy',
  text: 'Too many requests are open. Try again soon.',
  retryAfter: SOON,
};

const NO_ACCESS = 'No access';

const TEXTS: Partial<Record<ErrorCode, ErrorText>> = {
  ROUTE_NOT_FOUND: {
    status: 404,
    title: 'Nothing here',
    text: 'No service is published under this name. Check the address for typing errors.',
  },
  ROUTE_NO_RULE: {
    status: 404,
    title: 'Nothing here',
    text: 'The service behind this name does not serve this address.',
  },
  ROUTE_NO_REPLICA: {
    status: 503,
    title: 'Service is offline',
    text: 'The machine that runs this service is not connected at the moment. Try again soon.',
    retryAfter: SOON,
  },
  ROUTE_CONFLICT: {
    status: 502,
    title: 'Service is not set up',
    text: 'This name is published in two places that contradict each other.',
  },
  ACCESS_REVOKED: {
    status: 401,
    title: 'Signed out',
    text: 'You are no longer signed in. Open the page again to sign in.',
  },
  ACCESS_DENIED: {
    status: 403,
    title: NO_ACCESS,
    text: 'You may not open this page. If you think you should, tell your administrator the request id below.',
  },
  ACCESS_PURPOSE: {
    status: 403,
    title: 'Say why',
    text: 'This service wants to be told why it is used.',
  },
  ACCESS_SIGN_IN: {
    status: 401,
    title: 'Sign in first',
    text: 'This page is only for people who have signed in.',
  },
  ACCESS_SIGN_IN_FAILED: {
    status: 400,
    title: 'Sign-in failed',
    text: 'You could not be signed in. Try again.',
  },
  ACCESS_PROVIDER_DOWN: {
    status: 503,
    title: 'Sign-in is not available',
    text: 'The identity provider does not answer properly at the moment. Try again soon.',
    retryAfter: SOON,
  },
  ACCESS_TOO_MANY: {
    status: 429,
    title: 'Too many attempts',
    text: 'Too many sign-ins were tried from your network. Wait a minute and try again.',
    retryAfter: 60,
  },
  ACCESS_SSH_KEY: {
    status: 400,
    title: 'Key not accepted',
    text: 'No certificate can be made for this kind of key.',
  },
  ACCESS_SSH_PRINCIPAL: {
    status: 403,
    title: NO_ACCESS,
    text: 'You have no user name on the machines of this service.',
  },
  ACCESS_SSH_OFF: {
    status: 404,
    title: 'Nothing here',
    text: 'This service issues no certificates.',
  },
  ORIGIN_TIMEOUT: {
    status: 504,
    title: 'Service does not answer',
    text: 'The service took too long to answer. Try again soon.',
  },
  ORIGIN_REFUSED: {
    status: 502,
    title: 'Service is not running',
    text: 'The machine is connected, but the service on it refuses connections.',
  },
  ORIGIN_UNREACHABLE: {
    status: 502,
    title: 'Service cannot be reached',
    text: 'The machine is connected, but it cannot reach the service.',
  },
  ORIGIN_DNS: {
    status: 502,
    title: 'Service cannot be found',
    text: 'The machine is connected, but it cannot find out where the service is.',
  },
  ORIGIN_TLS: {
    status: 502,
    title: 'Service cannot be trusted',
    text: 'The encrypted connection to the service could not be made.',
  },
  ORIGIN_PROTOCOL: {
    status: 502,
    title: 'Service speaks another protocol',
    text: 'This kind of request needs HTTP/2, and the service does not speak it.',
  },
  ORIGIN_BAD_RESPONSE: {
    status: 502,
    title: 'Service gave a broken answer',
    text: 'The service answered with something that is not HTTP.',
  },
  ORIGIN_RESET: {
    status: 502,
    title: 'Service hung up',
    text: 'The service closed the connection before it answered.',
  },
  ORIGIN_FORBIDDEN: {
    status: 502,
    title: 'Service is not set up',
    text: 'The machine is connected, but it is not allowed to reach the service.',
  },
  ORIGIN_NO_RULE: {
    status: 502,
    title: 'Service is changing',
    text: 'The machine has just stopped serving this address. Try again soon.',
  },
  ORIGIN_ACCESS: {
    status: 403,
    title: NO_ACCESS,
    text: 'The machine that runs this service checks for itself who may use it, and does not let you in.',
  },
  HTTP_METHOD: {
    status: 405,
    title: 'Method not supported',
    text: 'This kind of request is not supported here.',
  },
  HTTP_MISDIRECTED: {
    status: 421,
    title: 'Wrong connection',
    text: 'This request came over a connection that was opened for another name.',
  },
  HTTP_TIMEOUT: {
    status: 408,
    title: 'Request too slow',
    text: 'The request did not arrive in time.',
  },
  HTTP_TOO_LARGE: {
    status: 431,
    title: 'Request too large',
    text: 'The address, or the cookies sent with it, are too large.',
  },
  HTTP_BODY_TOO_LARGE: {
    status: 413,
    title: 'Upload too large',
    text: 'What was sent is larger than this service takes.',
  },
  HTTP_ADDRESS_LIMIT: {
    status: 429,
    title: 'Too many requests',
    text: 'Too many requests from your network are under way. Try again soon.',
    retryAfter: SOON,
  },
  HTTP_CONNECTION_LIMIT: {
    status: 429,
    title: 'Too many connections',
    text: 'Too many connections from your network are open. Try again soon.',
    retryAfter: SOON,
  },
  HTTP_APPLICATION_LIMIT: {
    status: 503,
    title: 'Service is too busy',
    text: 'This service has as many visitors as it takes at a time. Try again soon.',
    retryAfter: SOON,
  },
  HTTP_TOO_MANY: BUSY,
  STREAM_LIMIT: BUSY,
  STREAM_REFUSED: BUSY,
  STORE_BUSY: BUSY,
  STORE_FAILED: {
    status: 503,
    title: 'Gateway is not well',
    text: 'The gateway cannot look up who may come in. Try again soon.',
    retryAfter: SOON,
  },
  HTTP_INTERNAL: {
    status: 500,
    title: 'Gateway error',
    text: 'Something went wrong in the gateway. Its log says what.',
  },
};

const BAD_REQUEST: ErrorText = {
  status: 400,
  title: 'Request not understood',
  text: 'The request is malformed or could be read in more than one way.',
};

/** Streams that broke: whatever the code, the user can only try again. */
const BROKEN: ErrorText = {
  status: 502,
  title: 'Connection to the service broke',
  text: 'The connection to the machine that runs this service broke. Try again soon.',
};

/** What a code is answered with. */
export function errorText(code: ErrorCode): ErrorText {
  const own = TEXTS[code];
  if (own !== undefined) return own;
  return code.startsWith('HTTP_') ? BAD_REQUEST : BROKEN;
}

/** The HTTP status a code is answered with. */
export function statusOf(code: ErrorCode): number {
  return errorText(code).status;
}
