/*
 * Bare-metal probe for the virt board: tries every MRS, MSR (register), SYS and SYSL encoding at exception
 * level PROBE_EL (at most START_EL, where QEMU starts it) and prints what happened. All numbers are hex, key is
 * op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2.
 *
 *   R key value        the read gave value
 *   r key esr el       the read took an exception to el; EC 0 (UNDEFINED) is not printed
 *   W key ones zeros   write accepted; what reads gave after writing all ones and all zeros
 *   w key              write accepted; cannot be read, or other values would break the probe
 *   x key esr el       the write took an exception
 *   S key, s key esr el, L key, l key esr el   the same for SYS and SYSL
 */
typedef unsigned long u64;
typedef unsigned int u32;

extern volatile u64 trap_esr, trap_el;
extern u64 run_stub(u64 x0);
extern volatile u32 stub[];

static volatile u32 *const uart = (volatile u32 *)0x09000000;
static u64 scratch[64] __attribute__((aligned(256)));

#define KEY(op0, op1, n, m, op2) ((op0) << 14 | (op1) << 11 | (n) << 7 | (m) << 3 | (op2))
#define SET(reg, value) __asm__ volatile("msr " reg ", %0; isb" ::"r"((u64)(value)));
#define MRS 0xd5200000u
#define MSR 0xd5000000u

static void put(char c) { uart[0] = (u32)c; }

static void hex(u64 v) {
  char digits[16];
  int n = 0;
  do {
    digits[n++] = "0123456789abcdef"[v & 15];
    v >>= 4;
  } while (v);
  while (n) put(digits[--n]);
}

static void field(u64 v) {
  put(' ');
  hex(v);
}

static void report(char tag, u64 key, int fields, u64 a, u64 b) {
  put(tag);
  field(key);
  if (fields > 0) field(a);
  if (fields > 1) field(b);
  put('\n');
}

static u64 attempt(u32 instruction, u64 x0, u64 *esr) {
  stub[0] = instruction;
  __asm__ volatile("dsb sy; ic iallu; dsb sy; isb" ::: "memory");
  trap_esr = 0;
  u64 value = run_stub(x0);
  *esr = trap_esr;
  return value;
}

static void trapped(char tag, u32 key, u64 esr) {
  if (esr >> 26) report(tag, key, 2, esr, trap_el);
}

/* Other values than the current one would take the probe itself down. */
static int fragile(u32 key) {
  switch (key) {
    case KEY(3, 0, 1, 0, 0): case KEY(3, 4, 1, 0, 0): case KEY(3, 6, 1, 0, 0): /* SCTLR_ELx */
    case KEY(2, 0, 0, 2, 2):                                                   /* MDSCR_EL1 */
    case KEY(3, 3, 4, 2, 1):                                                   /* DAIF */
    case KEY(3, 0, 12, 0, 2): case KEY(3, 4, 12, 0, 2): case KEY(3, 6, 12, 0, 2): /* RMR_ELx */
      return 1;
  }
#if PROBE_EL < START_EL
  switch (key) {
    case KEY(3, 0, 12, 0, 0): case KEY(3, 4, 12, 0, 0): /* VBAR_ELx: the write traps or not, that is enough */
    case KEY(3, 4, 1, 1, 0):                            /* HCR_EL2 */
      return 1;
  }
#endif
  return 0;
}

static void reads(void) {
  for (u32 key = 2 << 14; key < 4 << 14; key++) {
    u64 esr, value = attempt(MRS | key << 5, 0xdead, &esr);
    if (esr) trapped('r', key, esr);
    else report('R', key, 1, value, 0);
  }
}

static void writes(void) {
  for (u32 key = 2 << 14; key < 4 << 14; key++) {
    u64 unreadable, esr, ones, zeros;
    if (key == KEY(3, 0, 4, 2, 0)) continue; /* SPSel: the stack would be gone */
    u64 old = attempt(MRS | key << 5, 0, &unreadable);
    if (unreadable) old = 0;
    attempt(MSR | key << 5, old, &esr);
    if (esr) {
      trapped('x', key, esr);
      continue;
    }
    if (unreadable || fragile(key)) {
      report('w', key, 0, 0, 0);
      continue;
    }
    attempt(MSR | key << 5, ~0ul, &esr);
    ones = attempt(MRS | key << 5, 0, &esr);
    attempt(MSR | key << 5, 0, &esr);
    zeros = attempt(MRS | key << 5, 0, &esr);
    attempt(MSR | key << 5, old, &esr);
    report('W', key, 2, ones, zeros);
  }
}

static void system_instructions(void) {
  for (u32 key = 1 << 14; key < 2 << 14; key++) {
    u64 esr;
    attempt(MSR | key << 5, (u64)scratch, &esr);
    if (esr) trapped('s', key, esr);
    else report('S', key, 0, 0, 0);
    attempt(MRS | key << 5, (u64)scratch, &esr);
    if (esr) trapped('l', key, esr);
    else report('L', key, 0, 0, 0);
  }
}

void probe(void) {
#if PROBE_EL == 0
  stub[1] = 0xd4000001u; /* svc */
#elif PROBE_EL < START_EL
  stub[1] = START_EL == 2 ? 0xd4000002u : 0xd4000003u; /* hvc, smc */
#endif
#ifdef PROBE_SETUP
  PROBE_SETUP
#endif
  reads();
  writes();
  system_instructions();
  put('.');
  put('\n');
}
