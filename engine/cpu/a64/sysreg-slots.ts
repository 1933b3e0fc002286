import { SYS_FIRST_FREE } from '../helpers/layout.ts';

/**
 * The slots that the helpers do not need to know (those are in helpers/layout.ts). An index is part of the
 * saved state of a CPU: never change one, only add.
 */
const at = (index: number): number => SYS_FIRST_FREE + index;

export const SLOT_CONTEXTIDR_EL1 = at(0);
export const SLOT_CNTKCTL_EL1 = at(1);
export const SLOT_CSSELR_EL1 = at(2);
export const SLOT_MPIDR_EL1 = at(3);
/** OS lock as OSLSR_EL1 shows it. */
export const SLOT_OSLSR_EL1 = at(4);
export const SLOT_OSDLR_EL1 = at(5);
export const SLOT_MDCCINT_EL1 = at(6);
/** Claim tags as DBGCLAIMCLR_EL1 reads them. */
export const SLOT_DBGCLAIM = at(7);

export const SLOT_CNTFRQ_EL0 = at(8);
export const SLOT_CNTP_CTL = at(9);
export const SLOT_CNTP_CVAL = at(10);
export const SLOT_CNTV_CTL = at(11);
export const SLOT_CNTV_CVAL = at(12);
export const SLOT_CNTHP_CTL = at(13);
export const SLOT_CNTHP_CVAL = at(14);
export const SLOT_CNTHV_CTL = at(15);
export const SLOT_CNTHV_CVAL = at(16);
export const SLOT_CNTPS_CTL = at(17);
export const SLOT_CNTPS_CVAL = at(18);
export const SLOT_CNTVOFF_EL2 = at(19);
export const SLOT_CNTHCTL_EL2 = at(20);

export const SLOT_PMCR = at(24);
/** Enabled counters: bit n for event counter n, bit 31 for the cycle counter; the next two likewise. */
export const SLOT_PMCNTEN = at(25);
export const SLOT_PMOVS = at(26);
export const SLOT_PMINTEN = at(27);
export const SLOT_PMSELR = at(28);
export const SLOT_PMUSERENR = at(29);
export const SLOT_PMCCFILTR = at(30);
/** Cycle counter, and the virtual ns at which it had this value (see pmu.ts). */
export const SLOT_PMCCNTR = at(31);
export const SLOT_PMCCNTR_AT = at(32);
/** Arrays of `PMU_MAX_COUNTERS`: counter, position of its source when it had this value, event type. */
export const SLOT_PMEVCNTR = at(36);
export const SLOT_PMEVCNTR_AT = at(68);
export const SLOT_PMEVTYPER = at(100);
/** PMCR_EL0.N is at most 31 (Arm ARM D13.4.10). */
export const PMU_MAX_COUNTERS = 31;

/** Arrays of 16: breakpoint and watchpoint registers. */
export const SLOT_DBGBVR = at(136);
export const SLOT_DBGBCR = at(152);
export const SLOT_DBGWVR = at(168);
export const SLOT_DBGWCR = at(184);

export const SLOT_MDCR_EL2 = at(200);
export const SLOT_HSTR_EL2 = at(201);
export const SLOT_VPIDR_EL2 = at(202);
export const SLOT_VMPIDR_EL2 = at(203);
export const SLOT_TPIDR_EL2 = at(204);
export const SLOT_DACR32_EL2 = at(205);
export const SLOT_IFSR32_EL2 = at(206);
export const SLOT_FPEXC32_EL2 = at(207);
export const SLOT_SPSR_IRQ = at(208);
export const SLOT_SPSR_ABT = at(209);
export const SLOT_SPSR_UND = at(210);
export const SLOT_SPSR_FIQ = at(211);
export const SLOT_DBGVCR32_EL2 = at(212);
export const SLOT_DISR_EL1 = at(213);
export const SLOT_SCXTNUM_EL0 = at(214);
export const SLOT_SCXTNUM_EL1 = at(215);
export const SLOT_SCXTNUM_EL2 = at(216);
export const SLOT_SCXTNUM_EL3 = at(217);

export const SLOT_MDCR_EL3 = at(220);
export const SLOT_SDER32_EL3 = at(221);
export const SLOT_TPIDR_EL3 = at(222);

/**
 * Of software step: whether the instruction before the next one was stepped (bit 0), and was a load-exclusive (bit 1).
 * No register shows it; ESR_EL1.ISV and EX of a Software Step exception do.
 */
export const SLOT_STEPPED = at(224);

/** One above the highest slot in use. */
export const SLOT_END = at(225);
