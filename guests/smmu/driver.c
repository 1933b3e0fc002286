#include "smmu.h"

void put(char c) { w32(UART, (u8)c); }
void text(const char *s) { while (*s) put(*s++); }
void hex(u64 v)
{
  int shift = 60;
  while (shift > 0 && (v >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[(v >> shift) & 15]);
}
void field(const char *name, u64 v) { put(' '); text(name); put('='); hex(v); }

u32 checks, bad;
/* Ends a line; the step is good if `ok`. */
void done(int ok)
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

void timer_init(void)
{
  w32(GICD, 0x12);                    /* GICD_CTLR: affinity routing, group 1 */
  w32(GICR + 0x14, 0);                /* GICR_WAKER */
  w32(GICR + 0x10080, 0xffffffff);    /* GICR_IGROUPR0 */
  w32(GICR + 0x10100, 1u << 27);      /* GICR_ISENABLER0: virtual timer */
  __asm__ volatile("msr S3_0_C12_C12_5, %0\n isb" ::"r"(7ul));    /* ICC_SRE_EL1 */
  __asm__ volatile("msr S3_0_C4_C6_0, %0" ::"r"(0xfful));         /* ICC_PMR_EL1 */
  __asm__ volatile("msr S3_0_C12_C12_7, %0\n isb" ::"r"(1ul));    /* ICC_IGRPEN1_EL1 */
}

void sleep_ms(u64 ms)
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

int edu_init(void)
{
  u64 config = CONFIG(SID);
  if (r32(config) != 0x11e81234) return 0;
  w32(config + 0x10, EDU);
  w32(config + 0x04, 6);
  return r32(EDU) == 0x010000ed;
}

void dma(u64 from, u64 to, u64 length, u32 command)
{
  w64(EDU + 0x80, from);
  w64(EDU + 0x88, to);
  w64(EDU + 0x90, length);
  w64(EDU + 0x98, command);
  do sleep_ms(110); while (r64(EDU + 0x98) & 1);
}
void dma_write(u64 iova) { dma(0x40000, iova, 4, 3); }
void dma_read(u64 iova) { dma(iova, 0x40000, 4, 1); }

/* ----------------------------------------------------------------------------------------------- driver */

u32 sent, seen;

void reset_queues(void)
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
u32 command(u32 a, u32 b, u32 c, u32 d)
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

void fresh(void)
{
  command(0x04, 0, 31, 0);
  command(0x30, 0, 0, 0);
}

/* Prints the events since the last call, without CLASS (QEMU 7.2 has none), and gives the type of the last. */
u32 events(void)
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

void stream(u64 at, u32 w0, u64 context, u32 w1, u32 w2)
{
  int n;
  for (n = 0; n < 16; n++) w32(at + 4 * n, 0);
  w32(at + 4, w1 | (u32)(context >> 32));
  w32(at + 8, w2);
  w32(at, w0 | (u32)context);
}

const struct format formats[FORMATS] = {
  { 16, 0, 12, 0 }, { 25, 0, 12, 1 }, { 32, 0, 12, 1 }, { 39, 0, 12, 2 },
  { 17, 2, 14, 1 }, { 28, 2, 14, 2 }, { 39, 2, 14, 3 },
  { 16, 1, 16, 1 }, { 23, 1, 16, 2 }, { 39, 1, 16, 3 },
};
static const struct format *now;

void context(u32 w0, u32 w1, u64 ttb0)
{
  int n;
  for (n = 0; n < 16; n++) w32(CONTEXT + 4 * n, 0);
  w32(CONTEXT + 4, w1);
  w64(CONTEXT + 8, ttb0);
  w32(CONTEXT, w0);
}
void use(const struct format *f)
{
  u64 at;
  now = f;
  for (at = TABLES; at < TABLES + 0x40000; at += 8) w64(at, 0);
  context(0xc0000000u | f->tsz | f->tg << 6, CD_GOOD | 1u << 16, TABLES);
}

/* Writes a descriptor for an address at a level; the tables above are at TABLES, one after the other. */
void map(u64 iova, u32 level, u64 descriptor)
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
void transfer(u64 iova, u64 physical)
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
void fault(u64 iova, int write, u32 expected)
{
  u32 type;
  if (write) dma_write(iova); else dma_read(iova);
  field("iova", iova);
  type = events();
  done(type == expected);
}

void stage1(u64 at) { stream(at, 1 | 5 << 1, CONTEXT, 0, 0); w32(SMMU + STRTAB_BASE_CFG, 0x10000 | 4 << 6 | 8); }
