/*
 * Drives the SMMUv3 of the virt board register by register, with the `edu` device (PCI 00:03.0) as bus master:
 * every command number, stream tables of both kinds, every granule, page sizes, invalidations, every fault of
 * stage 1, both error queues. Each step says what the architecture expects (Arm IHI 0070); the last line counts.
 *
 * Lines that begin with `*` are about what QEMU 7.2 does differently, see docs/device-differences.md.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define UART 0x09000000ul
#define GICD 0x08000000ul
#define GICR 0x080a0000ul
#define SMMU 0x09050000ul
#define EDU 0x10000000ul
#define SID (3u << 3)

enum {
  IDR0 = 0x00, CR0 = 0x20, CR0ACK = 0x24, IRQ_CTRL = 0x50, GERROR = 0x60, GERRORN = 0x64, STRTAB_BASE = 0x80,
  STRTAB_BASE_CFG = 0x88, CMDQ_BASE = 0x90, CMDQ_PROD = 0x98, CMDQ_CONS = 0x9c, EVENTQ_BASE = 0xa0,
  EVENTQ_PROD = 0x100a8, EVENTQ_CONS = 0x100ac,
};

/* RAM: where things are. */
#define STREAMS 0x42000000ul
#define LEVEL2 0x42010000ul
#define CONTEXT 0x42020000ul
#define COMMANDS 0x42030000ul
#define EVENTS 0x42040000ul
#define TABLES 0x43000000ul
#define DATA 0x44000000ul
#define NOWHERE 0x0b000000ul
#define QUEUE_LOG2 4
#define QUEUE (1u << QUEUE_LOG2)

static u32 r32(u64 a) { return *(volatile u32 *)a; }
static u64 r64(u64 a) { return *(volatile u64 *)a; }
static void w32(u64 a, u32 v) { *(volatile u32 *)a = v; __asm__ volatile("dsb sy" ::: "memory"); }
static void w64(u64 a, u64 v) { *(volatile u64 *)a = v; __asm__ volatile("dsb sy" ::: "memory"); }

static void put(char c) { w32(UART, (u8)c); }
static void text(const char *s) { while (*s) put(*s++); }
static void hex(u64 v)
{
  int shift = 60;
  while (shift > 0 && (v >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(v >> shift) & 15]);
}
static void field(const char *name, u64 v) { put(' '); text(name); put('='); hex(v); }

static u32 checks, bad;
/* Ends a line; the step is good if `ok`. */
static void done(int ok)
{
  checks++;
  if (!ok) { bad++; text(" BAD"); }
  put('\n');
}

void unexpected(u64 esr, u64 elr, u64 far)
{
  text("exception"); field("esr", esr); field("elr", elr); field("far", far); put('\n');
}

/* ------------------------------------------------------------------ time: sleep on the virtual timer's PPI */

static void timer_init(void)
{
  w32(GICD, 0x12);                    /* GICD_CTLR: affinity routing, group 1 */
  w32(GICR + 0x14, 0);                /* GICR_WAKER */
  w32(GICR + 0x10080, 0xffffffff);    /* GICR_IGROUPR0 */
  w32(GICR + 0x10100, 1u << 27);      /* GICR_ISENABLER0: virtual timer */
  __asm__ volatile("msr S3_0_C12_C12_5, %0\n isb" ::"r"(7ul));    /* ICC_SRE_EL1 */
  __asm__ volatile("msr S3_0_C4_C6_0, %0" ::"r"(0xfful));         /* ICC_PMR_EL1 */
  __asm__ volatile("msr S3_0_C12_C12_7, %0\n isb" ::"r"(1ul));    /* ICC_IGRPEN1_EL1 */
}

static void sleep_ms(u64 ms)
{
  u64 frequency, control;
  __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
  __asm__ volatile("msr cntv_tval_el0, %0" ::"r"(frequency / 1000 * ms));
  __asm__ volatile("msr cntv_ctl_el0, %0\n isb" ::"r"(1ul));
  do {
    __asm__ volatile("wfi");
    __asm__ volatile("mrs %0, cntv_ctl_el0" : "=r"(control));
  } while ((control & 4) == 0);
  __asm__ volatile("msr cntv_ctl_el0, %0\n isb" ::"r"(0ul));
}

/* ------------------------------------------------------------------------------------------- bus master */

static int edu_init(void)
{
  /* The high ECAM is where GICv3 boards with much address space have it, and the low one elsewhere. */
  u64 config = 0x4010000000ul + (SID << 12);
  if (r32(config) != 0x11e81234) return 0;
  w32(config + 0x10, EDU);
  w32(config + 0x04, 6);
  return r32(EDU) == 0x010000ed;
}

static void dma(u64 from, u64 to, u64 length, u32 command)
{
  w64(EDU + 0x80, from);
  w64(EDU + 0x88, to);
  w64(EDU + 0x90, length);
  w64(EDU + 0x98, command);
  do sleep_ms(110); while (r64(EDU + 0x98) & 1);
}
static void dma_write(u64 iova) { dma(0x40000, iova, 4, 3); }
static void dma_read(u64 iova) { dma(iova, 0x40000, 4, 1); }

/* ----------------------------------------------------------------------------------------------- driver */

static u32 sent, seen;

static void reset_queues(void)
{
  w32(SMMU + CR0, 0);
  w64(SMMU + STRTAB_BASE, STREAMS);
  w32(SMMU + STRTAB_BASE_CFG, 8);
  w64(SMMU + CMDQ_BASE, COMMANDS | QUEUE_LOG2);
  w32(SMMU + CMDQ_PROD, 0);
  w32(SMMU + CMDQ_CONS, 0);
  w64(SMMU + EVENTQ_BASE, EVENTS | QUEUE_LOG2);
  w32(SMMU + EVENTQ_PROD, 0);
  w32(SMMU + EVENTQ_CONS, 0);
  w32(SMMU + GERRORN, r32(SMMU + GERROR));
  w32(SMMU + IRQ_CTRL, 5);
  w32(SMMU + CR0, 0xd);
  sent = seen = 0;
}

/* Gives SMMU_CMDQ_CONS.ERR; an error is acknowledged and the command left out. */
static u32 command(u32 a, u32 b, u32 c, u32 d)
{
  u64 at = COMMANDS + 16 * (sent & (QUEUE - 1));
  u32 error;
  w32(at, a); w32(at + 4, b); w32(at + 8, c); w32(at + 12, d);
  sent = (sent + 1) & (2 * QUEUE - 1);
  w32(SMMU + CMDQ_PROD, sent);
  error = (r32(SMMU + CMDQ_CONS) >> 24) & 0x7f;
  if (r32(SMMU + GERROR) != r32(SMMU + GERRORN)) {
    w32(SMMU + CMDQ_CONS, sent);
    w32(SMMU + GERRORN, r32(SMMU + GERROR));
  } else if (error == 0 && r32(SMMU + CMDQ_CONS) != sent) error = 0xff;
  return error;
}

static void fresh(void)
{
  command(0x04, 0, 31, 0);
  command(0x30, 0, 0, 0);
}

/* Prints the events since the last call, without CLASS (QEMU 7.2 has none), and gives the type of the last. */
static u32 events(void)
{
  u32 prod = r32(SMMU + EVENTQ_PROD), type = 0, n;
  while (seen != prod) {
    u64 at = EVENTS + 32 * (seen & (QUEUE - 1));
    type = r32(at) & 0xff;
    text(" event");
    for (n = 0; n < 8; n++) {
      put(n == 0 ? ' ' : ':');
      hex(n == 3 ? r32(at + 4 * n) & ~0x300u : r32(at + 4 * n));
    }
    seen = (seen + 1) & (2 * QUEUE - 1);
  }
  w32(SMMU + EVENTQ_CONS, seen);
  return type;
}

static void stream(u64 at, u32 w0, u64 context, u32 w1, u32 w2)
{
  int n;
  for (n = 0; n < 16; n++) w32(at + 4 * n, 0);
  w32(at + 4, w1 | (u32)(context >> 32));
  w32(at + 8, w2);
  w32(at, w0 | (u32)context);
}

struct format { u32 tsz, tg, page, start; };
static const struct format formats[] = {
  { 16, 0, 12, 0 }, { 25, 0, 12, 1 }, { 32, 0, 12, 1 }, { 39, 0, 12, 2 },
  { 17, 2, 14, 1 }, { 28, 2, 14, 2 }, { 39, 2, 14, 3 },
  { 16, 1, 16, 1 }, { 23, 1, 16, 2 }, { 39, 1, 16, 3 },
};
static const struct format *now;

#define CD_GOOD 0x6204u /* IPS 44 bits, AA64, R, A */

static void context(u32 w0, u32 w1, u64 ttb0)
{
  int n;
  for (n = 0; n < 16; n++) w32(CONTEXT + 4 * n, 0);
  w32(CONTEXT + 4, w1);
  w64(CONTEXT + 8, ttb0);
  w32(CONTEXT, w0);
}
static void use(const struct format *f)
{
  u64 at;
  now = f;
  for (at = TABLES; at < TABLES + 0x40000; at += 8) w64(at, 0);
  context(0xc0000000u | f->tsz | f->tg << 6, CD_GOOD | 1u << 16, TABLES);
}

/* Writes a descriptor for an address at a level; the tables above are at TABLES, one after the other. */
static void map(u64 iova, u32 level, u64 descriptor)
{
  u32 stride = now->page - 3, l;
  u64 table = TABLES, below;
  for (l = now->start;; l++) {
    u32 shift = now->page + (3 - l) * stride;
    u64 count = l == now->start ? 1ul << (64 - now->tsz - shift) : 1ul << stride;
    u64 entry = table + 8 * ((iova >> shift) & (count - 1));
    if (l == level) {
      w64(entry, descriptor);
      return;
    }
    below = table + (1ul << now->page);
    w64(entry, below | 3);
    table = below;
  }
}

/* One word through the SMMU in both directions: ok if it comes where it should, without an event. */
static void transfer(u64 iova, u64 physical)
{
  static u32 number = 0x1000;
  u32 sentence = number += 0x1357, type;
  w32(DATA + 0xff0, sentence);
  w32(physical, sentence);
  dma_read(iova);
  w32(physical, 0);
  dma_write(iova);
  field("iova", iova);
  field("got", r32(physical));
  type = events();
  done(type == 0 && r32(physical) == sentence);
}
static void fault(u64 iova, int write, u32 expected)
{
  u32 type;
  if (write) dma_write(iova); else dma_read(iova);
  field("iova", iova);
  type = events();
  done(type == expected);
}

/* ---------------------------------------------------------------------------------------------- the steps */

static void registers(void)
{
  static const u32 wide[] = { STRTAB_BASE, CMDQ_BASE, EVENTQ_BASE };
  u32 at;
  for (at = 0; at < 0xd0; at += 4) {
    if (r32(SMMU + at) == 0) continue;
    text("register"); field("at", at); field("value", r32(SMMU + at)); done(1);
  }
  for (at = 0xfd0; at < 0x1000; at += 4) {
    text("identification"); field("at", at); field("value", r32(SMMU + at)); done(1);
  }
  for (at = 0; at < 3; at++) {
    u64 was = r64(SMMU + wide[at]);
    w64(SMMU + wide[at], 0x123456789abcd3ul);
    text("wide"); field("at", wide[at]); field("was", was); field("is", r64(SMMU + wide[at]));
    done(r64(SMMU + wide[at]) == 0x123456789abcd3ul);
    w64(SMMU + wide[at], was);
  }
  w32(SMMU + CR0, 0xfffffff0);
  text("CR0ACK"); field("is", r32(SMMU + CR0ACK)); done(r32(SMMU + CR0ACK) == 0x3d0);
  w32(SMMU + CR0, 0);
  text("disabled"); transfer(DATA, DATA);
}

static int known(u32 number)
{
  static const u8 numbers[] = { 1, 2, 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x18, 0x1a, 0x20, 0x21, 0x22, 0x23,
                                0x30, 0x40, 0x41, 0x44, 0x45, 0x46 };
  u32 n;
  for (n = 0; n < sizeof numbers; n++) if (numbers[n] == number) return 1;
  return 0;
}

static u32 pending(void) { u32 v = r32(GICD + 0x200 + 12) >> 8; w32(GICD + 0x280 + 12, 0xffffffff); return v & 0x3f; }

static void commands(void)
{
  u32 number, error;
  reset_queues();
  for (number = 0; number < 256; number++) {
    if (number == 0x28 || number == 0x2a) text("* ");
    error = command(number, SID, 0, 0);
    text("command"); field("number", number); field("error", error);
    done(error == !known(number));
  }
  for (number = 3; number <= 6; number++) {
    error = command(number | 0x400, SID, 0, 0);
    text("secure"); field("number", number); field("error", error); done(error == 1);
  }
  w64(SMMU + CMDQ_BASE, NOWHERE | QUEUE_LOG2);
  error = command(0x46, 0, 0, 0);
  text("queue nowhere"); field("error", error); done(error == 2);
  reset_queues();
  /* SPIs 74 … 77 are INTIDs 106 … 109: event queue, -, sync, error. All edge-triggered. */
  w32(GICD + 0xc18, 0xaaaaaaaa);
  pending();
  command(0x46, 0, 0, 0);
  text("no signal"); number = pending(); field("pending", number); done(number == 0);
  command(0x1046, 0, 0, 0);
  text("signal"); number = pending(); field("pending", number); done(number == 1u << 4);
  command(0, 0, 0, 0);
  text("error"); number = pending(); field("pending", number); done(number == 1u << 5);
}

static void streams(void)
{
  u32 n;
  reset_queues();
  use(&formats[1]);
  for (n = 0; n < 8; n++) {
    stream(STREAMS + 64 * SID, 1 | n << 1, CONTEXT, 0, 0);
    fresh();
    text("config"); field("is", n);
    fault(DATA, 1, n < 4 || n == 4 ? 0 : n == 5 ? 0x10 : 4);
  }
  stream(STREAMS + 64 * SID, 4 << 1, CONTEXT, 0, 0);
  fresh(); text("invalid"); fault(DATA, 1, 4);
  stream(STREAMS + 64 * SID, 1 | 5 << 1, CONTEXT, 1u << 27, 0);
  fresh(); text("S1CDMax"); fault(DATA, 1, 4);
  stream(STREAMS + 64 * SID, 1 | 5 << 1, CONTEXT, 0, 1u << 27);
  fresh(); text("S1STALLD"); fault(DATA, 1, 4);
  stream(STREAMS + 64 * SID, 1 | 5 << 1, NOWHERE, 0, 0);
  fresh(); text("* CD nowhere"); fault(DATA, 1, 9);

  stream(STREAMS + 64 * SID, 1 | 4 << 1, CONTEXT, 0, 0);
  for (n = 2; n < 9; n += 2) {
    w32(SMMU + STRTAB_BASE_CFG, n);
    fresh(); text("linear"); field("log2", n); fault(DATA, 1, n < 5 ? 2 : 0);
  }
  w64(SMMU + STRTAB_BASE, NOWHERE);
  fresh(); text("table nowhere"); fault(DATA, 1, 3);
  w64(SMMU + STRTAB_BASE, STREAMS);

  /* Two levels: 2^4 streams to a table, the one of the bus master is number 8 of table 1. */
  w32(SMMU + STRTAB_BASE_CFG, 0x10000 | 4 << 6 | 8);
  stream(LEVEL2 + 64 * (SID & 15), 1 | 4 << 1, CONTEXT, 0, 0);
  for (n = 0; n < 6; n++) {
    w64(STREAMS + 8 * (SID >> 4), LEVEL2 | n);
    fresh(); text("span"); field("is", n); fault(DATA, 1, n == 0 ? 2 : n < 4 ? 4 : 0);
  }
  w64(STREAMS + 8 * (SID >> 4), NOWHERE | 5);
  fresh(); text("level 2 nowhere"); fault(DATA, 1, 3);
  w64(SMMU + STRTAB_BASE, NOWHERE);
  fresh(); text("level 1 nowhere"); fault(DATA, 1, 3);
  w64(SMMU + STRTAB_BASE, STREAMS);
  w64(STREAMS + 8 * (SID >> 4), LEVEL2 | 5);
}

/* From here on the Stream table has two levels: that choice lasts until a reset in QEMU. */
static void stage1(u64 at) { stream(at, 1 | 5 << 1, CONTEXT, 0, 0); w32(SMMU + STRTAB_BASE_CFG, 0x10000 | 4 << 6 | 8); }

static void contexts(void)
{
  static const struct { const char *name; u32 w0, w1; } cases[] = {
    { "V", 0x40000019, CD_GOOD }, { "AA64", 0xc0000019u, CD_GOOD & ~0x200u }, { "A", 0xc0000019u, CD_GOOD & ~0x4000u },
    { "S", 0xc0000019u, CD_GOOD | 0x1000 }, { "HA", 0xc0000019u, CD_GOOD | 0x800 }, { "HD", 0xc0000019u, CD_GOOD | 0x400 },
    { "ENDI", 0xc0008019, CD_GOOD }, { "T0SZ 15", 0xc000000f, CD_GOOD }, { "T0SZ 40", 0xc0000028, CD_GOOD },
    { "TG0", 0xc00000d9, CD_GOOD }, { "T1SZ", 0x80800019, CD_GOOD }, { "TG1", 0x80190019, CD_GOOD },
  };
  u32 n;
  reset_queues();
  stage1(LEVEL2 + 64 * (SID & 15));
  for (n = 0; n < sizeof cases / sizeof cases[0]; n++) {
    context(cases[n].w0, cases[n].w1, TABLES);
    fresh(); text("CD."); text(cases[n].name); fault(0, 1, 0xa);
  }
  context(0xc0000019u, CD_GOOD & ~7u, 1ul << 32);
  fresh(); text("CD.TTB0 above IPS"); fault(0, 1, 0xa);
  context(0xc0000019u, CD_GOOD, 1ul << 44);
  fresh(); text("CD.TTB0 above OAS"); fault(0, 1, 0xa);
}

static void walks(void)
{
  u32 n, level;
  reset_queues();
  stage1(LEVEL2 + 64 * (SID & 15));
  for (n = 0; n < sizeof formats / sizeof formats[0]; n++) {
    const struct format *f = &formats[n];
    u64 high = (1ul << (64 - f->tsz)) - (1ul << f->page);
    for (level = f->start; level <= 3; level++) {
      u64 size = 1ul << (f->page + (3 - level) * (f->page - 3));
      if (level < (f->page == 12 ? 1u : 2u)) continue;
      use(f);
      /* A block holds all of RAM from its beginning; a page holds the data alone. */
      map(0, level, (level == 3 ? DATA | 3 : (DATA & ~(size - 1)) | 1) | 0x400);
      fresh();
      text("leaf"); field("page", f->page); field("tsz", f->tsz); field("level", level);
      transfer((level == 3 ? 0 : DATA & (size - 1)) + 0x230, DATA + 0x230);
    }
    use(f);
    map(high, 3, DATA | 0x403);
    fresh();
    text("last page"); transfer(high + 0x40, DATA + 0x40);
    text("below"); fault(high - (1ul << f->page), 0, 0x10);
    if (f->tsz == 16) text("* ");
    text("beyond"); fault(high + (1ul << f->page), 1, 0x10);
    map(high, 3, DATA | 0x401);
    fresh(); text("reserved"); fault(high, 0, 0x10);
    map(high, 3, DATA | 0x483);
    fresh(); text("read-only"); fault(high, 1, 0x13);
    text("read"); fault(high, 0, 0);
    text("read-only, cached"); fault(high + 8, 1, 0x13);
    if (f->start < 3) {
      map(high, f->start, NOWHERE | 3);
      fresh(); text("table nowhere"); fault(high, 0, 0xb);
    }
  }
  /* What 7.2 leaves out. */
  use(&formats[1]);
  map(0, 3, DATA | 3);
  fresh(); text("* Access flag"); fault(0, 0, 0x12);
  map(0, 3, 1ul << 44 | 0x403);
  fresh(); text("* page above OAS"); fault(0, 0, 0x11);
}

/* Each invalidation: three pages used, of one ASID alone (nG), then changed in memory; which of them are still the old ones? */
static void invalidations(void)
{
  static const struct { const char *name; u32 w[4]; u32 left; } cases[] = {
    { "nothing", { 0x46, 0, 0, 0 }, 7 },
    { "NH_ALL", { 0x10, 0, 0, 0 }, 0 },
    { "NH_ASID", { 0x11, 1u << 16, 0, 0 }, 0 },
    { "NH_ASID other", { 0x11, 2u << 16, 0, 0 }, 7 },
    { "NH_VA", { 0x12, 1u << 16, 0x1000, 0 }, 5 },
    { "NH_VA other ASID", { 0x12, 2u << 16, 0x1000, 0 }, 7 },
    { "NH_VA leaf", { 0x12, 1u << 16, 0x2001, 0 }, 3 },
    { "NH_VAA", { 0x13, 2u << 16, 0, 0 }, 6 },
    { "NH_VA range", { 0x12 | 1u << 12, 1u << 16, 0x1400, 0 }, 1 },
    { "NH_VA range, scaled", { 0x12 | 1u << 20, 1u << 16, 0x0400, 0 }, 4 },
    { "NH_VAA range, TTL", { 0x13, 0, 0x0700, 0 }, 6 },
    { "NSNH_ALL", { 0x30, 0, 0, 0 }, 0 },
    { "CFGI_STE", { 0x03, SID, 0, 0 }, 7 },
    { "EL2_ALL", { 0x20, 0, 0, 0 }, 7 },
  };
  u32 n, page, left;
  reset_queues();
  stage1(LEVEL2 + 64 * (SID & 15));
  for (n = 0; n < sizeof cases / sizeof cases[0]; n++) {
    use(&formats[1]);
    for (page = 0; page < 3; page++) map(0x1000 * page, 3, (DATA + 0x1000 * page) | 0xc03);
    fresh();
    for (page = 0; page < 3; page++) dma_read(0x1000 * page);
    for (page = 0; page < 3; page++) map(0x1000 * page, 3, 0);
    command(cases[n].w[0], cases[n].w[1], cases[n].w[2], cases[n].w[3]);
    left = 0;
    text("TLBI "); text(cases[n].name);
    for (page = 0; page < 3; page++) {
      dma_read(0x1000 * page);
      if (events() == 0) left |= 1u << page;
    }
    field("left", left);
    done(left == cases[n].left);
  }
  stream(LEVEL2 + 64 * (SID & 15), 1 | 4 << 1, CONTEXT, 0, 0);
  text("STE changed"); fault(0x5000, 0, 0x10);
  command(0x03, SID + 1, 0, 0);
  text("CFGI_STE of another"); fault(0x5000, 0, 0x10);
  command(0x03, SID, 0, 0);
  text("CFGI_STE"); transfer(DATA, DATA);
  stage1(LEVEL2 + 64 * (SID & 15));
  use(&formats[1]);
  map(0, 3, DATA | 0x403);
  fresh();
  text("before CD changed"); transfer(0, DATA);
  context(0xc0004019, CD_GOOD | 1u << 16, TABLES);
  text("CD changed"); transfer(0, DATA);
  command(0x05, SID, 0, 0);
  text("CFGI_CD"); fault(0x2000, 0, 0x10);
}

static void queues(void)
{
  u32 n;
  reset_queues();
  stage1(LEVEL2 + 64 * (SID & 15));
  use(&formats[1]);
  fresh();
  pending();
  for (n = 0; n < QUEUE; n++) dma_read(0x1000 * n);
  text("event queue full"); field("prod", r32(SMMU + EVENTQ_PROD)); field("gerror", r32(SMMU + GERROR) ^ r32(SMMU + GERRORN));
  n = pending(); field("pending", n);
  done(r32(SMMU + EVENTQ_PROD) == QUEUE && n == 4);
  dma_read(0x1000);
  text("one more"); field("prod", r32(SMMU + EVENTQ_PROD)); field("gerror", r32(SMMU + GERROR) ^ r32(SMMU + GERRORN));
  n = pending(); field("pending", n);
  done((r32(SMMU + GERROR) ^ r32(SMMU + GERRORN)) == 4 && n == 1u << 5);
  w32(SMMU + GERRORN, r32(SMMU + GERROR));
  events(); done(1);
  w64(SMMU + EVENTQ_BASE, NOWHERE | QUEUE_LOG2);
  dma_read(0x1000);
  text("event queue nowhere"); field("gerror", r32(SMMU + GERROR) ^ r32(SMMU + GERRORN));
  done((r32(SMMU + GERROR) ^ r32(SMMU + GERRORN)) == 4);
  reset_queues();
  stage1(LEVEL2 + 64 * (SID & 15));
  w32(SMMU + CR0, 9);
  dma_read(0x1000);
  text("event queue disabled"); field("prod", r32(SMMU + EVENTQ_PROD)); done(r32(SMMU + EVENTQ_PROD) == 0);
  context(0xc0000019u, CD_GOOD & ~0x2000u, TABLES);
  w32(SMMU + CR0, 0xd);
  fresh();
  text("CD.R is 0"); fault(0x1000, 1, 0);
  w32(SMMU + IRQ_CTRL, 0);
  context(0xc0000019u, CD_GOOD, TABLES);
  fresh();
  pending();
  text("no interrupt wanted"); fault(0x1000, 1, 0x10);
  text("pending"); n = pending(); field("is", n); done(n == 0);
}

int main(void)
{
  timer_init();
  text("smmu: "); text(edu_init() ? "edu is there" : "no edu at 00:03.0"); done(r32(EDU) == 0x010000ed);
  registers();
  commands();
  streams();
  contexts();
  walks();
  invalidations();
  queues();
  text("checks"); field("made", checks); field("bad", bad); put('\n');
  return 0;
}
