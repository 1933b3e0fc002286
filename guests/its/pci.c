/* Messages of devices: MSI of `edu` on the root bus and behind a port, MSI-X of a virtio device behind a port. */
#include "bare.h"

/* The high ECAM is where GICv3 boards with much address space have it. */
#define ECAM 0x4010000000ul
#define FUNCTION(bus, device) (ECAM + ((u64)(bus) << 20) + ((u64)(device) << 15))
#define ROOT_EDU FUNCTION(0, 3)
#define PORT_A FUNCTION(0, 4)
#define PORT_B FUNCTION(0, 5)
#define RNG FUNCTION(1, 0)
#define EDU_BEHIND FUNCTION(2, 0)
#define EDU0 0x10000000ul
#define RNG_MSIX 0x10100000ul
#define RNG_BAR 0x10104000ul
#define EDU1 0x10200000ul

static u8 capability(u64 config, u8 id, u8 type)
{
  u8 at = r8(config + 0x34);
  for (; at != 0; at = r8(config + at + 1))
    if (r8(config + at) == id && (type == 0 || r8(config + at + 3) == type)) return at;
  return 0;
}

static void port(u64 config, u32 bus, u32 window)
{
  w32(config + 0x18, bus << 16 | bus << 8);
  w32(config + 0x20, (window & 0xfff00000) | window >> 16);
  w32(config + 0x24, 0x0000fff0);
  w32(config + 0x04, 6);
}

static void edu(u64 config, u64 bar, u64 address, u32 data)
{
  u8 msi = capability(config, 5, 0);
  w32(config + 0x10, (u32)bar);
  w32(config + 0x04, 6);
  w32(config + msi + 4, (u32)address);
  w32(config + msi + 8, (u32)(address >> 32));
  w16(config + msi + 12, (u16)data);
  w16(config + msi + 2, 1);
}
static void raise(u64 bar) { w32(bar + 0x60, 1); w32(bar + 0x64, 1); }
static void edu_dma(u64 bar, u64 from, u64 to, u64 count, u32 command)
{
  w64(bar + 0x80, from); w64(bar + 0x88, to); w64(bar + 0x90, count); w64(bar + 0x98, command);
  do sleep_ms(110); while (r64(bar + 0x98) & 1);
}

static void vector(u32 n, u64 address, u32 data, u32 control)
{
  w32(RNG_MSIX + 16 * n, (u32)address);
  w32(RNG_MSIX + 16 * n + 4, (u32)(address >> 32));
  w32(RNG_MSIX + 16 * n + 8, data);
  w32(RNG_MSIX + 16 * n + 12, control);
}

static u64 notify;
static u16 requests;
static u64 common;

static void rng_init(void)
{
  u8 at = capability(RNG, 9, 1), notification = capability(RNG, 9, 2), msix = capability(RNG, 0x11, 0);
  common = RNG_BAR + r32(RNG + at + 8);
  w32(RNG + 0x14, (u32)RNG_MSIX);
  w32(RNG + 0x20, (u32)RNG_BAR);
  w32(RNG + 0x24, 0);
  w32(RNG + 0x04, 6);
  w16(RNG + msix + 2, 0x8000);
  w8(common + 0x14, 0);
  w8(common + 0x14, 1); w8(common + 0x14, 3);
  w32(common + 0x08, 1); w32(common + 0x0c, 1);     /* VIRTIO_F_VERSION_1 */
  w32(common + 0x08, 0); w32(common + 0x0c, 0);
  w8(common + 0x14, 11);
  w16(common + 0x16, 0);
  w16(common + 0x18, 8);
  w16(common + 0x1a, 1);                            /* queue 0: vector 1 */
  w32(common + 0x20, (u32)VIRTQUEUE); w32(common + 0x24, 0);
  w32(common + 0x28, (u32)VIRTQUEUE + 0x1000); w32(common + 0x2c, 0);
  w32(common + 0x30, (u32)VIRTQUEUE + 0x2000); w32(common + 0x34, 0);
  notify = RNG_BAR + r32(RNG + notification + 8) + r32(RNG + notification + 16) * r16(common + 0x1e);
  w16(common + 0x1c, 1);
  w8(common + 0x14, 15);
  text("virtio-rng"); field("status", r8(common + 0x14)); field("vector", r16(common + 0x1a)); done(r8(common + 0x14) == 15);
}

/* One request of `flags` and `next`; what it writes, if the device takes it. */
static void request(u64 to, u32 bytes, u16 flags, u16 next)
{
  u32 n;
  w64(VIRTQUEUE, to); w32(VIRTQUEUE + 8, bytes); w16(VIRTQUEUE + 12, flags); w16(VIRTQUEUE + 14, next);
  w16(VIRTQUEUE + 0x1000 + 4 + 2 * (requests & 7), 0);
  w16(VIRTQUEUE + 0x1002, ++requests);
  w16(notify, 0);
  /* Randomness of a host comes in its own time. */
  for (n = 0; n < 500 && r16(VIRTQUEUE + 0x2002) != requests && !(r8(common + 0x14) & 0x40); n++) sleep_ms(1);
}

void messages(void)
{
  u8 msix;
  u32 n;
  port(PORT_A, 1, 0x10100000);
  port(PORT_B, 2, 0x10200000);
  text("devices"); field("edu", r32(ROOT_EDU)); field("port", r32(PORT_A)); field("rng", r32(RNG)); field("edu behind", r32(EDU_BEHIND));
  done(r32(ROOT_EDU) == 0x11e81234 && r32(EDU_BEHIND) == 0x11e81234 && r32(RNG) == 0x10441af4);
  msix = capability(RNG, 0x11, 0);
  fresh();
  its_off();
  zero(DEVICES, 0x4000);
  tables(VALID | DEVICES | 3, VALID | COLLECTIONS);
  its_on();
  mapd(0x18, 5, ITT(0)); mapd(0x100, 5, ITT(1)); mapd(0x200, 5, ITT(2)); mapd(0, 5, ITT(3));
  for (n = 0; n < 4; n++) {
    mapti(0x18, n, 8192 + n, 0); mapti(0x100, n, 8200 + n, 1); mapti(0x200, n, 8208 + n, 2); mapti(0, n, 8216 + n, 0);
  }
  edu(ROOT_EDU, EDU0, TRANSLATER, 2);
  edu(EDU_BEHIND, EDU1, TRANSLATER, 1);
  raise(EDU0);
  now("MSI of 00:03.0", " 0:2002");
  raise(EDU1);
  now("MSI of 02:00.0, behind a port", " 2:2011");
  edu(ROOT_EDU, EDU0, TRANSLATER, 9);
  raise(EDU0);
  now("error message UNMAPPED_INTERRUPT", "");
  edu(ROOT_EDU, EDU0, TRANSLATER, 32);
  raise(EDU0);
  now("error message ID_OOR", "");
  unmapd(0x18);
  raise(EDU0);
  now("error message UNMAPPED_DEVICE", "");
  mapd(0x18, 5, ITT(0));
  edu(ROOT_EDU, EDU0, TRANSLATER, 3);
  its_off();
  raise(EDU0);
  its_on();
  now("error message while disabled", "");
  raise(EDU0);
  now("enabled", " 0:2003");
  unmapc(0);
  raise(EDU0);
  now("error message UNMAPPED_COLLECTION", "");
  mapc(0, 1);
  raise(EDU0);
  now("another CPU", " 1:2003");
  mapc(0, 0);
  w32(TRANSLATER, 1);
  now("a CPU's own, as DeviceID 0", " 0:2019");
  w16(TRANSLATER, 2);
  now("the same with two bytes", " 0:201a");
  w32(ROOT_EDU + 4, 2);
  raise(EDU0);
  now("not a bus master: no message", "");
  w32(ROOT_EDU + 4, 6);
  port(PORT_B, 7, 0x10200000);
  mapd(0x700, 5, ITT(4)); mapti(0x700, 1, 8230, 2);
  w32(EDU1 + 0x60, 1);
  text("another bus number, another DeviceID"); now("", " 2:2026");
  port(PORT_B, 2, 0x10200000);

  /* virtio: vectors, masks, pending bits. */
  rng_init();
  vector(0, TRANSLATER, 0, 0);
  vector(1, TRANSLATER, 3, 0);
  request(DATA, 16, 2, 0);
  text("used"); field("index", r16(VIRTQUEUE + 0x2002)); field("bytes", r32(VIRTQUEUE + 0x2008)); now("", " 1:200b");
  vector(1, TRANSLATER, 3, 1);
  request(DATA, 16, 2, 0);
  now("vector masked", "");
  text("pending bits"); field("are", r32(RNG_MSIX + 0x800)); done(r32(RNG_MSIX + 0x800) == 2);
  vector(1, TRANSLATER, 2, 1);
  vector(1, TRANSLATER, 2, 0);
  now("unmasked, to another EventID", " 1:200a");
  w16(RNG + msix + 2, 0xc000);
  request(DATA, 16, 2, 0);
  now("function masked", "");
  w16(RNG + msix + 2, 0x8000);
  now("function unmasked", " 1:200a");
  vector(1, TRANSLATER, 30, 0);
  request(DATA, 16, 2, 0);
  now("error message UNMAPPED_INTERRUPT, of a virtio device", "");
  vector(1, DATA + 0x100, 0x12345678, 0);
  request(DATA, 16, 2, 0);
  text("a message to memory is a write"); field("word", r32(DATA + 0x100)); done(r32(DATA + 0x100) == 0x12345678);
  vector(1, TRANSLATER, 2, 0);

  /* DMA of a device to registers. */
  w32(ROOT_EDU + capability(ROOT_EDU, 5, 0), 0);
  w32(DATA, 1);
  edu_dma(EDU0, DATA, 0x40000, 4, 1);
  edu_dma(EDU0, 0x40000, TRANSLATER, 4, 3);
  now("* DMA of four bytes to GITS_TRANSLATER is a message of the device", " 0:2001");
  edu_dma(EDU0, 0x40000, GITS + CBASER, 4, 3);
  text("* DMA to another register of the ITS goes nowhere"); now("", "");
  edu_dma(EDU0, 0x40000, NOWHERE, 64, 3);
  now("DMA to nowhere", "");
  edu_dma(EDU0, 0x40000, EDU0 + 0x80, 8, 3);
  text("* DMA to its own registers goes nowhere"); field("source", r64(EDU0 + 0x80)); done(r64(EDU0 + 0x80) == 0x40000);

  /* Descriptors of a hostile driver. Neither may the device be lost for good. */
  request(DATA, 16, 3, 0);
  text("a descriptor that is its own next"); field("status", r8(common + 0x14)); field("used", r16(VIRTQUEUE + 0x2002));
  done(r8(common + 0x14) & 0x40);
  requests = 0;
  zero(VIRTQUEUE, 0x3000);
  rng_init();
  request(DATA, 16, 3, 200);
  text("a next beyond the queue"); field("status", r8(common + 0x14)); done(r8(common + 0x14) & 0x40);
  requests = 0;
  zero(VIRTQUEUE, 0x3000);
  rng_init();
  request(NOWHERE, 16, 2, 0);
  text("a buffer that is no memory"); field("answers", r8(common + 0x14) != 0xff); done(1);
  requests = 0;
  zero(VIRTQUEUE, 0x3000);
  rng_init();
  vector(1, TRANSLATER, 2, 0);
  taken();
  request(DATA, 16, 2, 0);
  now("and it works again after a reset", " 1:200a");
}
