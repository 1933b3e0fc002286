/*
 * Reads the flattened device tree (Devicetree Specification v0.4, chapter 5). Byte loads only: it runs before
 * the MMU is on, when memory is Device memory and an unaligned access faults.
 */
#include "storm.h"

enum { FDT_MAGIC = 0xd00dfeed, FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4, FDT_END = 9 };

static const u8 *structure, *structure_end, *strings;
static u32 total_size;

u32 fdt_u32(const u8 *cells, u32 index)
{
    const u8 *p = cells + 4 * index;
    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

u64 fdt_u64(const u8 *cells, u32 index)
{
    return (u64)fdt_u32(cells, index) << 32 | fdt_u32(cells, index + 1);
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* A string and its terminator, up to the next multiple of four. */
static u32 padded(const char *text)
{
    u32 length = 0;
    while (text[length])
        length++;
    return (length + 4) & ~3u;
}

int fdt_open(const void *blob)
{
    const u8 *header = blob;
    if (fdt_u32(header, 0) != FDT_MAGIC)
        return 0;
    total_size = fdt_u32(header, 1);
    structure = header + fdt_u32(header, 2);
    strings = header + fdt_u32(header, 3);
    structure_end = structure + fdt_u32(header, 9);
    return 1;
}

u32 fdt_size(void)
{
    return total_size;
}

int fdt_next(struct node *node)
{
    const u8 *p = node->next ? node->next : structure;
    while (p < structure_end) {
        u32 token = fdt_u32(p, 0);
        p += 4;
        if (token == FDT_BEGIN_NODE) {
            node->name = (const char *)p;
            p += padded(node->name);
            node->properties = p;
            node->next = p;
            return 1;
        }
        if (token == FDT_PROP)
            p += 8 + ((fdt_u32(p, 0) + 3) & ~3u);
        else if (token == FDT_END)
            break;
    }
    return 0;
}

const u8 *fdt_property(const struct node *node, const char *name, u32 *length)
{
    const u8 *p = node->properties;
    for (;;) {
        u32 token = fdt_u32(p, 0);
        p += 4;
        if (token == FDT_NOP)
            continue;
        if (token != FDT_PROP)
            return 0;
        u32 bytes = fdt_u32(p, 0);
        if (same((const char *)strings + fdt_u32(p, 1), name)) {
            if (length)
                *length = bytes;
            return p + 8;
        }
        p += 8 + ((bytes + 3) & ~3u);
    }
}

/* `compatible` is a list of strings; any of them counts. */
static int is_compatible(const struct node *node, const char *compatible)
{
    u32 length = 0;
    const char *entry = (const char *)fdt_property(node, "compatible", &length);
    const char *end = entry + length;
    while (entry && entry < end) {
        if (same(entry, compatible))
            return 1;
        while (*entry++)
            ;
    }
    return 0;
}

int fdt_find_compatible(struct node *node, const char *compatible)
{
    while (fdt_next(node))
        if (is_compatible(node, compatible))
            return 1;
    return 0;
}

/* The first node of that name; a unit address (`@…`) counts as its end. */
int fdt_find_path(struct node *node, const char *name)
{
    while (fdt_next(node)) {
        u32 i = 0;
        while (name[i] && node->name[i] == name[i])
            i++;
        if (!name[i] && (!node->name[i] || node->name[i] == '@'))
            return 1;
    }
    return 0;
}
