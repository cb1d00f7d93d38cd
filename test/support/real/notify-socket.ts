/**
 * The socket that systemd gives a service for its notices, with a real datagram socket behind it.
 *
 * Node has none, so a few lines of Perl, which every Debian has, receive and pass each notice on as one line of hex.
 */
import { join } from 'node:path';

import { startProcess } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { toolPath } from '../tools.ts';

export interface NotifySocket {
  /** For NOTIFY_SOCKET. */
  readonly path: string;
  /** The notices so far, each as its lines. The barrier that `systemd-notify` sends after each is left out. */
  readonly notices: () => string[][];
}

const RECEIVER = `
$| = 1;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($socket, pack_sockaddr_un($ARGV[0])) or die $!;
print "bound\\n";
while (defined(recv($socket, my $notice, 65536, 0))) { print unpack("H*", $notice), "\\n" }
`;

/** Starts the receiver. The clean-up stops it. */
export async function startNotifySocket(): Promise<NotifySocket> {
  const path = join(tempDir('notify'), 'notify.sock');
  const receiver = startProcess(toolPath('perl'), ['-MSocket', '-e', RECEIVER, path], {
    name: 'notify-socket',
  });
  await receiver.waitForLine(/^bound$/);
  return {
    path,
    notices: () =>
      receiver.stdout
        .split('\n')
        .filter((line) => /^[0-9a-f]+$/.test(line))
        .map((line) => Buffer.from(line, 'hex').toString().trimEnd().split('\n'))
        .filter(([first]) => first !== 'BARRIER=1'),
  };
}
