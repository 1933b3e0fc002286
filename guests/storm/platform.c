/* Collects from the device tree where things are. All addresses and interrupt numbers of the kernel come from here. */
#include "storm.h"

struct platform platform;

/*
 * Entry `index` of an `interrupts` property with three cells (Linux binding "arm,gic"): type, number, flags.
 * Type 0 is an SPI and counts from INTID 32, type 1 a PPI and counts from 16.
 */
static struct irq_line interrupt(const struct node *node, u32 index)
{
    struct irq_line line = { 0, 0 };
    u32 length = 0;
    const u8 *cells = fdt_property(node, "interrupts", &length);
    if (cells && length >= 12 * (index + 1)) {
        line.intid = fdt_u32(cells, 3 * index + 1) + (fdt_u32(cells, 3 * index) ? 16 : 32);
        line.edge = (fdt_u32(cells, 3 * index + 2) & 3) != 0;
    }
    return line;
}

static u64 base_of(const struct node *node)
{
    u32 length = 0;
    const u8 *reg = fdt_property(node, "reg", &length);
    return reg && length >= 16 ? fdt_u64(reg, 0) : 0;
}

static void probe_device(struct device *device, const char *compatible)
{
    struct node node = { 0 };
    if (fdt_find_compatible(&node, compatible)) {
        device->base = base_of(&node);
        device->irq = interrupt(&node, 0);
    }
}

static void probe_gic(void)
{
    struct node v3 = { 0 }, v2 = { 0 };
    if (fdt_find_compatible(&v3, "arm,gic-v3")) {
        const u8 *reg = fdt_property(&v3, "reg", 0);
        platform.gic_version = 3;
        platform.gicd = fdt_u64(reg, 0);
        platform.gicr = fdt_u64(reg, 4);
    } else if (fdt_find_compatible(&v2, "arm,cortex-a15-gic")) {
        const u8 *reg = fdt_property(&v2, "reg", 0);
        platform.gic_version = 2;
        platform.gicd = fdt_u64(reg, 0);
        platform.gicc = fdt_u64(reg, 4);
    }
}

static void probe_virtio(void)
{
    struct node node = { 0 };
    while (platform.virtio_count < 32 && fdt_find_compatible(&node, "virtio,mmio")) {
        struct device *transport = &platform.virtio[platform.virtio_count++];
        transport->base = base_of(&node);
        transport->irq = interrupt(&node, 0);
    }
}

/* Returns 0 if there is no usable device tree; then nothing is known, not even the console. */
int platform_probe(const void *blob)
{
    struct node memory = { 0 }, chosen = { 0 }, timer = { 0 }, psci = { 0 };

    if (!fdt_open(blob))
        return 0;
    probe_device(&platform.uart, "arm,pl011");
    probe_device(&platform.rtc, "arm,pl031");
    probe_gic();
    probe_virtio();
    if (fdt_find_compatible(&timer, "arm,armv8-timer"))
        platform.timer.irq = interrupt(&timer, 2); /* secure, non-secure, virtual, hypervisor */
    if (fdt_find_path(&memory, "memory")) {
        const u8 *reg = fdt_property(&memory, "reg", 0);
        platform.ram_base = fdt_u64(reg, 0);
        platform.ram_size = fdt_u64(reg, 2);
    }
    if (fdt_find_compatible(&psci, "arm,psci-1.0"))
        platform.psci_smc = *fdt_property(&psci, "method", 0) == 's';
    platform.bootargs = "";
    if (fdt_find_path(&chosen, "chosen")) {
        const u8 *bootargs = fdt_property(&chosen, "bootargs", 0);
        if (bootargs)
            platform.bootargs = (const char *)bootargs;
    }
    return platform.uart.base != 0;
}

/* Whether a word stands in the boot arguments. */
int boot_option(const char *word)
{
    const char *p = platform.bootargs;
    while (*p) {
        u32 i = 0;
        while (word[i] && p[i] == word[i])
            i++;
        if (!word[i] && (!p[i] || p[i] == ' '))
            return 1;
        while (*p && *p != ' ')
            p++;
        while (*p == ' ')
            p++;
    }
    return 0;
}
