/* The boot flow, and the ends: power off and panic. */
#include "storm.h"

enum { PSCI_SYSTEM_OFF = 0x84000008 };

static void print_cpu(void)
{
    u64 midr = read_sysreg(midr_el1);
    u32 part = midr >> 4 & 0xfff;
    const char *name = part == 0xd03   ? "Cortex-A53"
                       : part == 0xd07 ? "Cortex-A57"
                       : part == 0xd08 ? "Cortex-A72"
                                       : "unknown";
    say("cpu", "%s r%up%u, MIDR %08lx, MPIDR %08lx, EL%lu\n", name, (u32)(midr >> 20 & 15), (u32)(midr & 15), midr,
        read_sysreg(mpidr_el1), read_sysreg(CurrentEL) >> 2);
}

static void test_rtc(void)
{
    say("rtc", "setting an alarm for now\n");
    int interrupts = rtc_alarm_test();
    say("rtc", "alarm test: %u interrupt%s, %s\n", interrupts, interrupts == 1 ? "" : "s",
        interrupts == 1 ? "passed" : "FAILED");
}

void kernel_main(void)
{
    const void *blob = (const void *)0x40000000;
    if (!platform_probe(blob))
        return;
    console_init();
    print("\nstorm: a small kernel for the Arm virt board\n\n");
    print_cpu();
    say("tree", "at %lx, %u KiB; boot arguments \"%s\"\n", (u64)blob, fdt_size() / 1024, platform.bootargs);
    say("memory", "%lu MiB at %lx\n", platform.ram_size >> 20, platform.ram_base);
    if (!boot_option("nommu"))
        mmu_init();
    if (!platform.gic_version || !platform.timer.irq.intid) {
        say("panic", "the tree has no interrupt controller or no timer that I know\n");
        power_off();
    }
    gic_init();
    task_init();
    console_irq_init();
    timer_init();
    irq_enable();
    task_create("irqd", irq_task, 1);
    rtc_init();
    virtio_init();
    if (platform.rtc.base)
        test_rtc();

    say("init", "drivers are up; tuning the interrupt controller\n");
    if (boot_option("fix"))
        gic_share_binary_point_fixed();
    else
        gic_share_binary_point();

    say("init", "starting the workload\n");
    workload_start();
    while (!workload_done())
        task_sleep(1);
    if (platform.rtc.base)
        test_rtc();
    say("init", "%u ticks, %lu interrupts\n", ticks, irqs_taken);
    print("\nBOOT-OK storm\n");
    power_off();
}

void power_off(void)
{
    print("power off\n");
    irq_disable();
    if (platform.psci_smc)
        psci_smc(PSCI_SYSTEM_OFF);
    else
        psci_hvc(PSCI_SYSTEM_OFF);
    for (;;)
        asm volatile("wfi" ::: "memory");
}

/* Called by entry.S for everything that nobody expects. Kinds count as the vectors do, four to a group. */
void panic_exception(const struct frame *frame, u64 kind)
{
    static const char *const names[] = { "synchronous", "IRQ", "FIQ", "SError" };
    print("\nPANIC: unexpected %s exception, vector %lu\n", names[kind & 3], kind);
    print("  esr %08lx far %lx elr %08lx spsr %08lx lr %08lx\n", read_sysreg(esr_el1), read_sysreg(far_el1),
          frame->elr, frame->spsr, frame->x[30]);
    power_off();
}
