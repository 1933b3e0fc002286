/*
 * Where things are in the one linear memory. This file is read by two compilers: TypeScript (translator,
 * sessions, debuggers) and AssemblyScript (the helpers), so it holds plain integer constants only.
 *
 *   0x0000_0000  static data and stack of the AssemblyScript helpers
 *   CPU_BASE     CPU states, CPU_STRIDE bytes each; the rest is laid out at run time (see memory/heap.ts)
 */

export const CPU_BASE = 0x0010_0000;
/** Bytes from one CPU's state to the next one's. */
export const CPU_STRIDE = 0x2000;

/* --- Offsets in a CPU's state ------------------------------------------------------------------------ */

/** X0–X30, 8 bytes each: slots 0–30. */
export const CPU_X = 0x000;
/** Slot 31 reads as zero and is never written. */
export const SLOT_ZR = 31;
/** Slot 32: the stack pointer in use (SP_EL0 or SP_ELx by PSTATE.SP). */
export const SLOT_SP = 32;
/** Slot 33 takes writes to the zero register. */
export const SLOT_SINK = 33;
/** Slots 34–41: temporaries of one instruction, meaningless between two. */
export const SLOT_T0 = 34;
export const CPU_SP = 0x100;
export const CPU_PC = 0x150;
/** Flags, lazily: N is the sign of the 64-bit value here, and Z is set when the one at CPU_Z is zero ... */
export const CPU_N = 0x158;
export const CPU_Z = 0x1d0;
/** ... C and V are 0 or 1 (u32). */
export const CPU_C = 0x160;
export const CPU_V = 0x164;
/** Scratch for slow paths: 64-bit address, two 64-bit data words. */
export const CPU_ADDR = 0x168;
export const CPU_DATA = 0x170;
export const CPU_DATA_HI = 0x178;
/** Instructions left in this run slice (i32); a block charges its length on entry. */
export const CPU_BUDGET = 0x180;
/** Why the inner loop must stop (u32), 0 = go on. */
export const CPU_EXIT = 0x184;
/** Index of this CPU (u32). */
export const CPU_INDEX = 0x188;
/** Current exception level (u32), PSTATE.SP (u32), PSTATE.DAIF as bits 3:0 = D,A,I,F (u32). */
export const CPU_EL = 0x18c;
export const CPU_SPSEL = 0x190;
export const CPU_DAIF = 0x194;
/** Other PSTATE bits, at their SPSR positions (u32): IL 20, SS 21, PAN 22, UAO 23, DIT 24, TCO 25, BTYPE 11:10, SSBS 12. */
export const CPU_PSTATE = 0x198;
/** Instructions of the current block that had been charged but not run when the loop stopped (u32). */
export const CPU_PENDING_INSNS = 0x19c;
/** Fault left by a helper: kind (u32), then ISS (u32). Address in CPU_ADDR. */
export const CPU_FAULT = 0x1a0;
export const CPU_FAULT_ISS = 0x1a4;
/** Exclusive monitor: 1 if armed (u32), size (u32), virtual address (u64). */
export const CPU_EXCLUSIVE = 0x1a8;
export const CPU_EXCLUSIVE_SIZE = 0x1ac;
export const CPU_EXCLUSIVE_ADDR = 0x1b0;
/** Base of the TLBs of the current translation context (u32 pointer), see memory/heap.ts. */
export const CPU_TLB = 0x1b8;
export const CPU_XTLB = 0x1bc;
/** Execution context bits of the current state (u32), part of the block key. */
export const CPU_CONTEXT = 0x1c0;
/** Interrupt lines into this CPU (u32), at their DAIF positions: 2 = IRQ, 1 = FIQ. */
export const CPU_IRQ = 0x1d8;
/**
 * How the flags are held (u32): 0 as CPU_N, CPU_Z, CPU_C and CPU_V say; otherwise by the operation that set them and
 * its operands, a FLAGS kind of uop-effects.ts. Only compiled code leaves it other than 0.
 */
export const CPU_FLAG_KIND = 0x1dc;
export const CPU_FLAG_A = 0x1e0;
export const CPU_FLAG_B = 0x1e8;
/**
 * FEAT_BTI: PSTATE.BTYPE as the last indirect branch of this run set it (u32), and CPU_BUDGET after that branch (i32):
 * it holds until the next instruction has been charged for. Between runs PSTATE.BTYPE is in CPU_PSTATE.
 */
export const CPU_BTYPE = 0x1f0;
export const CPU_BTYPE_AT = 0x1f4;
/** Like CPU_CONTEXT, for guarded pages; all ones: none has been met. */
export const CPU_CONTEXT_GUARDED = 0x1f8;
/** Watchpoints of the guest that may hit (u32), and where they are: WATCH_BYTES each (see self-hosted-debug.ts). */
export const CPU_WATCH_COUNT = 0x1fc;
export const CPU_WATCHES = 0x1400;
/** Floating point control and status (u32 each), architectural layout. */
export const CPU_FPCR = 0x1c8;
export const CPU_FPSR = 0x1cc;

/** V0–V31, 16 bytes each. */
export const CPU_Q = 0x200;

/** System registers with plain storage: 8 bytes each, index from a64/sysregs.ts. */
export const CPU_SYSREGS = 0x400;
export const CPU_SYSREGS_MAX = 512;

/* --- System-register slots that the helpers need (indices into CPU_SYSREGS) --------------------------- */

export const SYS_SCTLR_EL1 = 0;
export const SYS_TTBR0_EL1 = 1;
export const SYS_TTBR1_EL1 = 2;
export const SYS_TCR_EL1 = 3;
export const SYS_MAIR_EL1 = 4;
export const SYS_CPACR_EL1 = 5;
export const SYS_VBAR_EL1 = 6;
export const SYS_ESR_EL1 = 7;
export const SYS_FAR_EL1 = 8;
export const SYS_ELR_EL1 = 9;
export const SYS_SPSR_EL1 = 10;
export const SYS_SP_EL0 = 11;
export const SYS_SP_EL1 = 12;
export const SYS_TPIDR_EL0 = 13;
export const SYS_TPIDRRO_EL0 = 14;
export const SYS_TPIDR_EL1 = 15;
export const SYS_PAR_EL1 = 16;
export const SYS_SCTLR_EL2 = 17;
export const SYS_HCR_EL2 = 18;
export const SYS_VTTBR_EL2 = 19;
export const SYS_VTCR_EL2 = 20;
export const SYS_TTBR0_EL2 = 21;
export const SYS_TCR_EL2 = 22;
export const SYS_MAIR_EL2 = 23;
export const SYS_SCTLR_EL3 = 24;
export const SYS_TTBR0_EL3 = 25;
export const SYS_TCR_EL3 = 26;
export const SYS_MAIR_EL3 = 27;
export const SYS_SCR_EL3 = 28;
export const SYS_SP_EL2 = 29;
export const SYS_SP_EL3 = 30;
export const SYS_ELR_EL2 = 31;
export const SYS_SPSR_EL2 = 32;
export const SYS_ELR_EL3 = 33;
export const SYS_SPSR_EL3 = 34;
export const SYS_VBAR_EL2 = 35;
export const SYS_VBAR_EL3 = 36;
export const SYS_ESR_EL2 = 37;
export const SYS_ESR_EL3 = 38;
export const SYS_FAR_EL2 = 39;
export const SYS_FAR_EL3 = 40;
export const SYS_HPFAR_EL2 = 41;
export const SYS_CPTR_EL2 = 42;
export const SYS_CPTR_EL3 = 43;
export const SYS_MDSCR_EL1 = 44;
export const SYS_TTBR1_EL2 = 45;
/** Keys of pointer authentication: APIA, APIB, APDA, APDB, APGA, each as low half, then high half. */
export const SYS_APIAKEYLO = 46;
/** First index free for the table in a64/sysregs.ts to hand out. */
export const SYS_FIRST_FREE = 64;
