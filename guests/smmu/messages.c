/* Messages are writes like all others: MSIs of the bus master go through the SMMU to the ITS. */
#include "smmu.h"

#define GITS 0x08080000ul
#define TRANSLATER 0x08090040ul
#define ITS_QUEUE 0x44200000ul
#define ITS_DEVICES 0x44210000ul
#define ITS_COLLECTIONS 0x44220000ul
#define ITS_EVENTS 0x44230000ul
#define PROPERTIES 0x44240000ul
#define PENDING 0x44260000ul
#define VALID (1ul << 63)
#define IOVA 0x7000ul

static u32 at;

static void its(u64 a, u64 b, u64 c)
{
  w64(ITS_QUEUE + at, a); w64(ITS_QUEUE + at + 8, b); w64(ITS_QUEUE + at + 16, c); w64(ITS_QUEUE + at + 24, 0);
  at += 32;
  w64(GITS + 0x88, at);
}

static void its_init(void)
{
  u64 n;
  for (n = ITS_QUEUE; n < PENDING + 0x10000; n += 8) w64(n, 0);
  for (n = 0; n < 8; n++) *(volatile u8 *)(PROPERTIES + n) = 0xa3;
  w64(GICR + 0x70, PROPERTIES | 15);
  w64(GICR + 0x78, PENDING);
  w32(GICR, 1);                                     /* GICR_CTLR.EnableLPIs */
  w64(GITS + 0x80, VALID | ITS_QUEUE);
  w64(GITS + 0x100, VALID | ITS_DEVICES);
  w64(GITS + 0x108, VALID | ITS_COLLECTIONS);
  w32(GITS, 1);
  its(0x09, 0, VALID);                                          /* MAPC 0 to CPU 0 */
  its(0x08 | (u64)SID << 32, 4, ITS_EVENTS | VALID);            /* MAPD */
  its(0x0a | (u64)SID << 32, 1 | 8193ul << 32, 0);              /* MAPTI: event 1 */
}

/* The bus master sends event 1 to an address; which LPI comes, and what the SMMU tells. */
static void send(u64 address, u32 lpi, u32 event)
{
  u64 config = CONFIG(SID), intid;
  u8 msi = r8(config + 0x34);
  u32 type;
  while (r8(config + msi) != 5) msi = r8(config + msi + 1);
  w32(config + msi + 4, (u32)address);
  w32(config + msi + 8, (u32)(address >> 32));
  w16(config + msi + 12, 1);
  w16(config + msi + 2, 1);
  w32(EDU + 0x60, 1);
  w32(EDU + 0x64, 1);
  __asm__ volatile("isb\n mrs %0, S3_0_C12_C12_0" : "=r"(intid));               /* ICC_IAR1_EL1 */
  if (intid < 1020 || intid > 1023) __asm__ volatile("msr S3_0_C12_C12_1, %0" ::"r"(intid));
  w16(config + msi + 2, 0);
  field("address", address); field("taken", intid);
  type = events();
  done(intid == lpi && type == event);
}

void messages(void)
{
  /* The ITS is there with GICv3, unless the machine was told otherwise. */
  if ((r32(GITS + 0xffe8) & 0xff) != 0x3b) return;
  its_init();
  reset_queues();
  stage1(LEVEL2 + 64 * (SID & 15));
  use(&formats[1]);
  map(IOVA, 3, (TRANSLATER & ~0xffful) | 0x403);
  fresh();
  text("message through a page"); send(IOVA + 0x40, 8193, 0);
  text("message to an address that is not mapped"); send(TRANSLATER, 1023, 0x10);
  map(IOVA, 3, (TRANSLATER & ~0xffful) | 0x483);
  text("mapping made read-only, remembered"); send(IOVA + 0x40, 8193, 0);
  fresh();
  text("read-only"); send(IOVA + 0x40, 1023, 0x13);
  stream(LEVEL2 + 64 * (SID & 15), 1 | 4 << 1, 0, 0, 0);
  fresh();
  text("message past translation"); send(TRANSLATER, 8193, 0);
  stream(LEVEL2 + 64 * (SID & 15), 1, 0, 0, 0);
  fresh();
  text("message of a stream that aborts"); send(TRANSLATER, 1023, 0);
  w32(SMMU + CR0, 0);
  text("message while the SMMU is off"); send(TRANSLATER, 8193, 0);
  w32(GICR, 0);
}
