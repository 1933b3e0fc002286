/* Two tasks with something to compute, so that the scheduler has something to schedule. */
#include "storm.h"

enum { SIEVE_SIZE = 30000, CRC_ROUNDS = 6 };

static u8 sieve[SIEVE_SIZE];
static volatile u32 finished;

extern const u8 text_start[], rodata_start[];

/* CRC-32 (IEEE 802.3) of the kernel's own code, bit by bit. */
static void crc_task(void)
{
    u32 crc = ~0u;
    for (u32 round = 0; round < CRC_ROUNDS; round++) {
        for (const u8 *p = text_start; p < rodata_start; p++) {
            crc ^= *p;
            for (u32 bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
            if (!((u64)p & 255))
                progress++;
        }
    }
    say("crc", "%08x over %u bytes of code, %u rounds\n", ~crc, (u32)(rodata_start - text_start), (u32)CRC_ROUNDS);
    finished++;
}

static void sieve_task(void)
{
    u32 count = 0;
    for (u32 i = 2; i < SIEVE_SIZE; i++) {
        if (sieve[i])
            continue;
        count++;
        progress++;
        for (u32 multiple = 2 * i; multiple < SIEVE_SIZE; multiple += i)
            sieve[multiple] = 1;
    }
    say("sieve", "%u primes below %u\n", count, (u32)SIEVE_SIZE);
    finished++;
}

void workload_start(void)
{
    task_create("crc", crc_task, 0);
    task_create("sieve", sieve_task, 0);
}

int workload_done(void)
{
    return finished == 2;
}
