/**
 * Every limit of the wire and of memory, with its unit, its reason and the test that trips it.
 *
 * docs/protocol.md §9 repeats the ones a peer can notice; `test/arch/docs-parity.test.ts` compares them.
 * A limit that an operator may want to change is a default in `config/` instead.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

export const LIMITS = {
  /** Largest payload of one DATA frame, bytes. One frame is the most a keystroke waits behind. test/unit/protocol/frame.test.ts */
  dataBytes: 64 * KiB,
  /** Largest frame of any type, bytes: a DATA frame with its header. test/fuzz/frame.test.ts */
  frameBytes: 64 * KiB + 13,
  /** Largest control message, OPEN or ACCEPT, bytes of JSON. `register` carries every ingress rule. test/unit/protocol/message/control-message.test.ts */
  controlBytes: 60 * KiB,
  /** Longest reason in a RESET, bytes of UTF-8; longer ones are cut by the sender. test/unit/protocol/frame.test.ts */
  reasonBytes: 1 * KiB,

  /** Streams open on one link. A link with more is broken or hostile. test/unit/protocol/link-abuse.test.ts M6 */
  streamsPerLink: 10_000,
  /** OPEN frames a peer may send on one link per second, after a burst of `streamsPerLink`; we send half as many. M7 */
  opensPerSecond: 5_000,
  /** PING and control frames a peer may send on one link per second. M10 */
  controlFramesPerSecond: 500,

  /** Bytes an initiator may send before ACCEPT. Enough for an HTTP request head; small, because nobody granted it. M2 */
  earlyDataBytes: 16 * KiB,
  /** What an endpoint grants a stream at first, bytes. */
  initialWindowBytes: 256 * KiB,
  /** The least an endpoint grants when its budget is used up, bytes: slow, never stuck. */
  minWindowBytes: 16 * KiB,
  /** The most one stream's window grows to, bytes: 16 MiB is 1 Gbit/s at 134 ms. */
  maxWindowBytes: 16 * MiB,
  /** Unacknowledged bytes one link's streams may hold between them, bytes. */
  linkUnackedBytes: 64 * MiB,
  /** Unacknowledged bytes all streams of the process may hold, bytes. */
  processUnackedBytes: 256 * MiB,
  /** Windows all streams of the process may have granted above the least, bytes. M8 */
  processWindowBytes: 256 * MiB,
  /** Bytes waiting in one socket before the scheduler stops handing out frames. */
  socketQueueBytes: 256 * KiB,

  /** Detached streams one process keeps. test/unit/protocol/stream-accepter.test.ts */
  detachedStreams: 20_000,
  /** How long a detached stream is kept, ms, where nobody says otherwise. */
  detachedMs: 60_000,
  /** How long the end of a finished stream is remembered for a peer that comes back, ms. */
  tombstoneMs: 60_000,
  /** Remembered ends of finished streams, per process. */
  tombstones: 20_000,

  /** A link that received nothing for this long sends PING, ms. */
  pingIdleMs: 5_000,
  /** A link that received nothing for this long is dead, ms. */
  deadPeerMs: 15_000,
  /** How long `hello` and `register` may take on a new link, ms. */
  handshakeMs: 10_000,
  /** TCP, TLS and WebSocket upgrade together, ms. */
  dialMs: 15_000,
  /**
   * TCP alone, ms: where the packets vanish. The kernel would send three of them in this time, and then wait for longer than
   * somebody whose network is back. test/unit/transport/dial/dial-channel.test.ts
   */
  connectMs: 5_000,
  /** How long a link that is in doubt may take to answer before it is dropped, ms. test/unit/transport/dial/link-keeper.test.ts */
  doubtMs: 2_000,
  /** How long nothing may come back to a client that sent something before its link is in doubt, ms. test/unit/transport/watch/silence-watch.test.ts */
  silenceMs: 3_000,
  /** How long the closing handshake of a WebSocket may take, ms. test/unit/transport/ws-frame-channel.test.ts */
  closeMs: 2_000,
  /** Pieces of one unfinished frame kept apart in memory: 16 bytes each on average. ws-frame-channel.test.ts */
  framePieces: 4_096,
  /** WebSocket fragments of one message. We send one; something on the way may split it. ws-frame-channel.test.ts */
  frameFragments: 128,
  /** Names of gateways and proxies being resolved at once: a resolver that hangs is asked no more. dial-channel.test.ts */
  pendingLookups: 1_024,

  /** Links that have not registered yet, per gateway. A link costs memory before we know whose it is. */
  unregisteredLinks: 256,
  /** Links of clients, per gateway: one for each running `postern access`. test/unit/gateway/links/link-door-clients.test.ts */
  clientLinks: 10_000,
  /** Bytes that relayed streams may have waiting in this process; the stream that asks for more attaches again. test/unit/protocol/relay.test.ts */
  relayBytes: 256 * MiB,
  /** Of these, what one user's streams may have: it takes four to fill them. test/unit/gateway/relay/owner-shares.test.ts */
  relayBytesPerOwner: 64 * MiB,
  /** Streams of one user that are relayed at once, and that are watched while they are detached. owner-shares.test.ts */
  streamsPerOwner: 5_000,
  /** OPENs of one user per second, after a first `streamsPerOwner`. owner-shares.test.ts */
  opensPerOwner: 1_000,
  /** Users whose OPENs are counted, some 300 bytes each: more than `clientLinks`. owner-shares.test.ts */
  relayOwners: 20_000,
  /** Streams of clients that this process relays at once. test/unit/gateway/relay/client-streams.test.ts */
  relayedStreams: 50_000,
  /** Keys in one `end` message, which must fit a control message. test/unit/protocol/message/control-message.test.ts */
  endedKeys: 500,
  /** Keys that a connector which is away has yet to be told; the oldest go. test/unit/gateway/relay/ended-streams.test.ts */
  endedKeysOwed: 20_000,
  /** How long the endpoints keep a detached stream of a client, ms, where nobody says otherwise. */
  clientDetachedMs: 5 * 60_000,
  /** Links that a gateway which drains sends elsewhere in a second: each costs its successor a TLS handshake. test/unit/gateway/drain.test.ts */
  handshakesPerSecond: 500,
  /** How long after its start a gateway expects connectors that have not come yet, ms. test/unit/gateway/routing/arrivals.test.ts */
  arrivalMs: 5_000,
  /** The same after the last one that came, ms, and at most after the start, ms. arrivals.test.ts */
  arrivalGapMs: 2_000,
  arrivalMostMs: 30_000,
  /** Requests, connections and streams that wait for them, per gateway; more are refused as ever. arrivals.test.ts */
  arrivalsAwaited: 10_000,
  /** How long a connector whose links all broke is expected back, ms; what waits for it meanwhile, per tunnel; and tunnels of such connectors. arrivals.test.ts */
  returnMs: 5_000,
  returnsAwaited: 1_000,
  returningTunnels: 10_000,
  /** How long a request that may be made twice waits for its connector, ms, before another replica gets it. test/unit/gateway/routing/stranded-requests.test.ts */
  strandedMs: 1_000,
  /** Processes of gateways that a connector holds links for after they asked it to leave. test/unit/connector/drained-links.test.ts */
  drainingGateways: 16,
  /** Bytes of lines that wait for somebody who watches a tunnel; further lines are lost to them. test/unit/admin/admin-feed.test.ts */
  tailBytes: 256 * KiB,
  /** Who may watch tunnels at one time. test/unit/gateway/request-tail.test.ts */
  tailReaders: 16,
  /** Spans that wait to be sent, some 1 KiB each; further ones are dropped. test/unit/telemetry/tracing/span-exporter.test.ts */
  queuedSpans: 4_096,
  /** Spans in one request to a collector. span-exporter.test.ts */
  spansPerRequest: 512,
  /** Replicas of one tunnel. */
  replicasPerTunnel: 100,
  /** Links of one replica. */
  linksPerReplica: 16,
  /** Words in `heeds` of a stream: there is one for each part of a rule's `http`. test/unit/protocol/message/stream-request.test.ts */
  heededWords: 16,
  /** Longest replacement of a path in a rule, characters, and longest path that comes out of one. test/unit/config/connector/path-rewrite.test.ts */
  rewriteChars: 500,
  rewrittenPathChars: 16 * KiB,
  /** Header fields that a rule changes in one direction, and the longest value of one, characters. test/unit/config/connector/field-changes.test.ts */
  changedFields: 32,
  setFieldChars: 1_024,
  /** Ingress rules a connector may announce. */
  announcedRules: 500,

  /** Origin dials under way in one connector: sockets without an answer yet. test/unit/connector/origin/dial-gate.test.ts */
  originDials: 1_024,
  /** Of these, dials of one rule, so that a dead origin leaves places to the others. dial-gate.test.ts */
  originDialsPerRule: 128,
  /** Dials of one rule that wait for a place: a whole link's streams may be opened at once. dial-gate.test.ts */
  originDialsWaitingPerRule: 10_000,
  /** The most that `connectTimeout` or `tlsTimeout` may hold a place, ms; also where 0 switches them off. origin-dialer.test.ts */
  originDialMs: 120_000,
  /** Addresses of one DNS answer that are looked at. test/unit/connector/origin/origin-resolver.test.ts */
  originAddresses: 16,
  /** Names that users chose being resolved at once: a lookup cannot be called off. test/unit/connector/origin/origin-resolver.test.ts */
  originLookups: 64,
  /** Entries of one `ipRules`, and ports of one entry. test/golden/config/connector/ip-rules-many.txt, ip-rules-ports.txt */
  ipRules: 256,
  ipRulePorts: 256,
  /** How long a user may take to ask a SOCKS service, ms, and to go once it was refused, ms. test/unit/connector/socks/socks-exchange.test.ts */
  socksRequestMs: 30_000,
  socksRefusedMs: 2_000,
  /** Files of certificate authorities kept in memory, about 1.2 MiB each. test/unit/connector/origin/trust-store.test.ts */
  originCaFiles: 16,
  /** How long a connection to a built-in service may stay silent, ms: longer than a gateway keeps one idle. builtin.test.ts */
  builtinIdleMs: 120_000,

  /** The most that `http.max-header-size` may be, bytes: a head is in memory as often as there are connections. test/golden/config/gateway/http-header-size.txt */
  headerBytes: 256 * KiB,
  /** The most that `http.http2-streams` may be; browsers want a hundred. test/golden/config/gateway/http-streams.txt */
  http2Streams: 1_000,
  /** The most that the limits of one address under `http:` may be, and those of one application. test/golden/config/gateway/http-per-address.txt, application-max-requests.txt */
  placesPerAddress: 1_000_000,
  placesPerApplication: 1_000_000,
  /** Connections to the HTTP listeners that have not asked for anything yet, some 30 KiB each with TLS; the oldest makes room. test/unit/gateway/front/front-door.test.ts */
  httpOpening: 8_192,
  /** Connections that an address at its limit may have more, if they become links, and within how long, ms. front-door.test.ts */
  linkReserve: 32,
  linkTrialMs: 10_000,
  /** Lines about refused connections in a time, ms, and kinds of refusals that are told apart in it; of the others there is one line. test/unit/telemetry/refusal-log.test.ts */
  refusalsTold: 20,
  refusalKinds: 100,
  refusalMs: 60_000,
  /** How often users are looked at who bring nothing or take nothing, ms. test/unit/gateway/http/limits/stalls.test.ts */
  stallLookMs: 1_000,
  /** Fields of an HTTP/2 request. http2/hostile.test.ts */
  http2HeaderFields: 1_024,
  /** What a user may send of one HTTP/2 request ahead of its origin, bytes: with `http2Streams`, what a connection can make us hold. http2/bulk.test.ts */
  http2WindowBytes: 512 * KiB,
  /** Memory of one HTTP/2 connection beside the windows, MB: with more than that no request is taken. http2/bulk.test.ts */
  http2SessionMb: 16,
  /** Requests that a user may give up on one HTTP/2 connection, at once and then per second; Node itself ends it at 1,000 and 33. http2/hostile.test.ts P33 */
  http2Resets: 500,
  http2ResetsPerSecond: 30,
  /** PING and SETTINGS frames a user may send on one HTTP/2 connection, at once and then per second. http2/hostile.test.ts P34 */
  http2ControlFrames: 200,
  http2ControlFramesPerSecond: 20,
  /** How often an HTTP/2 connection with requests is asked for a sign of life, ms, and how often in vain. http2/hostile.test.ts P34 */
  http2WatchMs: 20_000,
  http2SilentRounds: 2,
  /** How long an ended HTTP/2 connection may take to close, ms, once its last bytes have left. http2/hostile.test.ts P31 */
  http2LingerMs: 5_000,
  /** How long a drain waits for an answer after which an HTTP/2 connection has no request, ms: with that one it ends best. http2/drain.test.ts */
  http2MomentMs: 2_000,
  /** How long an HTTP/2 connection stays open for a user to read that they should use another, ms, and how long once they have. http2/drain.test.ts */
  http2GoawayMs: 10_000,
  http2GoneMs: 1_000,

  /** Largest request that is gathered whole for an origin that wants its length before it, bytes, and all at once. test/unit/gateway/http/body/whole-body.test.ts */
  wholeBodyBytes: 16 * MiB,
  wholeBodiesBytes: 128 * MiB,
  /** Largest head of a response of an origin, bytes. Users may send half of that; origins set more cookies. test/unit/gateway/http/origin/http2-origin.test.ts */
  originHeadBytes: 64 * KiB,
  /** Requests on one HTTP/2 connection to an origin, where it takes that many or does not say. http2-origin.test.ts */
  originHttp2Streams: 100,
  /** What an origin may send of one HTTP/2 response ahead of its user, bytes, and of all on a connection at once. http2-origin.test.ts */
  originHttp2WindowBytes: 512 * KiB,
  originHttp2ConnectionBytes: 8 * MiB,
  /** Memory of one HTTP/2 connection to an origin beside the windows, MB. */
  originHttp2SessionMb: 32,
  /** How long an origin may take to begin to speak HTTP/2, ms. http2-agreement.test.ts */
  originHttp2SettingsMs: 10_000,
  /** Requests that may be given up on one HTTP/2 connection to an origin; then others are used. Node's servers end one at 1,000. http2-origin.test.ts */
  originHttp2GivenUp: 200,
  /** Requests of one ingress rule that wait for a place on an HTTP/2 connection. test/unit/gateway/http/origin/http2-places.test.ts */
  originPlacesAwaited: 10_000,
  /** What is kept of the beginning of such a request, bytes, until it is answered: a usual call of gRPC. http2-origin.test.ts */
  originKeptBytes: 16 * KiB,
  /** How often a request is sent again that no origin has looked at. http2-origin.test.ts */
  originSendsAgain: 2,

  /** How long an origin may take to say whether it wants the body of a request with Expect, ms; then it gets it. http/expect.test.ts */
  continueMs: 1_000,

  /** Access groups of a configuration; each may refer to others. test/unit/config/access/access-references.test.ts */
  accessGroups: 200,

  /** Longest name of a tunnel, characters. It is a metric label and a log field. test/unit/core/tunnel-name.test.ts */
  tunnelNameChars: 64,
  /** Longest hostname of a route, characters: what DNS can carry. test/unit/core/route-hostname.test.ts */
  hostnameChars: 253,
  /** How long a read or write waits for a lock that another process has on the database, ms. test/unit/store/busy.test.ts */
  storeBusyMs: 5_000,
  /** Longest line with an SSH public key, characters: RSA of 16,384 bits is 2,800. test/unit/access/ssh/ssh-public-key.test.ts */
  sshPublicKeyChars: 3_000,
  /** User names in one SSH certificate. test/unit/access/ssh/principals.test.ts */
  sshPrincipals: 16,

  /** Audit events kept; the oldest go. About 50 MB. test/unit/store/audit-store.test.ts */
  auditEvents: 100_000,
  /** Audit events that the connectors of one tunnel may cause in an hour. test/unit/gateway/links/connector-audit.test.ts */
  connectorAuditPerHour: 1_000,
  /** Audit events appended between two looks at `auditEvents`. test/unit/store/audit-store.test.ts */
  auditPruneEvery: 1_000,
  /** Audit events that may wait to be written, per process; a disk that slow is told to the caller. test/unit/store/audit-store.test.ts */
  auditPending: 10_000,
  /** Audit events one list returns. test/unit/store/audit-store.test.ts */
  auditListed: 1_000,
  /** Longest text in an audit event, characters. test/unit/telemetry/audit-event.test.ts */
  auditTextChars: 500,
  /** Details of one audit event. test/unit/telemetry/audit-event.test.ts */
  auditDetails: 32,

  /** Characters kept of a name in an assertion. test/unit/access/saml/assertion-identity.test.ts */
  samlNameChars: 200,
  /** Body of a SAML form, bytes: an assertion of 1,000 groups is half of it. test/unit/access/saml/attacks-message.test.ts S32 */
  samlBodyBytes: 256 * KiB,
  /** Unpacked message of the redirect binding, bytes: only logout comes that way. test/unit/access/saml/attacks-logout.test.ts S34 */
  samlInflatedBytes: 64 * KiB,
  /** Elements of a SAML message or file, their depth, and attributes of one. test/unit/access/saml/xml-tree.test.ts */
  samlXmlElements: 2_048,
  samlXmlDepth: 48,
  samlXmlAttributes: 64,
  /** How old a SAML message may be that answers nothing of ours, ms. test/unit/access/saml/attacks-replay.test.ts S30 */
  samlUnsolicitedMs: 5 * 60_000,
  /** How long an assertion may be valid, ms: so long it is remembered. test/unit/access/saml/check-assertion.test.ts */
  samlAssertionMs: 24 * 3_600_000,

  /** How long a sign-in may take from its first page to the provider's answer, ms. test/unit/access/sign-in/login-transactions.test.ts */
  loginMs: 10 * 60_000,
  /** Login cookies in one browser, about 100 bytes each: as many tabs may be opened at one moment. test/unit/access/sign-in/login-cookies.test.ts */
  loginCookies: 24,
  /** Longest path to return to after signing in, characters; longer ones lead to `/`. test/unit/access/sign-in/return-path.test.ts */
  returnPathChars: 4_096,
  /** Longest ticket, characters: a path in base64url with its signature. test/unit/access/sign-in/tickets.test.ts */
  ticketChars: 6_000,
  /** Sign-ins and failures of one address at once, then per second. test/unit/access/sign-in/address-limit.test.ts */
  signInBurst: 60,
  signInPerSecond: 1,
  /** Addresses whose sign-ins are counted, some 200 bytes each. address-limit.test.ts */
  signInAddresses: 10_000,
  /** Tabs that sign the same person in within this time keep each other's sessions, ms. test/unit/access/sign-in/sign-in.test.ts */
  sameSignInMs: 2 * 60_000,
  /** Characters kept of what a browser calls itself. sign-in.test.ts */
  agentChars: 200,
  /** Longest field of a sign-in form that is read, characters. test/unit/access/local/local-flow.test.ts */
  formFieldChars: 1_000,
  /** Shortest password of a local user, characters. test/unit/access/local/user-accounts.test.ts */
  passwordMinChars: 8,
  /** Passwords being checked at once, some 32 MiB and a thread each, and those that wait. test/unit/access/local/password-hash.test.ts */
  passwordChecks: 2,
  passwordChecksWaiting: 32,
  /** Failures of an address at one local user, and at any, within this time, ms, that ban it for that long, ms. test/unit/access/local/password-ban.test.ts */
  passwordFailures: 3,
  passwordFailuresOfAddress: 12,
  passwordFailureMs: 2 * 60_000,
  passwordBanMs: 5 * 60_000,
  /** Requests to one identity provider that are open at once, how long one may take, ms, and its largest answer, bytes. test/unit/access/oidc/provider-fetch.test.ts */
  providerRequests: 64,
  providerRequestMs: 10_000,
  providerResponseBytes: 512 * KiB,
  /** Longest query of an answer from an OpenID provider, and longest logout token, characters. test/unit/access/oidc/oidc-callback.test.ts */
  callbackChars: 8_192,
  logoutTokenChars: 16_384,
  /** Refreshes of claims under way, per process; the others wait for the next use of their session. test/unit/access/sign-in/claim-refresh.test.ts */
  claimRefreshes: 16,
  /** Sessions whose failed refresh is remembered. claim-refresh.test.ts */
  claimRefreshesFailed: 1_000,
  /** Largest identity, bytes of JSON: it is kept with each session and goes to origins. test/unit/access/oidc/oidc-identity.test.ts */
  identityBytes: 16 * KiB,
  /** Names and addresses whose failures are remembered. password-ban.test.ts */
  passwordFailuresKept: 20_000,
  /** Sessions in the store, ended ones of the last day included: 2 KiB each. test/unit/store/session-store.test.ts */
  sessions: 100_000,
  /** Service tokens; every process holds all of them. test/unit/store/service-token-store.test.ts */
  serviceTokens: 10_000,
  /** Local users: they are for trials and emergencies. test/unit/store/user-store.test.ts */
  users: 10_000,
  /** Single-use values of one kind that are alive: logins under way, codes, replay marks. test/unit/store/once-store.test.ts */
  onceItems: 20_000,
  /** Changes that are kept for other processes to see; they look every quarter of a second. test/unit/store/change-store.test.ts */
  changes: 10_000,

  /** How long the code lives that a browser brings to a command on its own machine, ms. test/unit/access/client-sign-in/loopback-flow.test.ts */
  clientCodeMs: 60_000,
  /** How long somebody has to type the code of a command on another machine, ms. test/unit/access/client-sign-in/device-flow.test.ts */
  deviceCodeMs: 10 * 60_000,
  /** How often such a command may ask whether it is signed in, ms; each time it asks too soon adds as much. device-flow.test.ts */
  devicePollMs: 5_000,
  /** Such commands whose last question is remembered, 100 bytes each. device-flow.test.ts */
  devicePolls: 10_000,
  /** How long a token lives that a command gets for one application, ms: commands are short, and can ask again. client-gate.test.ts */
  clientAppTokenMs: 60 * 60_000,
  /** Browser sessions whose client sessions are kept in step with them, 200 bytes each. test/unit/access/client-sign-in/followed-sessions.test.ts */
  followedSessions: 20_000,
  /** Longest name of a device or a command that wants to sign in, characters. loopback-flow.test.ts */
  clientTextChars: 100,
  /** Largest body of a request of the client, bytes of JSON. client-access.test.ts */
  clientBodyBytes: 4 * KiB,
  /** How often a process looks at what others changed, ms: a quarter of the second that a revocation may take. test/unit/access/change-watch.test.ts */
  changePollMs: 250,
  /** Sessions in the memory of a process, some 2 KiB each; others are read again. test/unit/access/sessions/sessions.test.ts */
  sessionsCached: 20_000,
  /** Longest life of an app token, ms: how long a replaced signing key stays published. test/unit/access/tokens/app-tokens.test.ts */
  appTokenMs: 86_400_000,
  /** Longest app token that is looked at, characters: what a cookie holds. app-tokens.test.ts */
  appTokenChars: 4_096,
  /** Applications that an ingress rule may require. test/golden/config/connector/origin-access-many.txt */
  requiredApplications: 64,
  /** How long what a connector is told about a stream is good, ms. test/unit/access/tokens/stream-assertions.test.ts */
  streamAssertionMs: 60_000,
  /** How far the clocks of gateway and connector may differ, ms. test/unit/connector/ingress/stream-access.test.ts */
  clockSkewMs: 60_000,
  /** Longest statement about a stream, characters: it travels in OPEN. test/unit/protocol/message/stream-request.test.ts */
  streamAssertionChars: 2 * KiB,
  /** Public keys that a gateway may tell a connector at once: one signs, one is next, those of the last day are checked. test/unit/protocol/message/gateway-key.test.ts */
  gatewayKeys: 16,
  /** Hostnames whose applications need not be looked for again. test/unit/access/gate.test.ts */
  hostnamesKnown: 1_000,
  /** App tokens whose signature need not be checked again, some 300 bytes each. app-tokens.test.ts */
  appTokensCached: 20_000,
  /** How long what an origin is told about a user is good, ms. app-tokens.test.ts */
  assertionMs: 5 * 60_000,
  /** How long the code is good that takes a browser from the auth host to an application, ms. test/integration/access-http.test.ts */
  appCodeMs: 60_000,
  /** Longest reason for access that is kept, characters: it travels in the app token */
  purposeChars: 200,
  /** What origins are told about users, kept to be told again: some 2 KiB each. test/unit/gateway/access/identity-headers.test.ts */
  assertionsCached: 20_000,
  /** Longest list of groups in a header to an origin, bytes; the JWT has all of them. identity-headers.test.ts */
  groupsHeaderBytes: 4 * KiB,
  /** Largest body of a request to the gateway itself, bytes: a SAML response with many groups. test/integration/access-http.test.ts */
  signInBodyBytes: 256 * KiB,
  /** How long such a body may take, ms */
  signInBodyMs: 15_000,
  /** Such bodies being read at once: 64 MiB */
  signInBodies: 256,
  /** Denials of one address at one application in the audit log per minute: the first, then their number. test/unit/gateway/access/denial-audit.test.ts */
  denialsKept: 10_000,
  /** How often signing keys are looked after, ms. test/unit/access/tokens/signing-keys.test.ts */
  keyTendMs: 3_600_000,
  /** The least time between two looks for an unknown signing key, ms. signing-keys.test.ts */
  keyLookMs: 1_000,

  /** Workers of a gateway that drain at one time: each has a process. test/unit/supervisor/supervisor.test.ts */
  drainingWorkers: 16,
  /** How long a worker may take to get ready, ms, before it is killed and the old one goes on. supervisor.test.ts */
  workerReadyMs: 30_000,
  /** How often a worker says that its event loop turns, ms, and how long it may be silent. test/unit/supervisor/beat-watch.test.ts */
  workerBeatMs: 2_000,
  workerHungMs: 10_000,
  /** How long a worker takes to let go of everything once its work is over, ms. supervisor.test.ts */
  workerEndMs: 10_000,
  /** The longest wait before a worker that keeps dying is started again, ms; the waits begin anew with one that lived this long, ms. supervisor.test.ts */
  workerRestartMs: 5_000,
  workerSteadyMs: 10_000,
  /** How long a worker may take to say what it does, ms. supervisor.test.ts */
  workerStatusMs: 2_000,
  /** How long a port may be taken by the gateway that was killed before, ms. test/unit/supervisor/held-sockets.test.ts */
  rebindMs: 1_000,

  /** The least time between two hand-overs that changed files make, ms, and before the first one of a process. test/unit/cli/paced-hand-over.test.ts */
  handOverPauseMs: 3_000,

  /** How long systemd may take to read a notice, ms, before it is given up. test/unit/supervisor/sd-notify.test.ts */
  noticeMs: 5_000,
  /** Notices to systemd that wait for their turn; more are dropped. sd-notify.test.ts */
  noticesWaiting: 16,

  /** How long a connector's successor may take until its first link is registered, ms. test/unit/cli/connector/hand-over/successor.test.ts */
  handOverMs: 30_000,
  /** How long its other links may take then, ms: one of its gateways may be down. test/unit/connector/replica.test.ts */
  handOverLinksMs: 5_000,
  /** How long connector and successor wait for each other's answers, ms. successor.test.ts */
  handOverAnswerMs: 5_000,
  /** Earlier processes of a connector that may still drain; with more it is not reloaded. test/unit/cli/connector/hand-over/succession.test.ts */
  drainingConnectors: 16,
  /** Runs of connectors that one user's runtime folder is searched for. test/unit/cli/connector/hand-over/run-record.test.ts */
  connectorRuns: 256,
  /** How long the files of a dead run are kept for one that comes after it, ms: the longest that a stream waits. run-record.test.ts */
  runRecordMs: 86_400_000,
  /** Dead runs that a connector may name when it registers. run-record.test.ts, register-message.test.ts */
  replacedRuns: 16,
  /** Dead runs of a tunnel that a gateway remembers, and tunnels with any, for clients that come back: 40 bytes each. test/unit/gateway/links/dead-runs.test.ts */
  deadRuns: 64,
  deadRunTunnels: 10_000,
  /** Longest line on the control socket of a connector, characters, how long it may take, ms, and how many may talk at once. test/unit/cli/connector/hand-over/control-server.test.ts */
  controlLineChars: 4 * KiB,
  controlRequestMs: 5_000,
  controlConnections: 32,

  /** Plain TCP ports of a gateway, each a listening socket of supervisor and workers. test/golden/config/gateway/tcp-ports-many.txt */
  tcpPorts: 1_000,
  /** Hostnames of one TCP listener. test/golden/config/gateway/tcp-hostnames-many.txt */
  tcpHostnames: 100,
  /** Connections of one TCP listener whose destination is not known yet: header, ClientHello or handshake are to come. test/unit/gateway/tcp/tcp-port.test.ts */
  tcpOpening: 2_000,
  /** The longest ClientHello, bytes with its record heads, and how long it may take, ms: those of today have 2 KiB. test/unit/gateway/tcp/client-hello.test.ts */
  clientHelloBytes: 16 * KiB,
  clientHelloMs: 5_000,
  /** Networks in one list of a configuration; each connection is compared with all of them. test/golden/config/gateway/tcp-allow-many.txt */
  networksListed: 1_000,
  /** Longest PROXY header, bytes, with extensions such as a name that TLS had, and how long it may take, ms. test/unit/gateway/front/proxy-header.test.ts */
  proxyHeaderBytes: 4 * KiB,
  proxyHeaderMs: 5_000,
  /** Addresses of X-Forwarded-For that are followed, our peer's included. test/unit/gateway/front/trusted-proxies.test.ts */
  forwardedHops: 16,
  /** Ports that one service of a connector may have. test/golden/config/connector/service-range-long.txt */
  servicePorts: 1_000,
} as const;
