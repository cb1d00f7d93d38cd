/**
 * Who can be measured. A peer is an object of this shape:
 *
 *   name          what --peers and the JSON call it
 *   title         what the tables call it
 *   carries       some of 'tcp', 'http' and 'http2'
 *   isTunnel      true when it has a link of its own, on which a path can be put (the long-path scenario)
 *   onlyIn        names of the scenarios it takes part in; left out, all it can carry
 *   isLeftOut     true when only --peers can ask for it
 *   unavailable() resolves with why it cannot run here, or undefined. Left out: it always can
 *   start(lab, request) starts it and resolves with what is running
 *
 * `request`: { tcp: { <name>: <port of an origin> }, http: <port of an origin>, via: async (port) => <port that leads there>, links }.
 * Every part may be missing. `via` puts a path on the peer's link; `links` is how many links it may use, where it has a choice.
 *
 * What is running: { ports: { <name>: <port to connect to> }, http: { url }, roles: { <role>: <process id> } }.
 * `roles` are the peer's own processes, whose CPU and memory count.
 */
import { chisel } from './chisel.js';
import { direct } from './direct.js';
import { haproxy } from './haproxy.js';
import { nginx, nginxHttp2, nginxHttp2Kept, nginxKept, nginxTls } from './nginx.js';
import { nodeProxy } from './node-proxy.js';
import { postern, posternClient } from './postern.js';
import { ssh, sshAes } from './ssh.js';

/** Every peer, in the order of the tables. */
export const PEERS = [
  direct,
  nodeProxy,
  haproxy,
  nginx,
  nginxKept,
  nginxTls,
  nginxHttp2,
  nginxHttp2Kept,
  ssh,
  sshAes,
  chisel,
  postern,
  posternClient,
];
