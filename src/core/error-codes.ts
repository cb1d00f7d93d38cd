/**
 * Every error code of Postern, with what it means to the person who reads it.
 *
 * Codes are API: docs/errors.md lists each one and `test/arch/docs-parity.test.ts` compares both ways.
 * A code is never renamed and never reused. The prefix says who is hurt: a process start (`CONFIG_`), a link
 * (`PROTO_`, `LINK_`), a registration (`REGISTER_`), one stream (`STREAM_`), one request (`ORIGIN_`, `ROUTE_`,
 * `ACCESS_`, `HTTP_`), one connection to a TCP port (`TCP_`), one operation on the state (`STORE_`), a hand-over (`RELOAD_`), one command (`CLI_`).
 */
export const ERROR_CODES = {
  CONFIG_UNREADABLE: 'The config file, or a file it names, cannot be read',
  CONFIG_SYNTAX: 'The config file is not valid YAML',
  CONFIG_UNKNOWN_KEY: 'The config file has a key that does not exist',
  CONFIG_INVALID: 'A config value is not acceptable',
  CONFIG_INGRESS: 'The ingress rules contradict each other or do not end with a catch-all',
  CONFIG_PORT_IN_USE: 'A listener cannot be opened because its address is taken or not ours',
  CONFIG_TEST_FAILED: 'The policies decide otherwise than a test in the config file expects',
  CONFIG_TLS: 'A certificate or private key cannot be used',

  PROTO_BAD_FRAME: 'A frame is shorter than its type needs or is malformed',
  PROTO_UNKNOWN_FRAME: 'A frame has a type that this version does not know',
  PROTO_FRAME_TOO_LARGE: 'A frame is larger than the limit',
  PROTO_CONTROL_TOO_LARGE: 'A control message is larger than the limit',
  PROTO_BAD_CONTROL: 'A control message is not valid JSON or lacks a field',
  PROTO_BAD_STREAM_ID: 'A stream id has the wrong parity, is reused or goes backwards',
  PROTO_UNKNOWN_STREAM: 'A frame names a stream that was never opened or has ended',
  PROTO_WINDOW_EXCEEDED: 'DATA beyond the granted window',
  PROTO_BAD_OFFSET: 'DATA or FIN at an offset other than the next one',
  PROTO_BAD_ACK: 'An acknowledgement of bytes never sent, or one that goes backwards',
  PROTO_AFTER_FIN: 'DATA or FIN after FIN',
  PROTO_UNEXPECTED: 'A frame that is not allowed in this state of the stream or link',
  PROTO_TOO_MANY_STREAMS: 'More streams are open on the link than its limit',
  PROTO_OPEN_RATE: 'Streams are opened faster than the limit',
  PROTO_FLOOD: 'More control frames arrive than the limit allows',
  PROTO_VERSION: 'The two sides speak no common version of the protocol',

  LINK_DNS: 'The name of the gateway cannot be resolved',
  LINK_REFUSED: 'The gateway, or a proxy on the way, refuses the connection',
  LINK_TIMEOUT: 'The gateway does not answer in time',
  LINK_TLS: 'The certificate of the gateway is not trusted',
  LINK_PROXY: 'The HTTP proxy on the way refuses to connect',
  LINK_HANDSHAKE: 'What answers is not a Postern gateway',
  LINK_DEAD: 'Nothing arrived on the link for longer than the dead-peer limit',
  LINK_CLOSED: 'The link was closed by the other side or by the network',

  REGISTER_REFUSED: 'The gateway does not accept the tunnel token',
  REGISTER_REVOKED: 'The tunnel was deleted or its token was rotated',
  REGISTER_TIMEOUT: 'The connector did not register, or was not answered, in time',
  REGISTER_LIMIT: 'The tunnel has as many replicas or links as allowed',

  STREAM_RESET: 'The other endpoint reset the stream',
  STREAM_LOST: 'The stream stayed detached for longer than allowed, or its other end died',
  STREAM_UNKNOWN: 'A stream that should be resumed is not known to the other endpoint',
  STREAM_STALE_EPOCH: 'An attach came later than a newer one',
  STREAM_BAD_POSITION: 'The two endpoints of a resumed stream do not agree on what was received',
  STREAM_REFUSED: 'The other endpoint takes no new streams',
  STREAM_MOVED: 'The stream continues on another link',
  STREAM_DETACHED: 'A link further on broke, and the stream is attached again',
  STREAM_LIMIT: 'Too many streams are open or detached',
  STREAM_CANCELLED: 'The endpoint no longer wants the stream',

  ORIGIN_REFUSED: 'The origin refuses the connection',
  ORIGIN_UNREACHABLE: 'The origin cannot be reached',
  ORIGIN_DNS: 'The name of the origin cannot be resolved',
  ORIGIN_TIMEOUT: 'The origin does not answer in time',
  ORIGIN_TLS: 'The TLS handshake with the origin fails',
  ORIGIN_RESET: 'The origin reset the connection',
  ORIGIN_BAD_RESPONSE: 'The origin answers with something that is not valid HTTP',
  ORIGIN_PROTOCOL:
    'The request needs HTTP/2, or its ingress rule says so, and the origin does not speak it',
  ORIGIN_FORBIDDEN: 'The ingress rules of the connector do not allow this address',
  ORIGIN_NO_RULE: 'The connector has no such ingress rule, or the hostname does not match it',
  ORIGIN_ACCESS:
    'The ingress rule wants somebody whom an application of the gateway let in, and nothing proves it',
  ORIGIN_DESTINATION:
    'The service has to be told a destination and none that is one was named, or it takes none',
  ORIGIN_SOCKS: 'What the user of a SOCKS service sends is not a SOCKS5 request to connect',

  ROUTE_NOT_FOUND: 'No route exists for the hostname',
  ROUTE_NO_REPLICA: 'No connector of the tunnel is connected',
  ROUTE_CONFLICT: 'The hostname is routed to another tunnel',
  ROUTE_NO_RULE: 'No ingress rule of the tunnel matches the request',

  ACCESS_DENIED: 'The application does not allow this request',
  ACCESS_SIGN_IN_FAILED: 'The user could not be signed in',
  ACCESS_PROVIDER_DOWN: 'The identity provider does not answer properly',
  ACCESS_TOO_MANY: 'Too many sign-ins from one address, or at the same time',
  ACCESS_SSH_KEY: 'The SSH public key is not one that can be certified',
  ACCESS_SSH_PRINCIPAL: 'No user name for an SSH certificate can be made of this identity',
  ACCESS_SSH_OFF: 'The application issues no SSH certificates',
  ACCESS_REVOKED: 'What was allowed when it began is no longer allowed',
  ACCESS_PURPOSE: 'The application wants to be told why it is used',
  ACCESS_SIGN_IN: 'The application wants its users to sign in first',

  ACCESS_SAML_MALFORMED:
    'A SAML message cannot be read, is too large or has a shape that is not accepted',
  ACCESS_SAML_SIGNATURE:
    'A SAML message is not signed by its identity provider, or not as it must be',
  ACCESS_SAML_ENCRYPTION: 'A SAML assertion cannot be decrypted',
  ACCESS_SAML_STATUS: 'The SAML identity provider answers that it signed nobody in',
  ACCESS_SAML_REFUSED: 'A SAML message is not for this gateway, this sign-in or this time',
  ACCESS_SAML_IDENTITY: 'A SAML assertion does not name somebody who can be signed in',

  HTTP_BAD_REQUEST: 'The HTTP request is malformed or ambiguous',
  HTTP_METHOD: 'The HTTP method is not supported',
  HTTP_UPGRADE: 'Only WebSocket upgrades are supported',
  HTTP_MISDIRECTED: 'The host of the request is not the host of the TLS connection',
  HTTP_TOO_MANY:
    'Too many requests or links are open, or too many were given up on one HTTP/2 connection',
  HTTP_TOO_LARGE: 'The head of the HTTP request is larger than the limit',
  HTTP_BODY_TOO_LARGE: 'The body of the HTTP request is larger than the limit',
  HTTP_ADDRESS_LIMIT: 'One address has too many requests under way',
  HTTP_CONNECTION_LIMIT:
    'One address has too many connections, or too many connections ask for nothing',
  HTTP_APPLICATION_LIMIT: 'One application has too many requests under way',
  HTTP_TIMEOUT: 'The HTTP request did not arrive in time',
  HTTP_ABORTED: 'The user went away before the response was complete',
  HTTP_INTERNAL: 'The gateway failed to handle the request',

  TCP_PROXY:
    'A connection that must come from a trusted proxy does not, or its PROXY header cannot be read',
  TCP_HELLO: 'A TCP connection does not begin with a TLS ClientHello that can be read',
  TCP_NAME: 'A TLS client asks for none of the names of the TCP listener',
  TCP_CERTIFICATE: 'A TLS client has no certificate that the TCP listener accepts',
  TCP_DENIED: 'The TCP listener does not take connections from this address',
  TCP_LIMIT: 'The TCP listener has as many connections as allowed, in all or from one address',
  TCP_IDLE: 'The TCP connection carried nothing for longer than the listener allows',

  STORE_OPEN: 'The database cannot be opened or migrated',
  STORE_EXISTS: 'Something with this name already exists',
  STORE_NOT_FOUND: 'Nothing with this name exists',
  STORE_LIMIT: 'As many of these are kept as allowed',
  STORE_BUSY: 'The database is busy',
  STORE_FAILED: 'The database cannot be read or written',

  RELOAD_BUSY: 'Another hand-over is under way, or too many old processes still drain',
  RELOAD_FAILED: 'The new worker did not get ready; the one before it goes on',
  RELOAD_ROLL_BACK: 'There is no worker to go back to',

  CLI_USAGE: 'The command line is not understood',
  CLI_GATEWAY_RUNNING: 'The gateway runs but its admin socket cannot be used',
  CLI_CREDENTIALS: 'The credentials of the user cannot be read or kept',
  CLI_NOT_READY: 'The connector is not ready',
  CLI_SERVICE: 'The service manager of the system cannot do what was asked',
  CLI_REGISTRY: 'The npm registry cannot be asked for the newest version',
  CLI_FAILED: 'The command could not be carried out',
  ADMIN_BAD_REQUEST: 'The admin request is malformed',
  ADMIN_BUSY: 'Too many watch tunnels at the same time',
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof ERROR_CODES;
