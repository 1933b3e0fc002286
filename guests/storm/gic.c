/*
 * The interrupt controller: GICv2 through its memory-mapped CPU interface (Arm IHI 0048B), GICv3 through the
 * system registers (Arm IHI 0069). Both run with EOImode 1: the end of an interrupt only drops the running
 * priority, and the interrupt stays active, so that a level-sensitive one is not signalled again, until a second
 * write deactivates it. That write may come much later, from a task: this is how irq.c defers slow handlers.
 */
#include "storm.h"

enum {
    GICD_CTLR = 0x000,
    GICD_TYPER = 0x004,
    GICD_IGROUPR = 0x080,
    GICD_ISENABLER = 0x100,
    GICD_ICENABLER = 0x180,
    GICD_ISPENDR = 0x200,
    GICD_ICPENDR = 0x280,
    GICD_ISACTIVER = 0x300,
    GICD_ICACTIVER = 0x380,
    GICD_IPRIORITYR = 0x400,
    GICD_ITARGETSR = 0x800,
    GICD_ICFGR = 0xc00,
    GICD_IROUTER = 0x6000,

    GICR_WAKER = 0x0014,
    GICR_SGI_BASE = 0x10000, /* same offsets from here as in the distributor, for INTIDs 0 to 31 */

    GICC_CTLR = 0x0000,
    GICC_PMR = 0x0004,
    GICC_BPR = 0x0008,
    GICC_IAR = 0x000c,
    GICC_EOIR = 0x0010,
    GICC_RPR = 0x0014,
    GICC_DIR = 0x1000,

    GICD_CTLR_ENABLE_GRP0 = 1 << 0,
    GICD_CTLR_ENABLE_GRP1 = 1 << 1,
    GICD_CTLR_ARE = 1 << 4,
    GICR_WAKER_PROCESSOR_SLEEP = 1 << 1,
    GICR_WAKER_CHILDREN_ASLEEP = 1 << 2,
    GICC_CTLR_ENABLE_GRP0 = 1 << 0,
    GICC_CTLR_CBPR = 1 << 4,
    GICC_CTLR_EOIMODE = 1 << 9,
    ICC_CTLR_CBPR = 1 << 0,
    ICC_CTLR_EOIMODE = 1 << 1,

    PRIORITY_DEFAULT = 0xe0,
    PRIORITY_MASK = 0xf0, /* PMR: everything above this is signalled */
};

/* The frame that holds the registers of an INTID: SGIs and PPIs have theirs in the redistributor on GICv3. */
static u64 frame_of(u32 intid)
{
    return platform.gic_version == 3 && intid < 32 ? platform.gicr + GICR_SGI_BASE : platform.gicd;
}

static u32 intid_count(void)
{
    return 32 * ((read32(platform.gicd + GICD_TYPER) & 31) + 1);
}

/* All interrupts off, not pending, not active, level-sensitive, lowest priority. */
static void reset_interrupts(u64 frame, u32 first, u32 end, u32 group)
{
    for (u32 i = first; i < end; i += 32) {
        write32(frame + GICD_ICENABLER + i / 8, ~0u);
        write32(frame + GICD_ICPENDR + i / 8, ~0u);
        write32(frame + GICD_ICACTIVER + i / 8, ~0u);
        write32(frame + GICD_IGROUPR + i / 8, group);
    }
    for (u32 i = first; i < end; i += 4)
        write32(frame + GICD_IPRIORITYR + i, PRIORITY_DEFAULT * 0x01010101u);
    for (u32 i = first < 32 ? 16 : first; i < end; i += 16)
        write32(frame + GICD_ICFGR + i / 4, 0);
}

static void init_v3(u32 count)
{
    u64 affinity = read_sysreg(mpidr_el1) & 0xff00fffffful;
    u64 gicd = platform.gicd, gicr = platform.gicr;

    write32(gicd + GICD_CTLR, 0);
    reset_interrupts(gicd, 32, count, ~0u);
    write32(gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_ENABLE_GRP1);
    for (u32 i = 32; i < count; i++)
        write64(gicd + GICD_IROUTER + 8 * i, affinity);

    write32(gicr + GICR_WAKER, read32(gicr + GICR_WAKER) & ~(u32)GICR_WAKER_PROCESSOR_SLEEP);
    while (read32(gicr + GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP)
        ;
    reset_interrupts(gicr + GICR_SGI_BASE, 0, 32, ~0u);

    write_sysreg(icc_sre_el1, 7); /* system registers, no bypass */
    isb();
    write_sysreg(icc_pmr_el1, PRIORITY_MASK);
    write_sysreg(icc_bpr1_el1, 0); /* the least there is */
    write_sysreg(icc_ctlr_el1, ICC_CTLR_EOIMODE);
    write_sysreg(icc_igrpen1_el1, 1);
    isb();
}

static void init_v2(u32 count)
{
    u64 gicd = platform.gicd, gicc = platform.gicc;

    write32(gicd + GICD_CTLR, 0);
    reset_interrupts(gicd, 0, count, 0);
    for (u32 i = 32; i < count; i += 4)
        write32(gicd + GICD_ITARGETSR + i, 0x01010101); /* CPU 0; ignored where there is only one */
    write32(gicd + GICD_CTLR, GICD_CTLR_ENABLE_GRP0);

    write32(gicc + GICC_PMR, PRIORITY_MASK);
    write32(gicc + GICC_BPR, 0);
    write32(gicc + GICC_CTLR, GICC_CTLR_ENABLE_GRP0 | GICC_CTLR_EOIMODE);
}

void gic_init(void)
{
    u32 count = intid_count();
    if (platform.gic_version == 3)
        init_v3(count);
    else
        init_v2(count);
    say("gic", "GICv%u, distributor %lx, %s %lx, %u INTIDs, EOImode 1\n", platform.gic_version, platform.gicd,
        platform.gic_version == 3 ? "redistributor" : "CPU interface",
        platform.gic_version == 3 ? platform.gicr : platform.gicc, count);
}

/* Trigger as the device tree has it, and priority. */
void gic_configure(const struct irq_line *line, u32 priority)
{
    u64 config = frame_of(line->intid) + GICD_ICFGR + line->intid / 16 * 4;
    u32 edge = 2u << line->intid % 16 * 2;
    u32 old = read32(config);
    write32(config, line->edge ? old | edge : old & ~edge);
    write8(frame_of(line->intid) + GICD_IPRIORITYR + line->intid, priority);
}

void gic_enable(u32 intid)
{
    write32(frame_of(intid) + GICD_ISENABLER + intid / 32 * 4, 1u << intid % 32);
}

/* Returns SPURIOUS or more if there is nothing to take. */
u32 gic_acknowledge(void)
{
    u32 intid;
    if (platform.gic_version == 3) {
        intid = (u32)read_sysreg(icc_iar1_el1);
        dsb();
    } else {
        intid = read32(platform.gicc + GICC_IAR) & 0x3ff;
    }
    return intid;
}

/* Drops the running priority; the interrupt stays active until gic_deactivate(). */
void gic_end(u32 intid)
{
    if (platform.gic_version == 3) {
        write_sysreg(icc_eoir1_el1, intid);
        isb();
    } else {
        write32(platform.gicc + GICC_EOIR, intid);
    }
}

void gic_deactivate(u32 intid)
{
    if (platform.gic_version == 3) {
        write_sysreg(icc_dir_el1, intid);
        isb();
    } else {
        write32(platform.gicc + GICC_DIR, intid);
    }
}

/* Tuning before the workload starts: one binary point for both groups, and no read on the way. */
void gic_share_binary_point(void)
{
    if (platform.gic_version == 3) {
        write_sysreg(icc_ctlr_el1, ICC_CTLR_CBPR);
        isb();
    } else {
        write32(platform.gicc + GICC_CTLR, GICC_CTLR_ENABLE_GRP0 | GICC_CTLR_CBPR);
    }
}

/* The same as it should have been; `fix` among the boot arguments selects it. See README.md. */
void gic_share_binary_point_fixed(void)
{
    if (platform.gic_version == 3) {
        write_sysreg(icc_ctlr_el1, read_sysreg(icc_ctlr_el1) | ICC_CTLR_CBPR);
        isb();
    } else {
        write32(platform.gicc + GICC_CTLR, read32(platform.gicc + GICC_CTLR) | GICC_CTLR_CBPR);
    }
}

/* The distributor's view of one interrupt, for the watchdog. */
void gic_print_state(u32 intid)
{
    u64 frame = frame_of(intid);
    u32 word = intid / 32 * 4, bit = intid % 32;
    u32 edge = read32(frame + GICD_ICFGR + intid / 16 * 4) >> (intid % 16 * 2 + 1) & 1;
    u32 running = platform.gic_version == 3 ? (u32)read_sysreg(icc_rpr_el1)
                                            : read32(platform.gicc + GICC_RPR);
    print("  INTID %u: enabled %u, pending %u, active %u, %s, priority %02x; running priority %02x\n", intid,
          read32(frame + GICD_ISENABLER + word) >> bit & 1, read32(frame + GICD_ISPENDR + word) >> bit & 1,
          read32(frame + GICD_ISACTIVER + word) >> bit & 1, edge ? "edge" : "level",
          read8(frame + GICD_IPRIORITYR + intid), running);
}
