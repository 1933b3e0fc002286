import type { Backend } from './uops.ts';

/** The list of all micro-operations, which uops.ts, uops-extensions.ts and uops-simd.ts fill. */

export type UopKind =
  /** Falls through to the next micro-op. */
  | 'plain'
  /** Pushes an i32 condition; goes to block start + low half of imm if true, else + high half (both signed). */
  | 'branch-if'
  /** Goes to block start + low half of imm. */
  | 'branch'
  /** Goes to the address in n. */
  | 'branch-register'
  /** Leaves to the host side; the instruction has not been executed. */
  | 'host'
  /** Runs `emit`, then goes to block start + low half of imm, leaving if an interrupt is now deliverable. */
  | 'unmask';

export interface Uop {
  readonly name: string;
  readonly code: number;
  readonly kind: UopKind;
  /** Touches guest memory: may leave the block. */
  readonly memory: boolean;
  readonly emit: (b: Backend) => void;
}

/** By code. */
export const UOPS: Uop[] = [];
const byName = new Map<string, Uop>();

export function define(
  name: string,
  emit: (b: Backend) => void,
  kind: UopKind = 'plain',
  memory = false,
): void {
  const uop = { name, code: UOPS.length, kind, memory, emit };
  UOPS.push(uop);
  byName.set(name, uop);
}

/** The code of a micro-op by name; throws for a name that does not exist. */
export function uop(name: string): number {
  const found = byName.get(name);
  if (found === undefined) throw new Error(`no micro-op '${name}'`);
  return found.code;
}
