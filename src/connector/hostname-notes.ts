/** Tells whoever runs a connector which hostnames of its rules reach nobody: once, and again when that has changed. */
import type { HostnameState } from '../protocol/message/control-message.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';

export class HostnameNotes {
  readonly #log: Log;
  readonly #tunnelName: string;
  #shown = '';

  constructor(log: Log, tunnelName: string) {
    this.#log = log;
    this.#tunnelName = tunnelName;
  }

  /** What a gateway makes of the hostnames. Every link brings the same, and every change of routes another. */
  show(hostnames: Readonly<Record<string, HostnameState>>): void {
    const shown = JSON.stringify(hostnames);
    if (shown === this.#shown) return;
    this.#shown = shown;
    for (const [name, state] of Object.entries(hostnames)) {
      if (state === 'unrouted') {
        const remedy = `postern tunnel route add ${this.#tunnelName} ${name}`;
        this.#log.warn(
          { [FIELD.hostname]: name },
          `no route leads to this hostname; on the gateway: ${remedy}`,
        );
      }
      if (state === 'refused') {
        this.#log.error(
          { [FIELD.hostname]: name },
          'the gateway refuses this hostname: another tunnel has it',
        );
      }
    }
  }
}
