/* Looks at every tick whether any task has got something done; if not for too long, says what it knows and stops. */
#include "storm.h"

static u64 last_progress;
static u32 quiet_ticks;

static void print_registers(const struct frame *frame)
{
    print("  task %s at pc %08lx, lr %08lx, sp %08lx, fp %08lx, pstate %08lx\n", task_name(), frame->elr,
          frame->x[30], (u64)(frame + 1), frame->x[29], frame->spsr);
}

void watchdog_check(const struct frame *frame)
{
    if (progress != last_progress) {
        last_progress = progress;
        quiet_ticks = 0;
        return;
    }
    if (++quiet_ticks < WATCHDOG_TICKS)
        return;
    print("\nWATCHDOG: no progress for %u ms, %lu interrupts taken, last INTID %u\n", quiet_ticks * TICK_US / 1000,
          irqs_taken, last_intid);
    irq_print_counts(last_intid);
    gic_print_state(last_intid);
    print_registers(frame);
    power_off();
}
