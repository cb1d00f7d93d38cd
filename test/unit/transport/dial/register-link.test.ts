/** Registering where nobody answers; what gateways answer is tested with a real one. */
import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import type { AdmittedMessage } from '../../../../src/protocol/message/control-message.ts';
import { NOBODY } from '../../../../src/protocol/slot.ts';
import { registerLink, type RegisteredLink } from '../../../../src/transport/dial/register-link.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { memoryChannels } from '../../../support/memory-channel.ts';

function register(signal?: AbortSignal): {
  readonly clock: FakeClock;
  readonly registered: Promise<RegisteredLink<AdmittedMessage>>;
} {
  const clock = new FakeClock();
  const [channel] = memoryChannels();
  const registered = registerLink<AdmittedMessage>({
    channel,
    clock,
    process: 'p',
    register: { type: 'register', role: 'client' },
    answer: 'admitted',
    events: { onOpen: () => NOBODY, onControl: () => undefined, onClose: () => undefined },
    ...(signal && { signal }),
  });
  registered.catch(() => undefined);
  return { clock, registered };
}

it('gives up after the time that it has', async () => {
  const { clock, registered } = register();
  clock.run(LIMITS.handshakeMs);
  await expect(registered).rejects.toMatchObject({ code: 'REGISTER_TIMEOUT' });
});

it('gives up when it is told to, and leaves nothing behind', async () => {
  const stop = new AbortController();
  const { clock, registered } = register(stop.signal);
  stop.abort();
  await expect(registered).rejects.toMatchObject({ code: 'LINK_CLOSED' });
  expect(clock.pending).toBe(0);
});
