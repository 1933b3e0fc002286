/*
 * Drives the ITS, the LPIs and the messages of PCI devices of the virt board register by register. Each line is
 * a step: what was done, which LPIs each CPU then took (CPU:INTID), and BAD where Arm IHI 0069 says otherwise.
 * Lines of an expected error begin with `error` or `stall` and its name; those that begin with `*` are where QEMU
 * 7.2 differs (docs/pcie.md).
 */
#include "bare.h"

int main(void)
{
  start_cpus();
  registers();
  queue();
  table_formats();
  commands();
  errors();
  lpis();
  processors();
  messages();
  wrong();
  text("checks"); field("made", checks); field("bad", bad); put('\n');
  return 0;
}
