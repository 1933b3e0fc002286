/**
 * LPIs as a CPU sees them: their configuration and pending bits are in guest memory (Arm IHI 0069, 5.1), and not
 * among what the interrupt controller inspects itself. Nothing here changes the machine.
 */
import { FIRST_LPI, NO_INTERRUPT } from '../../engine/devices/gic/constants.ts';
import { Gicv3 } from '../../engine/devices/gic/gicv3.ts';
import { GICD_CTLR_ENABLE_GRP1NS, GICR_CTLR_ENABLE_LPIS } from '../../engine/devices/gic/gicv3-registers.ts';
import type { InterruptStatus } from '../../engine/devices/gic/interrupt-controller.ts';
import type { Machine } from '../../engine/machine.ts';

export type LpiStatus = Omit<InterruptStatus, 'heldBack'> & { readonly heldBack?: string };

const ID_BITS = 15;
const CONFIG_ENABLE = 1;
const PRIORITY = 0xfc;

/** 52-bit address in the two words of GICR_PROPBASER or GICR_PENDBASER. */
function addressIn(words: Uint32Array, cpu: number, mask: number): number {
  return (words[cpu * 2 + 1]! & 0xf_ffff) * 2 ** 32 + ((words[cpu * 2]! & mask) >>> 0);
}

/** Those that are enabled or pending on a CPU; none without LPIs. */
export function inspectLpis(machine: Machine, cpu: number): LpiStatus[] {
  const { gic } = machine.board;
  if (!(gic instanceof Gicv3) || (gic.redistributorControl[cpu]! & GICR_CTLR_ENABLE_LPIS) === 0) return [];
  const bits = Math.min(gic.propertiesBase[cpu * 2]! & 0x1f, ID_BITS);
  const count = 2 ** (bits + 1) - FIRST_LPI;
  if (count <= 0) return [];
  const configuration = new Uint8Array(count);
  const pending = new Uint8Array(count / 8);
  const pendingBase = addressIn(gic.pendingBase, cpu, 0xffff_0000) + FIRST_LPI / 8;
  if (!machine.memory.read(addressIn(gic.propertiesBase, cpu, 0xffff_f000), configuration)) return [];
  if (!machine.memory.read(pendingBase, pending)) return [];
  const rows: LpiStatus[] = [];
  for (let lpi = 0; lpi < count; lpi++) {
    const entry = configuration[lpi]!;
    const enabled = (entry & CONFIG_ENABLE) !== 0;
    const isPending = ((pending[lpi >> 3]! >> (lpi & 7)) & 1) !== 0;
    if (!enabled && !isPending) continue;
    const intid = FIRST_LPI + lpi;
    const priority = gic.singleState ? entry & PRIORITY : 0x80 | ((entry & PRIORITY) >> 1);
    const why = heldBack(gic, cpu, intid, { enabled, isPending, priority });
    rows.push({
      intid,
      enabled,
      pending: isPending,
      latched: isPending,
      active: false,
      priority,
      group: gic.hasSecurity ? 'Non-secure Group 1' : 'Group 1',
      trigger: 'edge',
      line: false,
      targets: [cpu],
      sources: [],
      ...(why === undefined ? {} : { heldBack: why }),
    });
  }
  return rows;
}

function heldBack(
  gic: Gicv3,
  cpu: number,
  intid: number,
  { enabled, isPending, priority }: { enabled: boolean; isPending: boolean; priority: number },
): string | undefined {
  if (!isPending) return 'not pending';
  if (!enabled) return 'not enabled';
  if ((gic.distributorControl[0]! & GICD_CTLR_ENABLE_GRP1NS) === 0)
    return 'group disabled in the distributor';
  const offered = gic.pendingLpi(cpu);
  // What is in the tables is looked at again when the guest says so (INV, INVALL).
  if (offered === undefined) return 'the tables were changed without INV';
  const first = gic.first[cpu]!;
  if (first === NO_INTERRUPT || (first & 0xffff) !== intid) return 'another pending interrupt is first';
  return gic.signalHeldBack(cpu, gic.slotOf(cpu, intid), priority);
}
