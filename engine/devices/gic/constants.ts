/** INTIDs with a meaning of their own in IAR and HPPIR. */
export const INTID_SECURE = 1020;
export const INTID_NONSECURE = 1021;
export const INTID_GROUP1 = 1022;
export const INTID_SPURIOUS = 1023;
export const FIRST_LPI = 8192;

/** "No pending interrupt": above every key of the search for the first one. */
export const NO_INTERRUPT = 0x7fff_ffff;
/** Running priority of a CPU without active priorities: below every priority. */
export const IDLE_PRIORITY = 0x100;

/** Outputs of a CPU interface, as bits. */
export const OUTPUT_IRQ = 1;
export const OUTPUT_FIQ = 2;

/** GICv3 groups as indexes of banked CPU interface registers. */
export const GROUP0 = 0;
export const GROUP1_SECURE = 1;
/** Group 1, or Non-secure Group 1 with two security states. */
export const GROUP1 = 2;
