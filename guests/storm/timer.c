/* The virtual generic timer as tick (Arm ARM, "The Generic Timer in AArch64 state"). */
#include "storm.h"

enum { CNTV_CTL_ENABLE = 1 };

static u64 period;

u64 now_us(void)
{
    isb();
    return read_sysreg(cntvct_el0) * 1000 / (read_sysreg(cntfrq_el0) / 1000);
}

/* The next tick counts from now if we are late: a host that stalls must not cause a burst of ticks. */
static void timer_irq(void)
{
    u64 next = read_sysreg(cntv_cval_el0) + period;
    u64 now = read_sysreg(cntvct_el0);
    write_sysreg(cntv_cval_el0, next > now ? next : now + period);
    isb();
}

void timer_init(void)
{
    u64 frequency = read_sysreg(cntfrq_el0);
    period = frequency * TICK_US / 1000000;
    irq_request(&platform.timer.irq, timer_irq, IRQ_DIRECT, "timer");
    write_sysreg(cntv_cval_el0, read_sysreg(cntvct_el0) + period);
    write_sysreg(cntv_ctl_el0, CNTV_CTL_ENABLE);
    isb();
    say("timer", "%lu Hz, a tick every %u us\n", frequency, (u32)TICK_US);
}
