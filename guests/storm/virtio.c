/*
 * virtio over MMIO (virtio 1.2, sections 4.2 and 5.4): looks at every transport, and lets the first entropy
 * device fill one buffer. Speaks the legacy interface (version 1) and the modern one (version 2).
 */
#include "storm.h"

enum {
    MagicValue = 0x000,
    Version = 0x004,
    DeviceID = 0x008,
    DriverFeatures = 0x020,
    DriverFeaturesSel = 0x024,
    GuestPageSize = 0x028,
    QueueSel = 0x030,
    QueueNumMax = 0x034,
    QueueNum = 0x038,
    QueueAlign = 0x03c,
    QueuePFN = 0x040,
    QueueReady = 0x044,
    QueueNotify = 0x050,
    InterruptStatus = 0x060,
    InterruptACK = 0x064,
    Status = 0x070,
    QueueDescLow = 0x080,
    QueueDriverLow = 0x090,
    QueueDeviceLow = 0x0a0,

    MAGIC = 0x74726976,
    ID_RNG = 4,
    ACKNOWLEDGE = 1,
    DRIVER = 2,
    DRIVER_OK = 4,
    FEATURES_OK = 8,
    DESC_F_WRITE = 2,
    QUEUE_SIZE = 8,
};

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

/* The legacy layout, which the modern interface accepts as well: the used ring starts on a page of its own. */
static struct {
    struct descriptor descriptors[QUEUE_SIZE];
    struct {
        u16 flags, index, ring[QUEUE_SIZE];
    } available;
    struct {
        u16 flags, index;
        struct {
            u32 id, length;
        } ring[QUEUE_SIZE];
    } used __attribute__((aligned(4096)));
} queue __attribute__((aligned(4096)));

static u8 entropy[32] __attribute__((aligned(16)));
static u64 rng;
static volatile u32 completions;

static void rng_irq(void)
{
    write32(rng + InterruptACK, read32(rng + InterruptStatus));
    completions++;
}

static void write_address(u64 reg, const void *address)
{
    write32(reg, (u64)address);
    write32(reg + 4, (u64)address >> 32);
}

static int start_rng(u32 version)
{
    write32(rng + Status, 0);
    write32(rng + Status, ACKNOWLEDGE);
    write32(rng + Status, ACKNOWLEDGE | DRIVER);
    write32(rng + DriverFeaturesSel, 0);
    write32(rng + DriverFeatures, 0);
    if (version >= 2) {
        write32(rng + DriverFeaturesSel, 1);
        write32(rng + DriverFeatures, 1); /* VIRTIO_F_VERSION_1, bit 32 */
        write32(rng + Status, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        if (!(read32(rng + Status) & FEATURES_OK))
            return 0;
    } else {
        write32(rng + GuestPageSize, PAGE_SIZE);
    }
    write32(rng + QueueSel, 0);
    if (read32(rng + QueueNumMax) < QUEUE_SIZE)
        return 0;
    write32(rng + QueueNum, QUEUE_SIZE);
    if (version >= 2) {
        write_address(rng + QueueDescLow, queue.descriptors);
        write_address(rng + QueueDriverLow, &queue.available);
        write_address(rng + QueueDeviceLow, &queue.used);
        write32(rng + QueueReady, 1);
        write32(rng + Status, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    } else {
        write32(rng + QueueAlign, PAGE_SIZE);
        write32(rng + QueuePFN, (u64)&queue / PAGE_SIZE);
        write32(rng + Status, ACKNOWLEDGE | DRIVER | DRIVER_OK);
    }
    return 1;
}

static void read_rng(void)
{
    queue.descriptors[0].address = (u64)entropy;
    queue.descriptors[0].length = sizeof entropy;
    queue.descriptors[0].flags = DESC_F_WRITE;
    queue.available.ring[0] = 0;
    dsb();
    queue.available.index = 1;
    dsb();
    write32(rng + QueueNotify, 0);
    for (u32 tries = 0; tries < 50 && !completions; tries++)
        task_sleep(1);
    if (!completions) {
        say("virtio", "rng does not answer\n");
        return;
    }
    dsb();
    say("virtio", "rng gave %u bytes:", queue.used.ring[0].length);
    for (u32 i = 0; i < 8; i++)
        print(" %02x", entropy[i]);
    print(" ...\n");
}

void virtio_init(void)
{
    u32 in_use = 0, version = 0;
    const struct device *found = 0;
    for (u32 i = 0; i < platform.virtio_count; i++) {
        const struct device *transport = &platform.virtio[i];
        if (read32(transport->base + MagicValue) != MAGIC)
            continue;
        u32 id = read32(transport->base + DeviceID);
        if (!id)
            continue;
        in_use++;
        version = read32(transport->base + Version);
        say("virtio", "transport %u: device %u, version %u\n", i, id, version);
        if (id == ID_RNG && !found)
            found = transport;
    }
    say("virtio", "%u transports, %u in use\n", platform.virtio_count, in_use);
    if (!found)
        return;
    rng = found->base;
    irq_request(&found->irq, rng_irq, IRQ_THREADED, "virtio rng");
    if (start_rng(read32(rng + Version)))
        read_rng();
    else
        say("virtio", "rng refuses the driver\n");
}
