/*
 * Drives the SMMUv3 of the virt board register by register, with the `edu` device (PCI 00:03.0) as bus master:
 * every command number, stream tables of both kinds, every granule, page sizes, invalidations, every fault of
 * stage 1, both error queues. Each step says what the architecture expects (Arm IHI 0070); the last line counts.
 *
 * Lines that begin with `*` are about what QEMU 7.2 does differently, see docs/device-differences.md.
 */
#include "smmu.h"

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
  for (n = 0; n < FORMATS; n++) {
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
  context(0x80990019u, CD_GOOD | 1u << 16 | 1u << 7, TABLES);
  w64(CONTEXT + 16, TABLES);
  map(0, 3, DATA | 0x403);
  map(0x7ffffff000, 3, (DATA + 0x1000) | 0x403);
  fresh(); text("* TTB1"); transfer(0xffffff8000000230ul, DATA + 0x230);
  text("* TTB1, last page"); transfer(0xfffffffffffff040ul, DATA + 0x1040);
  text("* TTB1, TBI1"); transfer(0x12ffff8000000800ul, DATA + 0x800);
  text("* below TTB1"); fault(0xffffff7ffffff000ul, 0, 0x10);
  text("* TTB0 beside it"); transfer(0x7ffffff080ul, DATA + 0x1080);
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
  wrong();
  rings();
  messages();
  text("checks"); field("made", checks); field("bad", bad); put('\n');
  return 0;
}
