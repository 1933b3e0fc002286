/*
 * An identity map with 4 KiB pages and 39-bit addresses (Arm ARM, "The AArch64 Virtual Memory System
 * Architecture"): the first GiB is devices, RAM up to 1 GiB is normal memory in 2 MiB blocks, and the first
 * 2 MiB of RAM, where tree and kernel are, in pages with the permissions of each section.
 */
#include "storm.h"

enum { VALID_BLOCK = 1, VALID_TABLE = 3, VALID_PAGE = 3, ATTR_NORMAL = 0 << 2, ATTR_DEVICE = 1 << 2 };
#define AP_READ_ONLY (1ul << 7)
#define SH_INNER (3ul << 8)
#define ACCESS_FLAG (1ul << 10)
#define PXN (1ul << 53)
#define UXN (1ul << 54)
#define NORMAL (ATTR_NORMAL | SH_INNER | ACCESS_FLAG | UXN)
#define BLOCK_2M (2ul << 20)

static u64 level1[512] __attribute__((aligned(4096)));
static u64 level2[512] __attribute__((aligned(4096)));
static u64 level3[512] __attribute__((aligned(4096)));

extern const u8 text_start[], rodata_start[], data_start[], image_end[];

static u64 page_attributes(u64 address)
{
    if (address >= (u64)text_start && address < (u64)rodata_start)
        return NORMAL | AP_READ_ONLY;
    if (address >= (u64)rodata_start && address < (u64)data_start)
        return NORMAL | AP_READ_ONLY | PXN;
    if (address < (u64)text_start)
        return NORMAL | AP_READ_ONLY | PXN; /* the device tree */
    return NORMAL | PXN;
}

void mmu_init(void)
{
    u64 base = platform.ram_base;
    u64 size = platform.ram_size < (1ul << 30) ? platform.ram_size : 1ul << 30;

    level1[0] = VALID_BLOCK | ATTR_DEVICE | ACCESS_FLAG | UXN | PXN;
    level1[base >> 30] = VALID_TABLE | (u64)level2;
    level2[0] = VALID_TABLE | (u64)level3;
    for (u64 i = 0; i < 512; i++)
        level3[i] = VALID_PAGE | page_attributes(base + i * PAGE_SIZE) | (base + i * PAGE_SIZE);
    for (u64 i = 1; i < size / BLOCK_2M; i++)
        level2[i] = VALID_BLOCK | NORMAL | PXN | (base + i * BLOCK_2M);

    u64 pa_range = read_sysreg(id_aa64mmfr0_el1) & 7;
    write_sysreg(mair_el1, 0x04ff); /* 0: normal, write-back; 1: Device-nGnRE */
    /* T0SZ 25, write-back and inner shareable walks, no walks through TTBR1, physical size of this CPU */
    write_sysreg(tcr_el1, 25ul | 1ul << 8 | 1ul << 10 | 3ul << 12 | 1ul << 23 | pa_range << 32);
    write_sysreg(ttbr0_el1, level1);
    dsb();
    isb();
    asm volatile("tlbi vmalle1; ic iallu" ::: "memory");
    dsb();
    isb();
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | 1 << 0 | 1 << 2 | 1 << 12 | 1 << 19); /* M, C, I, WXN */
    isb();
    say("mmu", "4 KiB pages, 39-bit addresses, caches on, W^X; image %lx-%lx\n", (u64)text_start, (u64)image_end);
}
