/**
 * What administrators can ask of the processes that a gateway consists of: the supervisor does it, where there is one.
 */
import type { HandOverSummary, WorkersSummary } from '../../admin/admin-api.ts';
import { PosternError } from '../../core/error.ts';
import type { SupervisorLink } from '../../supervisor/supervisor-link.ts';

export interface GatewayControl {
  /** Ends the gateway gently; resolves with how much was cut. */
  drain(): Promise<number>;
  reload(): Promise<HandOverSummary>;
  /** The same because its files have changed. Absent where nobody can. */
  readonly reloadChanged?: () => Promise<void>;
  rollBack(): Promise<HandOverSummary>;
  /** Undefined where there is but one process. */
  workers(): Promise<WorkersSummary | undefined>;
}

/** Passes everything on to the supervisor. It is of the same program, if not of the same version. */
export function supervisedControl(link: SupervisorLink): GatewayControl {
  return {
    drain: async () => ((await link.call('drain')) as { cut: number }).cut,
    reload: async () => (await link.call('reload')) as HandOverSummary,
    reloadChanged: async () => void (await link.call('reload', 'changed files')),
    rollBack: async () => (await link.call('roll-back')) as HandOverSummary,
    workers: async () => (await link.call('status')) as WorkersSummary,
  };
}

/** For a gateway in one process, which only can end. */
export function loneControl(drain: () => Promise<number>): GatewayControl {
  return { drain, reload: refuse, rollBack: refuse, workers: async () => undefined };
}

async function refuse(): Promise<never> {
  const message = 'Cannot reload the gateway: it runs in one process; "gateway run" has two';
  throw new PosternError('CLI_FAILED', message);
}
