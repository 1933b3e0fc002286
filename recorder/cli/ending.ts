/** How a run ends: one line for a person, a record for scripts, and an exit code. */
import type { HostEnd } from '../host/live-host.ts';
import { EXIT, type ExitCode } from './errors.ts';

export interface Ending {
  /** As it stands in a trace. */
  readonly reason: 'system-off' | 'system-reset' | 'limit' | 'stuck' | 'interrupted' | 'error';
  readonly detail: string;
  readonly exitCode: ExitCode;
}

export function endingOf(end: HostEnd): Ending {
  switch (end.reason) {
    case 'power-off':
      return { reason: 'system-off', detail: 'the guest powered off', exitCode: EXIT.ok };
    case 'reset':
      return {
        reason: 'system-reset',
        detail: 'the guest asked for a reset (-no-reboot)',
        exitCode: EXIT.ok,
      };
    case 'limit':
      return { reason: 'limit', detail: 'the limit was reached', exitCode: EXIT.ok };
    case 'quit':
    case 'asked':
      return { reason: 'interrupted', detail: 'ended from the console', exitCode: EXIT.ok };
    case 'signal':
      return { reason: 'interrupted', detail: `ended by ${end.signal}`, exitCode: EXIT.interrupted };
    case 'idle':
      return {
        reason: 'stuck',
        detail:
          'the machine can never wake again: every CPU sleeps, no timer is armed and no input will come',
        exitCode: EXIT.failure,
      };
    case 'error':
      return { reason: 'error', detail: end.message, exitCode: EXIT.failure };
  }
}
