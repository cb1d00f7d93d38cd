/**
 * The names of log fields. They are API: dashboards and alerts read them, and docs/operations.md lists each one.
 *
 * A field has one name and one meaning in every component, so that one search joins gateway, connector and client.
 * A name is never reused for something else. Values that come from outside need no care here: `log.ts` makes them safe.
 */
export const FIELD = {
  /** Which program wrote the line: `gateway`, `connector`, `cli`. Set by createLog(). */
  component: 'component',
  /** Joins the lines of one request in gateway, connector and origin; the user sees it on error pages. */
  request: 'requestId',
  /** The trace that a request belongs to, where there are traces: 32 hex digits. */
  trace: 'traceId',
  tunnel: 'tunnelId',
  tunnelName: 'tunnelName',
  replica: 'replicaId',
  link: 'linkId',
  stream: 'streamId',
  /** Stream kind: `http` or `tcp`. */
  kind: 'kind',
  /** The public hostname that was asked for. */
  hostname: 'hostname',
  method: 'method',
  /** What the user spoke: `1.0`, `1.1` or `2.0`. To origins it is always HTTP/1.1. */
  httpVersion: 'httpVersion',
  /** Path of an HTTP request, without its query. */
  path: 'path',
  /** HTTP status that was answered. */
  status: 'status',
  /** Id of the ingress rule. */
  rule: 'ruleId',
  /** The address of the origin that a connector dialled. */
  origin: 'origin',
  /** What the user of a client chose to reach, at a service that lets them. */
  destination: 'destination',
  /** Who the user is: an e-mail address, or the name of a service token. */
  user: 'user',
  /** The application that let a request in. */
  application: 'application',
  /** Id of the session of the user, or of their service token. */
  session: 'sessionId',
  /** The policy of the application that decided. */
  policy: 'policy',
  /** What was decided: `allow`, `deny`, `sign-in`. Why is in `accessReason`. */
  decision: 'decision',
  accessReason: 'accessReason',
  /** The address of the user, after trusted proxies. */
  client: 'client',
  /** The URL of the gateway that a connector or client dials. */
  gateway: 'gateway',
  /** A socket address we listen on or talk to. */
  address: 'address',
  /** Which listener somebody came to: `https`, `http`, `tcp[0]`; `links` for connectors and clients. */
  listener: 'listener',
  /** A file that was read or written. */
  file: 'file',
  /** The code of docs/errors.md, or Node's. Filled in from `err` where it is not given. */
  code: 'errCode',
  /** What went wrong: code, message and the chain of causes. */
  err: 'err',
  /** Why something ended, in words. */
  reason: 'reason',
  durationMs: 'durationMs',
  /** From the head of a request until it was sent to its origin, ms. */
  gatewayMs: 'gatewayMs',
  /** Of these, how long a new connection to the origin took, ms. */
  connectMs: 'connectMs',
  /** From the sending of a request to its origin to the head of the response, ms. */
  originMs: 'originMs',
  /** How long until the next attempt, ms. */
  waitMs: 'waitMs',
  /** Which attempt this was, from 1. */
  attempt: 'attempt',
  bytesSent: 'bytesSent',
  bytesReceived: 'bytesReceived',
  /** How many of what the message speaks of. */
  count: 'count',
  version: 'version',
  /** Id of another process of ours. */
  process: 'process',
  /** Which worker of a gateway: the first is 1, and each that is started is one more. */
  generation: 'generation',
  /** Type of an audit event, such as `tunnel.create`. */
  event: 'event',
} as const;
