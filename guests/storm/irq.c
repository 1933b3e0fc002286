/*
 * Interrupt handlers. A direct handler runs inside the interrupt. A threaded one runs later, in the task `irqd`:
 * the interrupt is ended at once and deactivated only when its handler has dealt with the device.
 */
#include "storm.h"

enum { LINES = 320, PRIORITY_TIMER = 0x80, PRIORITY_DEVICE = 0xa0 };

struct line {
    irq_handler handler;
    const char *name;
    enum irq_kind kind;
    u32 queued;
    u32 taken, handled;
};

static struct line lines[LINES];
static u32 queue[LINES];
static u32 queue_head, queue_tail;

u64 irqs_taken;
u32 last_intid;

void irq_request(const struct irq_line *line, irq_handler handler, enum irq_kind kind, const char *name)
{
    struct line *entry = &lines[line->intid];
    entry->handler = handler;
    entry->kind = kind;
    entry->name = name;
    gic_configure(line, line->intid == platform.timer.irq.intid ? PRIORITY_TIMER : PRIORITY_DEVICE);
    gic_enable(line->intid);
    say("irq", "INTID %u: %s, %s, %s\n", line->intid, name, line->edge ? "edge" : "level",
        kind == IRQ_DIRECT ? "direct" : "threaded");
}

static void queue_for_task(u32 intid)
{
    if (!lines[intid].queued) {
        lines[intid].queued = 1;
        queue[queue_tail++ % LINES] = intid;
        task_wake("irqd");
    }
}

/* Called by entry.S with interrupts masked. Returns the frame to go on with. */
struct frame *irq_entry(struct frame *frame)
{
    u32 intid = gic_acknowledge();
    if (intid >= SPURIOUS)
        return frame;

    struct line *line = &lines[intid];
    irqs_taken++;
    line->taken++;
    if (intid != platform.timer.irq.intid)
        last_intid = intid;

    if (line->kind == IRQ_THREADED) {
        gic_end(intid);
        queue_for_task(intid);
    } else {
        if (line->handler) {
            line->handler();
            line->handled++;
        }
        gic_end(intid);
        gic_deactivate(intid);
    }
    if (intid == platform.timer.irq.intid) {
        task_tick();
        watchdog_check(frame);
    }
    return task_switch(frame);
}

/* The task `irqd`. */
void irq_task(void)
{
    for (;;) {
        irq_disable();
        while (queue_head == queue_tail)
            task_block();
        u32 intid = queue[queue_head++ % LINES];
        irq_enable();

        lines[intid].handler();

        irq_disable();
        lines[intid].queued = 0;
        lines[intid].handled++;
        gic_deactivate(intid);
        irq_enable();
        progress++;
    }
}

void irq_print_counts(u32 intid)
{
    struct line *line = &lines[intid];
    print("  INTID %u: %s, interrupts taken %u, handler runs %u\n", intid, line->name ? line->name : "nobody's",
          line->taken, line->handled);
}
