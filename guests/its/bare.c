#include "bare.h"

u32 checks, bad;

void put(char c) { w32(UART, (u8)c); }
void text(const char *s) { while (*s) put(*s++); }
void hex(u64 v)
{
  int shift = 60;
  while (shift > 0 && (v >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(v >> shift) & 15]);
}
void field(const char *name, u64 v) { put(' '); text(name); put('='); hex(v); }
void done(int ok)
{
  checks++;
  if (!ok) { bad++; text(" BAD"); }
  put('\n');
}
int same(const char *a, const char *b)
{
  while (*a && *a == *b) { a++; b++; }
  return *a == *b;
}
void unexpected(u64 esr, u64 elr, u64 far)
{
  text("exception"); field("esr", esr); field("elr", elr); field("far", far); put('\n');
}
void zero(u64 at, u64 bytes) { u64 n; for (n = 0; n < bytes; n += 8) *(volatile u64 *)(at + n) = 0; BARRIER; }

/* -------------------------------------------------------------------- the CPU interface of every CPU */

extern long hvc(long function, long a, long b, long c);
extern void secondary(void);

static struct { volatile u32 what, value, result, ready; } box[CPUS];

static u32 access(u32 what, u32 value)
{
  u32 intid = 0;
  if (what == TAKE) {
    intid = (u32)READ(ICC_IAR1);
    if (intid != NONE) WRITE(ICC_EOIR1, intid);
  } else if (what == HIGHEST) intid = (u32)READ(ICC_HPPIR1);
  else if (what == MASK) WRITE(ICC_PMR, value);
  else WRITE(ICC_IGRPEN1, value);
  return intid;
}

static void interface(u32 cpu)
{
  w32(GICR(cpu) + 0x14, 0);                         /* GICR_WAKER */
  while (r32(GICR(cpu) + 0x14) & 4);
  w32(GICR(cpu) + 0x10080, 0xffffffff);             /* GICR_IGROUPR0 */
  w32(GICR(cpu) + 0x10400, 0);                      /* SGIs 0 … 3: the highest priority */
  w32(GICR(cpu) + 0x10100, 1u | 1u << 27);          /* SGI 0, virtual timer */
  WRITE(ICC_SRE, 7);
  WRITE(ICC_PMR, 0xff);
  WRITE(ICC_IGRPEN1, 1);
}

/* The other CPUs sleep until SGI 0 brings an order. */
void serve(u32 cpu)
{
  interface(cpu);
  box[cpu].ready = 1;
  for (;;) {
    __asm__ volatile("wfi\n yield");
    if (box[cpu].what == 0 || (u32)READ(ICC_HPPIR1) != 0) continue;
    WRITE(ICC_EOIR1, READ(ICC_IAR1));
    box[cpu].result = access(box[cpu].what, box[cpu].value);
    BARRIER;
    box[cpu].what = 0;
    BARRIER;
  }
}

u32 on(u32 cpu, u32 what, u32 value)
{
  if (cpu == 0) return access(what, value);
  box[cpu].value = value;
  BARRIER;
  box[cpu].what = what;
  BARRIER;
  WRITE(ICC_SGI1R, 1u << cpu);
  while (box[cpu].what != 0) __asm__ volatile("yield");
  return box[cpu].result;
}

void start_cpus(void)
{
  u32 cpu;
  w32(GICD, 0x12);                                  /* GICD_CTLR: affinity routing, group 1 */
  interface(0);
  for (cpu = 1; cpu < CPUS; cpu++) {
    text("start"); field("cpu", cpu);
    field("result", (u64)hvc((long)0xc4000003, cpu, (long)secondary, cpu));
    while (!box[cpu].ready) __asm__ volatile("yield");
    done(1);
  }
}

static char seen[512];
static u32 length;
static void add(char c) { if (length < sizeof seen - 1) seen[length++] = c; seen[length] = 0; }
static void add_number(u32 v)
{
  int shift = 28;
  while (shift > 0 && (v >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) add("0123456789abcdef"[(v >> shift) & 15]);
}
static void add_text(const char *s) { while (*s) add(*s++); }

const char *taken(void)
{
  u32 cpu, intid, most = 64;
  length = 0; seen[0] = 0;
  for (cpu = 0; cpu < CPUS; cpu++) {
    while ((intid = on(cpu, TAKE, 0)) != NONE && most-- > 0) {
      add(' '); add_number(cpu); add(':'); add_number(intid);
    }
  }
  if (r64(GITS + CREADR) & 1) add_text(" stalled");
  else if (r64(GITS + CREADR) != r64(GITS + CWRITER)) add_text(" behind");
  return seen;
}

void now(const char *name, const char *expected)
{
  const char *got = taken();
  text(name); put(':'); text(got);
  if (!same(got, expected)) { text(" instead of"); text(expected[0] ? expected : " nothing"); }
  done(same(got, expected));
}

void sleep_ms(u64 ms)
{
  u64 control;
  WRITE(ICC_PMR, 0x10);                             /* the timer has priority 0; LPIs do not wake */
  WRITE("cntv_tval_el0", READ("cntfrq_el0") / 1000 * ms);
  WRITE("cntv_ctl_el0", 1);
  do {
    __asm__ volatile("wfi");
    control = READ("cntv_ctl_el0");
  } while ((control & 4) == 0);
  WRITE("cntv_ctl_el0", 0);
  WRITE(ICC_PMR, 0xff);
}

/* --------------------------------------------------------------------------------------------- driver */

u32 head;
static u64 queue_base;
static u32 queue_bytes;

void its_on(void) { w32(GITS + CTLR, 1); }
void its_off(void) { w32(GITS + CTLR, 0); while (!(r32(GITS + CTLR) & 0x80000000)); }

void queue_at(u64 base, u32 pages)
{
  its_off();
  queue_base = base;
  queue_bytes = pages * 0x1000;
  head = 0;
  w64(GITS + CBASER, VALID | base | (pages - 1));
  w64(GITS + CWRITER, 0);
}

void tables(u64 devices, u64 collections)
{
  w64(GITS + BASER, devices);
  w64(GITS + BASER + 8, collections);
}

void post(u64 a, u64 b, u64 c, u64 d)
{
  u64 at = queue_base + head;
  if (queue_base >= QUEUE && queue_base < DEVICES) { w64(at, a); w64(at + 8, b); w64(at + 16, c); w64(at + 24, d); }
  head = (head + 32) % queue_bytes;
}
void go(void) { w64(GITS + CWRITER, head); }

void configure(u32 intid, u32 priority, int enabled)
{
  w8(PROPERTIES + intid - 8192, (u8)(priority | 2 | (enabled ? 1 : 0)));
}
int pending_bit(u32 cpu, u32 intid) { return (r8(PENDING(cpu) + intid / 8) >> (intid & 7)) & 1; }
void lpis_on(u32 cpu) { w32(GICR(cpu), 1); }
void lpis_off(u32 cpu) { w32(GICR(cpu), 0); while (r32(GICR(cpu)) & 8); }

void fresh(void)
{
  u32 n;
  queue_at(QUEUE, 1);
  zero(DEVICES, 0x10000);
  zero(COLLECTIONS, 0x10000);
  zero(ITT(0), 0x8000);
  for (n = 0; n < 64; n++) configure(8192 + n, 0xa0, 1);
  for (n = 0; n < CPUS; n++) {
    lpis_off(n);
    zero(PENDING(n), 0x2000);
    w64(GICR(n) + PROPBASER, PROPERTIES | 15);
    w64(GICR(n) + PENDBASER, PENDING(n) | PTZ);
    lpis_on(n);
  }
  tables(VALID | DEVICES, VALID | COLLECTIONS);
  its_on();
  for (n = 0; n < CPUS; n++) mapc(n, n);
}
