/* Tables and queues where there is no memory, or where something else is. */
#include "bare.h"

static void retry(void) { w64(GITS + CWRITER, head | 1); }

void wrong(void)
{
  u32 n;
  fresh();
  mapd(1, 5, ITT(0)); mapti(1, 0, 8192, 0); mapti(1, 1, 8193, 0);
  /* A table of interrupts that is no memory. */
  mapd(2, 5, NOWHERE);
  now("MAPD with a table in no memory is not looked at", "");
  mapti(2, 0, 8200, 0);
  now("stall MAPTI, no memory for the table", " stalled");
  text("CREADR"); field("is", r64(GITS + CREADR)); field("CWRITER", r64(GITS + CWRITER)); done((r64(GITS + CREADR) & ~1ul) == ((head - 32) & 0xfe0));
  post(0x03 | DEV(1), 0, 0, 0);
  go();
  now("* stalled until Retry: more commands do not help", " stalled");
  fresh();
  mapd(1, 5, ITT(0));
  mapd(2, 5, NOWHERE); mapti(2, 0, 8200, 0);
  now("stall MAPTI, once more", " stalled");
  w64(QUEUE + head - 32, 0x03 | DEV(1)); w64(QUEUE + head - 24, 0); /* INT instead */
  retry();
  now("* error INT_UNMAPPED_INTERRUPT, mended in the queue, Retry", "");
  mapti(1, 0, 8192, 0); intr(1, 0);
  now("* and goes on", " 0:2000");

  /* Tables of devices and collections. */
  fresh();
  its_off();
  tables(VALID | NOWHERE, VALID | COLLECTIONS);
  its_on();
  mapd(1, 5, ITT(0));
  now("stall MAPD, no memory for the table", " stalled");
  fresh();
  its_off();
  tables(VALID | DEVICES, VALID | NOWHERE);
  its_on();
  mapc(1, 1);
  now("stall MAPC, no memory for the table", " stalled");
  fresh();
  its_off();
  tables(VALID | INDIRECT | NOWHERE, VALID | COLLECTIONS);
  its_on();
  mapd(1, 5, ITT(0));
  now("stall MAPD, no memory for the first level", " stalled");
  fresh();
  its_off();
  w64(DEVICES, VALID | NOWHERE);
  tables(VALID | INDIRECT | DEVICES, VALID | COLLECTIONS);
  its_on();
  mapd(1, 5, ITT(0));
  now("stall MAPD, no memory for the second level", " stalled");
  fresh();
  its_off();
  tables(VALID | 0xfffffffff000ul, VALID | 0xfffffffff000ul);
  its_on();
  mapd(1, 5, ITT(0));
  now("stall MAPD, a table at the end of all addresses", " stalled");
  /* A table whose own descriptor is its first page. */
  fresh();
  its_off();
  zero(DEVICES, 0x1000);
  w64(DEVICES, VALID | DEVICES);
  tables(VALID | INDIRECT | DEVICES, VALID | COLLECTIONS);
  its_on();
  mapd(1, 5, ITT(0)); mapti(1, 0, 8192, 0); intr(1, 0);
  now("a table that is its own second level", " 0:2000");
  /* Queue, tables and ITT all in one place: nothing that follows is defined, but it ends. */
  fresh();
  its_off();
  tables(VALID | QUEUE, VALID | QUEUE);
  its_on();
  for (n = 0; n < 8; n++) { post(0x08 | DEV(n), 4, QUEUE | VALID, 0); post(0x0a | DEV(n), 0x0000200000000000ul, 0, 0); }
  go();
  taken();
  text("any number of errors, queue and tables in one place"); done(1);

  /* Command queue. */
  fresh();
  queue_at(NOWHERE, 1);
  its_on();
  post(0, 0, 0, 0);
  go();
  now("* stall the command queue, no memory", " stalled");
  fresh();
  queue_at(0xffffffffff000ul, 1);
  its_on();
  post(0, 0, 0, 0);
  go();
  now("* stall the command queue, at the end of all addresses", " stalled");
  fresh();
  now("mended by another queue", "");

  /* LPI tables. */
  mapd(1, 5, ITT(0)); mapti(1, 0, 8192, 0); mapti(1, 1, 8193, 1);
  lpis_off(0);
  w64(GICR(0) + PROPBASER, NOWHERE | 15);
  lpis_on(0);
  intr(1, 0);
  now("any number of errors, the configuration is no memory", "");
  lpis_off(0);
  w64(GICR(0) + PROPBASER, PROPERTIES | 15);
  w64(GICR(0) + PENDBASER, NOWHERE);
  lpis_on(0);
  intr(1, 0);
  now("* any number of errors, the pending table is no memory", "");
  intr(1, 1);
  now("* another CPU goes on", " 1:2001");
  lpis_off(0);
  w64(GICR(0) + PENDBASER, PENDING(0));
  lpis_on(0);
  intr(1, 0);
  now("mended", " 0:2000");
  lpis_off(0);
  zero(PENDING(0), 0x2000);
  w64(GICR(0) + PROPBASER, PROPERTIES | 3);
  lpis_on(0);
  intr(1, 0);
  now("IDbits too small for any LPI", "");
  lpis_off(0);
  w64(GICR(0) + PROPBASER, PROPERTIES | 31);
  lpis_on(0);
  intr(1, 0);
  now("IDbits larger than there are", " 0:2000");
  w64(GICR(0) + PROPBASER, PROPERTIES | 15);
  text("any number of errors, PROPBASER while LPIs are on"); field("is", r64(GICR(0) + PROPBASER) & 0x1f); done(1);
  fresh();
  now("and all is as before", "");
}
