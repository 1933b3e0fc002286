/*
 * The part of the linear memory that is laid out at run time is found through these words ("globals"), so
 * that the helpers need no knowledge of sizes. Plain integer constants: read by TypeScript and AssemblyScript.
 */

export const GLOBALS = 0x000f0000;
/** u32: number of CPUs. */
export const G_CPUS = 0x000f0000;
/** u32: TLBs of CPU 0; TLB_STRIDE bytes each CPU. */
export const G_TLBS = 0x000f0004;
/** u32: first radix table (physical address bits 43:30), entries of 4 bytes. */
export const G_RADIX = 0x000f0008;
/** u32: start, end, and bump pointer of the arena for radix tables. */
export const G_RADIX_NEXT = 0x000f000c;
export const G_RADIX_END = 0x000f0010;
/** u32: start and end of the frame pool, next never-used frame. */
export const G_FRAMES = 0x000f0014;
export const G_FRAMES_END = 0x000f0018;
export const G_FRAME_NEXT = 0x000f001c;
/** u32: the shared frame of zeros (never written). */
export const G_ZERO_FRAME = 0x000f0024;
/** u32: one flag byte per frame (FRAME_*). */
export const G_FRAME_FLAGS = 0x000f0028;
/** u32: 8 bytes per frame: for a page-table frame the virtual base it maps, with the level in bits 1:0. */
export const G_FRAME_TABLE_INFO = 0x000f002c;
/** u32: number of page-table frames tracked, and the list of them (PT_LIST_MAX words). */
export const G_PT_COUNT = 0x000f0030;
export const G_PT_LIST = 0x000f0034;
export const PT_LIST_MAX = 8192;
/** In the table information of a frame, below the address: stores since a walk last read it, up to TABLE_IDLE_MAX. */
export const TABLE_IDLE = 64;
export const TABLE_IDLE_MAX = 63;
/** Statistics (u64 each): TLB refills, full flushes, page flushes, slow accesses. */
export const G_STAT_REFILLS = 0x000f0040;
export const G_STAT_FLUSHES = 0x000f0048;
export const G_STAT_PAGE_FLUSHES = 0x000f0050;
export const G_STAT_SLOW = 0x000f0058;
/** Result of a translation: physical address (u64), attributes (u32: bit 0 Device, SH, and the byte of MAIR). */
export const G_WALK_PA = 0x000f0060;
export const G_WALK_ATTRS = 0x000f0068;
export const ATTR_SH = 4;
export const ATTR_MAIR = 8;
/** In G_WALK_ATTRS: the page is guarded (FEAT_BTI). */
export const ATTR_GUARDED = 2;
/** u32: TRANSLATION_* that the CPU has. */
export const G_TRANSLATION_FEATURES = 0x000f00f0;
export const TRANSLATION_PAN = 1;
/** FEAT_HAFDBS: access flag (1) and dirty state (2) kept by hardware. */
export const TRANSLATION_HA = 2;
export const TRANSLATION_HD = 4;
export const TRANSLATION_HPDS = 8;
export const TRANSLATION_E0PD = 16;
export const TRANSLATION_TTST = 32;
export const TRANSLATION_LVA = 64;
export const TRANSLATION_LPA = 128;
export const TRANSLATION_LPA2 = 256;
export const TRANSLATION_BTI = 512;
export const TRANSLATION_PAUTH = 1024;
/** A walk that asks for a change of the descriptor it ended at: its place (u32, 0 none), and the new value (u64). */
export const G_WALK_UPDATE_AT = 0x000f00f4;
export const G_WALK_UPDATE = 0x000f00f8;
/** u32: physical address bits the CPU implements. */
export const G_PA_BITS = 0x000f006c;

export const FRAME_SHIFT = 12;
export const FRAME_SIZE = 4096;

/** Frame flags: any of the first group sends stores to the slow path. */
export const FRAME_CODE = 1;
export const FRAME_TABLE = 2;
/** Holds what a snapshot holds: the first store has the old contents kept (`unshare`). */
export const FRAME_SHARED = 8;
export const FRAME_SLOW_STORES = 0x0b;
/** A write TLB entry for this frame may exist. */
export const FRAME_WRITABLE_CACHED = 0x10;
/** Written since its hash was last taken. */
export const FRAME_DIRTY = 0x20;

/** Radix entries: 0 no memory; 1 memory never written (reads as zero); else a table or frame address. */
export const RADIX_NONE = 0;
export const RADIX_UNTOUCHED = 1;
/** On a frame entry: stores go to the device path (flash, ROM). */
export const RADIX_READ_ONLY = 2;

/** TLB geometry: 16-byte entries {tag u64, addend u32, frame u32}. */
export const TLB_BITS = 10;
export const TLB_ENTRIES = 1024;
export const TLB_BYTES = 16384;
/** In a TLB set: reads, writes, instruction fetches. Two sets per CPU: EL1 and above, then EL0. */
export const TLB_WRITE = 16384;
export const TLB_FETCH = 32768;
export const TLB_SET = 49152;
export const TLB_BANK = 98304;
/**
 * Each CPU has several banks, one for each of the last address spaces it used, so that changing TTBRs and back
 * (system calls with page-table isolation, processes) costs nothing. Per bank: {TTBR0 u64, TTBR1 u64, age u32,
 * regime u32 (0: not valid), context of the fetch entries u32 (EL1 and above), u32 (EL0)}, in a table of BANK_INFO
 * bytes each.
 */
export const BANK_INFO = 32;
/** u32: banks per CPU; base of the table of bank information; clock for their age. */
export const G_BANKS = 0x000f0088;
export const G_BANK_INFO = 0x000f008c;
export const G_BANK_CLOCK = 0x000f0090;
/** u32: 4 bytes per frame: low half of the virtual page of the one write TLB entry it has, or 1 for several. */
export const G_FRAME_WRITER = 0x000f0094;

/** Exit reasons in CPU_EXIT. */
export const EXIT_NONE = 0;
/** The run slice is used up at a block entry. */
export const EXIT_BUDGET = 1;
/** No translated block for CPU_PC. */
export const EXIT_NO_BLOCK = 2;
/** A memory access faulted: CPU_FAULT (DFSC and flags), CPU_ADDR. */
/** In CPU_FAULT with EXIT_FAULT: not a data abort but an SP alignment fault. */
export const FAULT_SP_ALIGNMENT = 0x100;
/** Likewise: a branch to where none may go, with PSTATE.BTYPE in bits 1:0. */
export const FAULT_BRANCH_TARGET = 0x200;
/** Likewise: a Watchpoint exception, address in CPU_ADDR. */
export const FAULT_WATCHPOINT = 0x400;
export const EXIT_FAULT = 3;
/** The instruction at CPU_PC has an effect outside memory and must run as a block of its own. */
export const EXIT_SINGLE = 4;
/** The instruction at CPU_PC is executed by the host side (exceptions, system registers, waits). */
export const EXIT_HOST = 5;
/** A block became hot. */
export const EXIT_HOT = 6;
/** No frame is left for guest memory. */
export const EXIT_NO_MEMORY = 7;
/** A watched location was touched; the access has not been made. */
export const EXIT_WATCH = 8;

/** An interrupt became deliverable. */
export const EXIT_IRQ = 9;

/** Blocks: header {instructions u32, heat u32, compiled function u32, context u32}, then micro-ops. */
export const BLOCK_COUNT = 0;
export const BLOCK_HEAT = 4;
export const BLOCK_COMPILED = 8;
export const BLOCK_UOPS = 12;
export const BLOCK_HEADER = 16;
export const UOP_BYTES = 16;

/** u32: code tables by context: base of context 0's array of one word per frame, and bytes per context. */
export const G_CODE_TABLES = 0x000f0070;
export const G_CODE_TABLE_STRIDE = 0x000f0074;
/** u32: 8 bytes per frame: hash of its contents when FRAME_DIRTY was last cleared. u64: sum over all pages. */
export const G_FRAME_HASHES = 0x000f0078;
export const G_MEMORY_HASH = 0x000f0080;

/** Access descriptors: log2 of the size in bits 1:0, then flags. */
export const ACC_UNPRIVILEGED = 4;
export const ACC_SINGLE = 8;
export const ACC_ALIGNED = 16;

/** u32: 4 bytes per frame: the physical page it is for, for ever. A frame is never given to another page. */
export const G_FRAME_PAGES = 0x000f00a0;
/** u32: room for one word per frame, for lists of frames. */
export const G_FRAME_LIST = 0x000f00a4;

/**
 * u32: number of virtual pages with breakpoints, and their list: 16 bytes each, the virtual page address (u64)
 * and the frame whose blocks are cut for it (u32; 0 none yet). See cpu/breakpoints.ts.
 */
export const G_BREAK_COUNT = 0x000f00a8;
export const G_BREAK_LIST = 0x000f00ac;
export const BREAK_LIST_MAX = 4096;
/** Room for these and for the breakpoints of 512 guest CPUs. */
export const BREAK_LIST_ROOM = 13312;

/**
 * u32: number of watched ranges, and their list: 24 bytes each, first and last address (u64), WATCH_* (u32). An
 * access to a page with a watched byte never gets a TLB entry; one to a watched byte is asked for first.
 */
export const G_WATCH_COUNT = 0x000f00b0;
export const G_WATCH_LIST = 0x000f00b4;
export const WATCH_LIST_MAX = 64;
export const WATCH_BYTES = 24;
export const WATCH_READ = 1;
export const WATCH_WRITE = 2;
/** The range is of virtual addresses, otherwise of physical ones. */
export const WATCH_VIRTUAL = 4;
/** In a list of a CPU (CPU_WATCHES): the number of the watchpoint is above this many bits of the flags. */
export const WATCH_NUMBER_SHIFT = 8;

/**
 * u32: number of TLB entries that read the frame of zeros for untouched memory, and their addresses. The first
 * store to any untouched page drops them all. When the list is full it begins again, and the oldest are dropped.
 */
export const G_ZERO_READS = 0x000f00b8;
export const G_ZERO_READ_LIST = 0x000f0200;
export const ZERO_READS_MAX = 64;
