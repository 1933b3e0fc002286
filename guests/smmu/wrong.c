/* Programming that a driver should not do: each step ends in an error or an event, and the next one works. */
#include "smmu.h"

#define OURS (LEVEL2 + 64 * (SID & 15))
#define GERRORS (r32(SMMU + GERROR) ^ r32(SMMU + GERRORN))

static void good(void)
{
  reset_queues();
  stage1(OURS);
  use(&formats[1]);
  map(0, 3, DATA | 0x403);
  fresh();
}
static void works(void) { good(); text("and works again"); transfer(0, DATA); }

void wrong(void)
{
  u32 n, type;
  good();
  w32(SMMU + CR0, 0);
  w64(SMMU + CMDQ_BASE, COMMANDS | 0x80 | QUEUE_LOG2);
  w32(SMMU + CR0, 0xd);
  n = command(0x46, 0, 0, 0);
  text("* CMDQ_BASE not aligned, low bits do not count"); field("error", n); field("gerror", GERRORS); done(n == 0);
  good();
  w32(SMMU + CR0, 0);
  w64(SMMU + EVENTQ_BASE, EVENTS | 0x80 | QUEUE_LOG2);
  w32(SMMU + CR0, 0xd);
  text("* EVENTQ_BASE not aligned, low bits do not count"); fault(0x5000, 0, 0x10);
  works();
  w64(SMMU + CMDQ_BASE, 0xfffffffffffe0ul | QUEUE_LOG2);
  n = command(0x46, 0, 0, 0);
  text("CMDQ_BASE at the end of all addresses"); field("error", n); done(n == 2);
  good();
  w64(SMMU + CMDQ_BASE, (SMMU + 0x8000) | QUEUE_LOG2);
  n = command(0x46, 0, 0, 0);
  text("* CMDQ_BASE in the registers of the SMMU"); field("error", n); done(n == 2);
  good();
  w64(SMMU + EVENTQ_BASE, 0xfffffffffffe0ul | QUEUE_LOG2);
  dma_read(0x5000);
  text("EVENTQ_BASE at the end of all addresses"); field("gerror", GERRORS); done(GERRORS == 4);
  works();
  /* More than there is: a full turn of commands that are none. */
  for (n = 0; n < QUEUE; n++) { w64(COMMANDS + 16 * n, 0); w64(COMMANDS + 16 * n + 8, 0); }
  w32(SMMU + CMDQ_PROD, r32(SMMU + CMDQ_CONS) ^ QUEUE);
  text("a queue full of no commands"); field("error", (r32(SMMU + CMDQ_CONS) >> 24) & 0x7f); field("gerror", GERRORS);
  done(GERRORS == 1);
  works();

  w64(SMMU + STRTAB_BASE, 0xffffffffff000ul);
  fresh(); text("STRTAB_BASE at the end of all addresses"); fault(0, 0, 3);
  w64(SMMU + STRTAB_BASE, SMMU);
  fresh(); text("* STRTAB_BASE at the registers of the SMMU"); fault(0, 0, 3);
  works();
  w64(STREAMS + 8 * (SID >> 4), STREAMS | 5);
  /* The entry read as a Stream table entry is what lies 8 entries on: nothing. */
  fresh(); text("a level-1 descriptor that points to its own table"); fault(0, 0, 4);
  w64(STREAMS + 8 * (SID >> 4), LEVEL2 | 5);
  works();
  stream(OURS, 1 | 5 << 1, 0xfffffffffffc0ul, 0, 0);
  fresh(); text("* S1ContextPtr at the end of all addresses"); fault(0, 0, 9);
  stream(OURS, 1 | 5 << 1, OURS, 0, 0);
  fresh(); text("S1ContextPtr at the entry itself"); fault(0, 0, 10);
  works();
  w64(TABLES, TABLES | 3);
  fresh(); text("* a table that is its own next, ends at a page without Access flag"); fault(0, 0, 0x12);
  w64(TABLES, TABLES | 0x403);
  fresh(); text("a table that is its own next, and a page at last");
  dma_read(0); type = events(); field("type", type); done(type == 0);
  for (n = 0; n < 512; n++) w64(TABLES + 8 * n, TABLES | 0x403);
  fresh(); text("a table whose every entry is itself"); dma_read(0x7fffffe000ul & 0x7ffffff000ul); type = events(); field("type", type); done(type == 0);
  works();
  context(0xc0000019u, CD_GOOD | 1u << 16, SMMU);
  fresh(); text("* TTB0 in the registers of the SMMU"); fault(0, 0, 0xb);
  works();

  /* What the bus master reaches when nothing stops it: registers are no memory. */
  stream(OURS, 1 | 4 << 1, 0, 0, 0);
  fresh();
  n = r32(SMMU + CR0);
  w32(DATA, 0);
  dma(DATA, 0x40000, 4, 1);
  dma_write(SMMU + CR0);
  text("* DMA to SMMU_CR0 goes nowhere"); field("is", r32(SMMU + CR0)); done(r32(SMMU + CR0) == n);
  good();
  map(0x3000, 3, (SMMU & ~0xffful) | 0x403);
  fresh();
  dma(DATA, 0x40000, 4, 1);
  dma_write(0x3020);
  text("* nor does it through a page"); field("is", r32(SMMU + CR0)); done(r32(SMMU + CR0) == n);
  works();
  /* The bus master writes over the tables that translate it. */
  map(0x4000, 3, ((TABLES + 0x2000) & ~0xffful) | 0x403);
  w32(DATA, 0);
  fresh();
  dma(0, 0x40000, 4, 1);
  dma_write(0x4000);
  command(0x30, 0, 0, 0);
  text("its own descriptor overwritten"); fault(0, 0, 0x10);
  works();
  /* Events written over the entry of the stream that faults: it ends when the entry is no longer good. */
  w64(SMMU + EVENTQ_BASE, (LEVEL2 & ~0x1fful) | QUEUE_LOG2);
  for (n = 0; n < 2 * QUEUE; n++) { dma_read(0x5000); fresh(); w32(SMMU + EVENTQ_CONS, r32(SMMU + EVENTQ_PROD)); }
  text("events over the Stream table"); field("gerror", GERRORS); done(1);
  w32(SMMU + GERRORN, r32(SMMU + GERROR));
  works();
}

/* ------------------------------------------------------------------ rings of a virtio device behind the SMMU */

#define RNG_SID (5u << 3)
#define RNG CONFIG(RNG_SID)
#define RNG_BAR 0x10200000ul
#define RING 0x44100000ul
/* Input addresses: descriptors, available ring, used ring, buffer; what follows is not mapped. */
#define IOVA 0x10000ul
#define BUFFER 0x20000ul
#define HOLE 0x30000ul

static u64 common, notify;

static u8 capability(u8 type)
{
  u8 at = r8(RNG + 0x34);
  for (; at != 0; at = r8(RNG + at + 1)) if (r8(RNG + at) == 9 && r8(RNG + at + 3) == type) return at;
  return 0;
}

/* Resets the device and gives it one queue at these input addresses. */
static void driver(u64 descriptors, u64 available, u64 used)
{
  u32 n;
  for (n = 0; n < 0x3000; n += 8) w64(RING + n, 0);
  good();
  stream(LEVEL2 + 64 * (RNG_SID & 15), 1 | 5 << 1, CONTEXT, 0, 0);
  w64(STREAMS + 8 * (RNG_SID >> 4), LEVEL2 | 5);
  for (n = 0; n < 3; n++) map(IOVA + 0x1000 * n, 3, (RING + 0x1000 * n) | 0x403);
  map(BUFFER, 3, DATA | 0x403);
  fresh();
  w8(common + 0x14, 0);
  w8(common + 0x14, 1); w8(common + 0x14, 3);
  w32(common + 0x08, 1); w32(common + 0x0c, 3);     /* VERSION_1, ACCESS_PLATFORM */
  w32(common + 0x08, 0); w32(common + 0x0c, 0);
  w8(common + 0x14, 11);
  w16(common + 0x16, 0);
  w16(common + 0x18, 8);
  w32(common + 0x20, (u32)descriptors); w32(common + 0x24, 0);
  w32(common + 0x28, (u32)available); w32(common + 0x2c, 0);
  w32(common + 0x30, (u32)used); w32(common + 0x34, 0);
  w16(common + 0x1c, 1);
  w8(common + 0x14, 15);
}

static void request(u64 to, u16 flags, u16 next)
{
  u32 n;
  w64(RING, to); w32(RING + 8, 16); w16(RING + 12, flags); w16(RING + 14, next);
  w16(RING + 0x1002, 1);
  w16(notify, 0);
  for (n = 0; n < 100 && r16(RING + 0x2002) != 1 && !(r8(common + 0x14) & 0x40); n++) sleep_ms(1);
}

/* What a request came to: the device's status, the used ring, the type of the last event. */
static void came(const char *name, u32 needs_reset, u32 used, u32 expected)
{
  u32 status = r8(common + 0x14), prod = r32(SMMU + EVENTQ_PROD), type = 0;
  if (prod != seen) type = r32(EVENTS + 32 * ((prod - 1) & (QUEUE - 1))) & 0xff;
  seen = prod;
  w32(SMMU + EVENTQ_CONS, prod);
  text(name); field("needs reset", status >> 6 & 1); field("used", r16(RING + 0x2002)); field("event", type);
  done((status >> 6 & 1) == needs_reset && r16(RING + 0x2002) == used && type == expected);
}

void rings(void)
{
  if (r32(RNG) != 0x10441af4) return;
  w32(RNG + 0x20, (u32)RNG_BAR);
  w32(RNG + 0x24, 0);
  w32(RNG + 0x04, 6);
  common = RNG_BAR + r32(RNG + capability(1) + 8);
  notify = RNG_BAR + r32(RNG + capability(2) + 8);
  driver(IOVA, IOVA + 0x1000, IOVA + 0x2000);
  text("virtio behind the SMMU"); field("status", r8(common + 0x14)); done(r8(common + 0x14) == 15);
  request(BUFFER, 2, 0);
  came("request", 0, 1, 0);
  driver(IOVA, IOVA + 0x1000, IOVA + 0x2000);
  request(BUFFER, 3, 0);
  came("a descriptor that is its own next", 1, 0, 0);
  driver(IOVA, IOVA + 0x1000, IOVA + 0x2000);
  w64(RING + 0x10, BUFFER); w32(RING + 0x18, 16); w16(RING + 0x1c, 3); w16(RING + 0x1e, 0);
  request(BUFFER, 3, 1);
  came("two descriptors in a ring", 1, 0, 0);
  driver(IOVA, IOVA + 0x1000, IOVA + 0x2000);
  request(IOVA, 4, 0);
  came("* an indirect table that is the ring itself", 1, 0, 0);
  driver(IOVA, IOVA + 0x1000, IOVA + 0x2000);
  request(HOLE, 2, 0);
  came("* a buffer that is not mapped", 1, 0, 0x10);
  driver(HOLE, IOVA + 0x1000, IOVA + 0x2000);
  request(BUFFER, 2, 0);
  came("* descriptors that are not mapped", 1, 0, 0x10);
  driver(IOVA, HOLE, IOVA + 0x2000);
  request(BUFFER, 2, 0);
  came("* an available ring that is not mapped", 0, 0, 0x10);
  driver(IOVA, IOVA + 0x1000, HOLE);
  request(BUFFER, 2, 0);
  came("* a used ring that is not mapped", 1, 0, 0x10);
  driver(IOVA, IOVA + 0x1000, IOVA + 0x2000);
  request(BUFFER, 2, 0);
  came("after all that", 0, 1, 0);
}
