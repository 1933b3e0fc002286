/* Registers, queue, tables, commands and their errors, LPIs, CPUs. */
#include "bare.h"

void registers(void)
{
  static const u32 wide[] = { CBASER, CWRITER, CREADR, BASER, BASER + 8, BASER + 16, BASER + 0x38 };
  u32 n;
  u64 typer = r64(GITS + TYPER);
  text("GITS_CTLR"); field("is", r32(GITS + CTLR)); done(r32(GITS + CTLR) == 0x80000000);
  text("GITS_TYPER"); field("is", typer); done((typer & 1) == 1 && !(typer >> 19 & 1));
  for (n = 0xffd0; n < 0x10000; n += 4) { text("identification"); field("at", n); field("is", r32(GITS + n)); done(1); }
  for (n = 0; n < 7; n++) {
    u64 was = r64(GITS + wide[n]), is;
    w64(GITS + wide[n], ~0ul);
    is = r64(GITS + wide[n]);
    text("all ones"); field("at", wide[n]); field("was", was); field("is", is);
    /* Type and entry size of a table are what they were; without a type there is no table. */
    done(wide[n] < BASER || (((is ^ was) >> 48 & 0x71f) == 0 && ((was >> 56 & 7) != 0 || is == 0)));
    w64(GITS + wide[n], 0);
  }
  for (n = 0; n < 4; n++) {
    w64(GITS + BASER, (u64)n << 8);
    text("page size"); field("written", n); field("is", r64(GITS + BASER) >> 8 & 3); done(1);
  }
  w32(GITS + CBASER, 0x42345003); w32(GITS + CBASER + 4, 0x80000000);
  text("halves"); field("is", r64(GITS + CBASER)); done(r64(GITS + CBASER) == 0x8000000042345003ul);
  w64(GITS + CWRITER, 0xfffffffffffffffful);
  text("CWRITER"); field("is", r64(GITS + CWRITER) & 0xfffe0); done(1);
  w64(GITS + CBASER, 0);
  w64(GITS + CWRITER, 0);
  queue_at(QUEUE, 1);
  its_on();
  text("enabled"); field("is", r32(GITS + CTLR)); done(r32(GITS + CTLR) & 1);
  for (n = 0; n < 5; n += 1 + (n == 0) * 2) {
    u64 was = r64(GITS + wide[n]);
    w32(GITS + wide[n], ~(u32)was & 0xfff0000);
    text("error write to GITS, read only while enabled"); field("at", wide[n]); done(r64(GITS + wide[n]) == was);
  }
  its_off();
  text("quiescent"); field("is", r32(GITS + CTLR)); done(r32(GITS + CTLR) == 0x80000000);
  for (n = 0; n < CPUS; n++) {
    u64 gicr = GICR(n);
    text("GICR"); field("cpu", n); field("TYPER", r64(gicr + 8)); field("CTLR", r32(gicr)); done(r64(gicr + 8) & 1);
    w64(gicr + PROPBASER, 0x0007ffff12345f9ful);
    text("PROPBASER"); field("is", r64(gicr + PROPBASER)); done((r64(gicr + PROPBASER) & 0x12345f9f) == 0x12345f9f);
    w64(gicr + PENDBASER, PTZ | 0x12340000ul);
    text("PENDBASER"); field("is", r64(gicr + PENDBASER) & ~PTZ); done((r64(gicr + PENDBASER) & 0x12340000) == 0x12340000);
    text("* PTZ reads as zero"); done((r64(gicr + PENDBASER) & PTZ) == 0);
  }
}

static void many(u32 n) { while (n-- > 0) { post(0x05, 0, RD(0), 0); } go(); }

void queue(void)
{
  u32 n, pages;
  for (pages = 1; pages <= 256; pages *= 4) {
    fresh();
    queue_at(QUEUE, pages);
    its_on();
    /* Round the queue more than once, with batches that wrap at another place each time. */
    for (n = 0; n < 5; n++) many(pages * 128 - 29);
    text("pages"); field("are", pages); field("CREADR", r64(GITS + CREADR));
    done(r64(GITS + CREADR) == head && r64(GITS + CWRITER) == head && head != 0);
  }
  fresh();
  mapd(1, 5, ITT(0)); mapti(1, 0, 8192, 0);
  for (n = 0; n < 300; n++) { intr(1, 0); if (taken()[0] == 0) break; }
  text("one by one, twice round"); field("done", n); done(n == 300);
  its_off();
  post(0x03 | DEV(1), 0, 0, 0);
  go();
  text("disabled, nothing is read"); field("CREADR", r64(GITS + CREADR) != head); done(r64(GITS + CREADR) != head);
  its_on();
  now("enabled, what waited is done", " 0:2000");
  its_off();
  w64(GITS + CBASER, VALID | QUEUE);
  text("CBASER written, CREADR cleared"); field("CREADR", r64(GITS + CREADR)); done(r64(GITS + CREADR) == 0);
  w64(GITS + CWRITER, 0);
  head = 0;
  its_on();
  intr(1, 0);
  now("from the beginning", " 0:2000");
  w64(GITS + CWRITER, 0x2000);
  text("error OUTSIDE, CWRITER beyond the queue"); field("CREADR", r64(GITS + CREADR)); done(r64(GITS + CREADR) == 0x20);
  w64(GITS + CWRITER, 0x20);
  its_off();
  w64(GITS + CBASER, QUEUE);
  w64(GITS + CWRITER, 0);
  head = 0;
  its_on();
  post(0x03 | DEV(1), 0, 0, 0);
  go();
  now("error OUTSIDE, no valid queue", " behind");
}

/* Device `id` reaches CPU 1 by INT, or not at all. */
static void reaches(const char *name, u64 id, int there)
{
  mapd(id, 5, ITT(1)); mapti(id, 3, 8200, 1); intr(id, 3);
  text(name); field("device", id); now("", there ? " 1:2008" : "");
  unmapd(id);
}

void table_formats(void)
{
  u32 size, n;
  for (size = 0; size < 3; size++) {
    u64 page = 0x1000ul << 2 * size, entries = page / 8;
    text("page"); field("bytes", page); done(1);
    for (n = 0; n < 2; n++) {
      /* Flat: one page, three pages. Then one page of the first level. */
      fresh();
      its_off();
      zero(DEVICES, 0x40000);
      tables(VALID | DEVICES | size << 8 | n * 2, VALID | COLLECTIONS);
      its_on();
      reaches("flat, first", 0, 1);
      reaches("flat, last", entries * (2 * n + 1) - 1, 1);
      if (entries * (2 * n + 1) < 0x10000) {
        mapd(entries * (2 * n + 1), 5, ITT(1));
        now("error MAPD_DEVICE_OOR, flat, beyond", "");
        mapti(entries * (2 * n + 1), 3, 8200, 1);
        now("error MAPTI_DEVICE_OOR, flat, beyond", "");
      }
    }
    fresh();
    its_off();
    zero(DEVICES, page); zero(LEVEL2, 0x20000);
    tables(VALID | INDIRECT | DEVICES | size << 8, VALID | COLLECTIONS);
    w64(DEVICES, VALID | LEVEL2);
    w64(DEVICES + 8 * (0xffff / entries), VALID | (LEVEL2 + page));
    its_on();
    reaches("two levels, first", 0, 1);
    reaches("two levels, last of a page", entries - 1, 1);
    reaches("two levels, last of all", 0xffff, 1);
    if (0xffff / entries > 1) {
      mapd(entries, 5, ITT(1));
      now("error MAPD_DEVICE_OOR, two levels, no page", "");
      mapti(entries, 3, 8200, 1);
      now("error MAPTI_DEVICE_OOR, two levels, no page", "");
    }
    mapd(0x10000, 5, ITT(1));
    now("error MAPD_DEVICE_OOR, more than 16 bits", "");
    /* The same for collections. */
    fresh();
    its_off();
    zero(COLLECTIONS, 0x40000);
    tables(VALID | DEVICES, VALID | COLLECTIONS | size << 8);
    its_on();
    mapd(1, 5, ITT(1));
    mapc(entries - 1, 2); mapti(1, 0, 8192, entries - 1); intr(1, 0);
    now("collections, flat, last", " 2:2000");
    mapc(entries, 2);
    now("error MAPC_COLLECTION_OOR, flat, beyond", "");
    its_off();
    zero(COLLECTIONS, page); zero(LEVEL2, 0x20000);
    tables(VALID | DEVICES, VALID | INDIRECT | COLLECTIONS | size << 8);
    w64(COLLECTIONS, VALID | LEVEL2);
    its_on();
    mapc(7, 2); mapti(1, 1, 8193, 7); intr(1, 1);
    now("collections, two levels", " 2:2001");
    if (0xffff / entries > 0) {
      mapc(entries, 2);
      now("error MAPC_COLLECTION_OOR, two levels, no page", "");
    }
  }
  fresh();
  its_off();
  tables(DEVICES, VALID | COLLECTIONS);
  its_on();
  mapd(0, 5, ITT(0));
  now("error MAPD_DEVICE_OOR, no valid table", "");
  its_off();
  tables(VALID | DEVICES, COLLECTIONS);
  its_on();
  mapc(0, 0);
  now("error MAPC_COLLECTION_OOR, no valid table", "");
}

static void usual(void)
{
  u32 n;
  fresh();
  mapd(1, 5, ITT(0));
  for (n = 0; n < 8; n++) mapti(1, n, 8192 + n, n % CPUS);
}

void commands(void)
{
  usual();
  now("mapped, nothing pending", "");
  intr(1, 0); intr(1, 1); intr(1, 2);
  now("INT", " 0:2000 1:2001 2:2002");
  intr(1, 4); clear(1, 4);
  now("CLEAR", "");
  mapi(1, 9, 0);
  now("error MAPI_PHYSICALID_OOR, EventID 9 is no LPI", "");
  fresh();
  mapd(2, 14, 0x42510000ul);
  zero(0x42510000ul, 0x30000);
  mapi(2, 8210, 2); intr(2, 8210);
  now("MAPI", " 2:2012");
  usual();
  mapti(1, 0, 8200, 1); intr(1, 0);
  now("MAPTI again, another INTID and collection", " 1:2008");
  movi(1, 0, 2); intr(1, 0);
  now("MOVI", " 2:2008");
  intr(1, 0); movi(1, 0, 0);
  now("MOVI of a pending one", " 0:2008");
  intr(1, 0); discard(1, 0);
  now("DISCARD of a pending one", "");
  intr(1, 0);
  now("error INT_UNMAPPED_INTERRUPT, discarded", "");
  mapti(1, 0, 8192, 0); intr(1, 0);
  now("MAPTI after DISCARD", " 0:2000");
  intr(1, 0); intr(1, 3); intr(1, 6); movall(0, 2);
  now("MOVALL", " 2:2000 2:2003 2:2006");
  intr(1, 0);
  now("MOVALL leaves the mapping", " 0:2000");
  intr(1, 0); movall(0, 0);
  now("MOVALL to itself", " 0:2000");
  configure(8193, 0xa0, 0); inv(1, 1); intr(1, 1);
  now("INV, disabled", "");
  configure(8193, 0xa0, 1); inv(1, 1);
  now("INV, enabled", " 1:2001");
  configure(8194, 0xa0, 0); configure(8197, 0xa0, 0); invall(2); intr(1, 2); intr(1, 5);
  now("INVALL, disabled", "");
  configure(8194, 0xa0, 1); configure(8197, 0xa0, 1); invall(2);
  now("INVALL, enabled", " 2:2002 2:2005");
  sync(0); sync(1); sync(2);
  now("SYNC", "");
  mapc(0, 2); intr(1, 0);
  now("MAPC again, another CPU", " 2:2000");
  unmapc(0); intr(1, 0);
  now("error INT_UNMAPPED_COLLECTION, MAPC with V=0", "");
  mapc(0, 0); intr(1, 0);
  now("MAPC", " 0:2000");
  mapd(1, 5, ITT(1)); intr(1, 0);
  now("error INT_UNMAPPED_INTERRUPT, MAPD with another table", "");
  mapd(1, 5, ITT(0)); intr(1, 0);
  now("MAPD with the first table", " 0:2000");
  unmapd(1); intr(1, 0);
  now("error INT_UNMAPPED_DEVICE, MAPD with V=0", "");
  mapti(3, 0, 8192, 0);
  now("error MAPTI_UNMAPPED_DEVICE, never mapped", "");
}

void errors(void)
{
  u32 n;
  usual();
  for (n = 0; n < 256; n++) {
    static const u8 known[] = { 1, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15 };
    u32 k, is = 0;
    for (k = 0; k < sizeof known; k++) is |= known[k] == n;
    /* GICv4 commands and all numbers that are none. */
    if (is) continue;
    run(n, 0, 0, 0);
    text("error UNKNOWN, number"); field("is", n); now("", "");
  }
  mapd(512, 5, ITT(1)); now("error MAPD_DEVICE_OOR", "");
  mapd(~0u, 5, ITT(1)); now("error MAPD_DEVICE_OOR, all ones", "");
  mapd(2, 17, ITT(1)); now("error MAPD_ITTSIZE_OOR", "");
  mapd(2, 32, ITT(1)); now("error MAPD_ITTSIZE_OOR, the largest", "");
  intr(2, 0); now("error INT_UNMAPPED_DEVICE, not mapped by these", "");
  mapc(512, 0); now("error MAPC_COLLECTION_OOR", "");
  mapc(0xffff, 0); now("error MAPC_COLLECTION_OOR, all ones", "");
  mapc(3, 3); now("error MAPC_PROCNUM_OOR", "");
  mapc(3, 0xffff); now("error MAPC_PROCNUM_OOR, all ones", "");
  mapti(512, 0, 8192, 0); now("error MAPTI_DEVICE_OOR", "");
  mapti(5, 0, 8192, 0); now("error MAPTI_UNMAPPED_DEVICE", "");
  mapti(1, 32, 8192, 0); now("error MAPTI_ID_OOR", "");
  mapti(1, ~0u, 8192, 0); now("error MAPTI_ID_OOR, all ones", "");
  mapti(1, 0, 8191, 0); now("error MAPTI_PHYSICALID_OOR, no LPI", "");
  mapti(1, 0, 65536, 0); now("error MAPTI_PHYSICALID_OOR, beyond", "");
  mapti(1, 0, ~0u, 0); now("error MAPTI_PHYSICALID_OOR, all ones", "");
  mapti(1, 0, 8192, 512); now("error MAPTI_COLLECTION_OOR", "");
  intr(1, 0); now("what was mapped before them still is", " 0:2000");
  mapi(512, 0, 0); now("error MAPI_DEVICE_OOR", "");
  mapi(5, 0, 0); now("error MAPI_UNMAPPED_DEVICE", "");
  mapi(1, 32, 0); now("error MAPI_ID_OOR", "");
  movi(512, 0, 0); now("error MOVI_DEVICE_OOR", "");
  movi(5, 0, 0); now("error MOVI_UNMAPPED_DEVICE", "");
  movi(1, 32, 0); now("error MOVI_ID_OOR", "");
  movi(1, 30, 0); now("error MOVI_UNMAPPED_INTERRUPT", "");
  movi(1, 0, 512); now("error MOVI_COLLECTION_OOR", "");
  movi(1, 0, 9); now("error MOVI_UNMAPPED_COLLECTION", "");
  intr(1, 0); now("where it was before them it still is", " 0:2000");
  intr(512, 0); now("error INT_DEVICE_OOR", "");
  intr(5, 0); now("error INT_UNMAPPED_DEVICE", "");
  intr(1, 32); now("error INT_ID_OOR", "");
  intr(1, 30); now("error INT_UNMAPPED_INTERRUPT", "");
  clear(512, 0); now("error CLEAR_DEVICE_OOR", "");
  clear(5, 0); now("error CLEAR_UNMAPPED_DEVICE", "");
  clear(1, 32); now("error CLEAR_ID_OOR", "");
  clear(1, 30); now("error CLEAR_UNMAPPED_INTERRUPT", "");
  discard(512, 0); now("error DISCARD_DEVICE_OOR", "");
  discard(5, 0); now("error DISCARD_UNMAPPED_DEVICE", "");
  discard(1, 32); now("error DISCARD_ID_OOR", "");
  discard(1, 30); now("error DISCARD_UNMAPPED_INTERRUPT", "");
  inv(512, 0); now("error INV_DEVICE_OOR", "");
  inv(5, 0); now("error INV_UNMAPPED_DEVICE", "");
  inv(1, 32); now("error INV_ID_OOR", "");
  inv(1, 30); now("error INV_UNMAPPED_INTERRUPT", "");
  invall(512); now("error INVALL_COLLECTION_OOR", "");
  invall(9); now("error INVALL_UNMAPPED_COLLECTION", "");
  movall(3, 0); now("error MOVALL_PROCNUM_OOR, from", "");
  movall(0, 3); now("error MOVALL_PROCNUM_OOR, to", "");
  sync(3); now("error SYNC_PROCNUM_OOR", "");
  mapti(1, 20, 8220, 9); intr(1, 20);
  now("error INT_UNMAPPED_COLLECTION", "");
  inv(1, 20); now("error INV_UNMAPPED_COLLECTION", "");
  clear(1, 20); now("error CLEAR_UNMAPPED_COLLECTION", "");
  movi(1, 20, 0); now("error MOVI_UNMAPPED_COLLECTION, where it is", "");
  discard(1, 20); now("error DISCARD_UNMAPPED_COLLECTION", "");
}

void lpis(void)
{
  static const u32 ids[] = { 8192, 8199, 8200, 16383, 16384, 32767, 32768, 65535 };
  u32 n;
  fresh();
  mapd(1, 5, ITT(0));
  for (n = 0; n < 8; n++) { configure(ids[n], 0xa0, 1); mapti(1, n, ids[n], 0); }
  for (n = 0; n < 8; n++) intr(1, n);
  now("all over the range", " 0:2000 0:2007 0:2008 0:3fff 0:4000 0:7fff 0:8000 0:ffff");
  for (n = 13; n < 16; n++) {
    u32 bits = n - 1, e;
    lpis_off(0);
    w64(GICR(0) + PROPBASER, PROPERTIES | bits);
    lpis_on(0);
    for (e = 0; e < 8; e++) intr(1, e);
    text("INTIDs of bits"); field("are", n);
    now("", n == 13 ? "" : n == 14 ? " 0:2000 0:2007 0:2008 0:3fff" : " 0:2000 0:2007 0:2008 0:3fff 0:4000 0:7fff");
  }
  usual();
  configure(8192, 0xf0, 1); configure(8195, 0x40, 1); configure(8198, 0x80, 1);
  invall(0);
  for (n = 0; n < 8; n++) mapti(1, n, 8192 + n, 0);
  for (n = 0; n < 8; n++) intr(1, n);
  text("highest"); field("is", on(0, HIGHEST, 0)); done(on(0, HIGHEST, 0) == 8195);
  now("by priority, then by number", " 0:2003 0:2006 0:2001 0:2002 0:2004 0:2005 0:2007 0:2000");
  intr(1, 0); intr(1, 1); intr(1, 3);
  on(0, MASK, 0xa0);
  text("masked by PMR"); field("highest", on(0, HIGHEST, 0)); field("taken", on(0, TAKE, 0)); field("then", on(0, TAKE, 0));
  done(on(0, TAKE, 0) == NONE);
  on(0, MASK, 0xff);
  on(0, GROUP, 0);
  text("group disabled"); field("taken", on(0, TAKE, 0)); done(on(0, TAKE, 0) == NONE);
  on(0, GROUP, 1);
  w32(GICD, 0x10);
  text("group disabled in the distributor"); n = on(0, TAKE, 0); field("taken", n); done(n == NONE);
  w32(GICD, 0x12);
  now("and after that", " 0:2001 0:2000");
  /* Bits 1:0 of the configuration are not part of the priority; an LPI has no active state. */
  intr(1, 3);
  n = (u32)READ(ICC_IAR1);
  text("running"); field("intid", n); field("priority", READ(ICC_RPR)); done(READ(ICC_RPR) == 0x40);
  intr(1, 3); intr(1, 6);
  text("not by the same or a lower one"); field("taken", READ(ICC_IAR1)); field("pending", pending_bit(0, 8195)); done(pending_bit(0, 8195));
  configure(8193, 0x10, 1); inv(1, 1); intr(1, 1);
  {
    u32 second = (u32)READ(ICC_IAR1);
    text("preempted by"); field("intid", second); field("priority", READ(ICC_RPR)); done(second == 8193);
    WRITE(ICC_EOIR1, second);
  }
  WRITE(ICC_EOIR1, n);
  now("ended, the rest", " 0:2003 0:2006");
  WRITE(ICC_CTLR, 2);
  intr(1, 3);
  n = (u32)READ(ICC_IAR1);
  WRITE(ICC_EOIR1, n);
  text("EOImode"); field("running", READ(ICC_RPR)); done(READ(ICC_RPR) == 0xff);
  WRITE(ICC_DIR, n);
  WRITE(ICC_CTLR, 0);
  now("deactivation of an LPI does nothing", "");
  /* The tables. */
  intr(1, 2); intr(1, 4); intr(1, 7);
  lpis_off(0);
  text("pending table, LPIs off"); field("byte", r8(PENDING(0) + 1024)); done(r8(PENDING(0) + 1024) == 0x94);
  now("off, none is taken", "");
  intr(1, 5);
  lpis_on(0);
  now("on, the table is read; what came between is lost", " 0:2002 0:2004 0:2007");
  text("pending table, after that"); field("byte", r8(PENDING(0) + 1024)); done(r8(PENDING(0) + 1024) == 0);
  lpis_off(0);
  w8(PENDING(0) + 1024, 0x21);
  w64(GICR(0) + PENDBASER, PENDING(0));
  lpis_on(0);
  now("on, what a driver left in the table", " 0:2005 0:2000");
  lpis_off(0);
  w64(GICR(0) + PENDBASER, PENDING(1) + 0x8000);
  zero(PENDING(1) + 0x8000, 0x2000);
  lpis_on(0);
  intr(1, 0);
  text("PENDBASER in steps of 64 KiB"); field("byte", r8(PENDING(1) + 1024)); done(1);
  now("then", " 0:2000");
  usual();
  configure(8192, 0xa0, 0); invall(0); intr(1, 0);
  text("disabled, pending"); field("bit", pending_bit(0, 8192)); field("highest", on(0, HIGHEST, 0)); done(pending_bit(0, 8192));
  clear(1, 0);
  text("disabled, cleared"); field("bit", pending_bit(0, 8192)); done(!pending_bit(0, 8192));
  intr(1, 0); intr(1, 0); intr(1, 0);
  configure(8192, 0xa0, 1); inv(1, 0);
  now("three times pending is pending once", " 0:2000");
  intr(1, 0);
  configure(8192, 0xa0, 0); inv(1, 0);
  now("INV takes an offered one back", "");
  configure(8192, 0xa0, 1); configure(8193, 0xa0, 1); inv(1, 0);
  now("INV offers it again", " 0:2000");
}

void processors(void)
{
  u32 n;
  usual();
  for (n = 0; n < 8; n++) intr(1, n);
  now("three CPUs", " 0:2000 0:2003 0:2006 1:2001 1:2004 1:2007 2:2002 2:2005");
  for (n = 0; n < 8; n++) intr(1, n);
  movi(1, 0, 1); movi(1, 1, 2); movi(1, 2, 0);
  now("MOVI in a ring", " 0:2002 0:2003 0:2006 1:2000 1:2004 1:2007 2:2001 2:2005");
  for (n = 0; n < 8; n++) intr(1, n);
  movall(0, 1); movall(2, 1);
  now("MOVALL from two", " 1:2000 1:2001 1:2002 1:2003 1:2004 1:2005 1:2006 1:2007");
  lpis_off(2);
  intr(1, 0); intr(1, 5);
  movall(1, 2);
  now("MOVALL to a CPU whose LPIs are off", " 1:2000");
  movi(1, 0, 2);
  intr(1, 0);
  now("INT to a CPU whose LPIs are off", "");
  lpis_on(2);
  now("and when they are on again", "");
  intr(1, 0);
  now("the next one", " 2:2000");
}
