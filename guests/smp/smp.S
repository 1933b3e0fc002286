/*
 * All CPUs on one lock: a guest whose result depends on who runs when. Starts every CPU it finds through PSCI;
 * each takes a spin lock (exclusives, WFE) 1,500 times, and under it counts and mixes its number into a shared
 * word. Then the others switch themselves off, and CPU 0 prints
 *
 *   boot B cpus N count C mix M
 *
 * with hexadecimal numbers, resets the machine the first time (B = 0, kept in RAM outside the image) and
 * powers it off the second time. MMU and caches are on.
 */
    .equ ROUNDS, 1500
    .equ KEPT, 0x42000000               /* boots so far */

    .section .text, "ax"
    .global _start
    .type _start, %function
_start:
    mov     x27, #0                     /* number of this CPU */
    bl      mmu_on
    mov     x26, #1                     /* CPUs started */
    mov     x20, #1
1:  movz    w0, #0x0003                 /* CPU_ON (64-bit): target, entry, context */
    movk    w0, #0xc400, lsl #16
    mov     x1, x20
    adr     x2, secondary
    mov     x3, x20
    hvc     #0
    cbnz    x0, 2f
    add     x26, x26, #1
2:  add     x20, x20, #1
    cmp     x20, #8
    b.ne    1b
    bl      work
    adr     x1, finished
3:  ldar    w0, [x1]
    cmp     w0, w26
    b.eq    4f
    wfe
    b       3b
4:  mov     x25, #KEPT
    ldr     w24, [x25]
    adr     x0, s_boot
    bl      print
    mov     w0, w24
    bl      print_hex
    adr     x0, s_cpus
    bl      print
    mov     w0, w26
    bl      print_hex
    adr     x0, s_count
    bl      print
    ldr     w0, count
    bl      print_hex
    adr     x0, s_mix
    bl      print
    ldr     w0, mix
    bl      print_hex
    adr     x0, s_end
    bl      print
    cbnz    w24, 5f
    mov     w24, #1
    str     w24, [x25]
    dc      civac, x25
    dsb     sy
    movz    w0, #0x0009                 /* SYSTEM_RESET */
    b       6f
5:  movz    w0, #0x0008                 /* SYSTEM_OFF */
6:  movk    w0, #0x8400, lsl #16
    hvc     #0
7:  wfi
    b       7b
    .size _start, . - _start

    .type secondary, %function
secondary:
    mov     x27, x0
    bl      mmu_on
    bl      work
    movz    w0, #0x0002                 /* CPU_OFF */
    movk    w0, #0x8400, lsl #16
    hvc     #0
1:  b       1b
    .size secondary, . - secondary

/* ROUNDS times: lock, count, mix, unlock; then one more in `finished`. */
    .type work, %function
work:
    adr     x1, lock
    adr     x2, count
    adr     x3, mix
    mov     w9, #ROUNDS
    ldr     w10, multiplier
1:  sevl
2:  wfe
3:  ldaxr   w4, [x1]
    cbnz    w4, 2b
    mov     w5, #1
    stxr    w4, w5, [x1]
    cbnz    w4, 3b
    ldr     w4, [x2]
    add     w4, w4, #1
    str     w4, [x2]
    ldr     w4, [x3]
    add     w5, w27, #1
    madd    w4, w4, w10, w5
    str     w4, [x3]
    stlr    wzr, [x1]
    sev
    /* Some work of its own, of a length that differs between CPUs. */
    add     w5, w27, #3
4:  subs    w5, w5, #1
    b.ne    4b
    tst     w9, #15
    b.ne    5f
    yield
5:  subs    w9, w9, #1
    b.ne    1b
    adr     x1, finished
6:  ldxr    w4, [x1]
    add     w4, w4, #1
    stlxr   w5, w4, [x1]
    cbnz    w5, 6b
    dsb     sy
    sev
    ret
    .size work, . - work

/* One gigabyte of devices, one of memory, mapped as they are. */
    .type mmu_on, %function
mmu_on:
    adr     x0, tables
    movz    x1, #0x0000
    movk    x1, #0x0060, lsl #48        /* UXN, PXN */
    movk    x1, #0x0401                 /* block, AF, attribute 0 */
    str     x1, [x0]
    movz    x1, #0x0705                 /* block, AF, inner shareable, attribute 1 */
    movk    x1, #0x4000, lsl #16
    str     x1, [x0, #8]
    dsb     sy
    movz    x1, #0xff00                 /* attribute 0 Device-nGnRnE, 1 Normal write-back */
    msr     mair_el1, x1
    movz    x1, #0x3519                 /* T0SZ 25, write-back, inner shareable, 4 KiB */
    movk    x1, #0x0080, lsl #16        /* no walks by TTBR1 */
    msr     tcr_el1, x1
    msr     ttbr0_el1, x0
    isb
    tlbi    vmalle1
    dsb     sy
    isb
    mrs     x1, sctlr_el1
    mov     x2, #0x1005                 /* I, C, M */
    orr     x1, x1, x2
    msr     sctlr_el1, x1
    isb
    ret
    .size mmu_on, . - mmu_on

    .type print, %function
print:
    mov     x2, #0x09000000             /* UARTDR */
1:  ldrb    w1, [x0], #1
    cbz     w1, 2f
    str     w1, [x2]
    b       1b
2:  ret
    .size print, . - print

    .type print_hex, %function
print_hex:
    mov     x2, #0x09000000
    mov     w3, #8
1:  ror     w0, w0, #28
    and     w1, w0, #15
    cmp     w1, #10
    add     w4, w1, #'0'
    add     w5, w1, #('a' - 10)
    csel    w1, w4, w5, lo
    str     w1, [x2]
    subs    w3, w3, #1
    b.ne    1b
    ret
    .size print_hex, . - print_hex

multiplier:
    .word   1664525
s_boot:
    .asciz  "boot "
s_cpus:
    .asciz  " cpus "
s_count:
    .asciz  " count "
s_mix:
    .asciz  " mix "
s_end:
    .asciz  "\r\n"
    .balign 64
lock:
    .word   0
    .balign 64
finished:
    .word   0
    .balign 64
count:
    .word   0
mix:
    .word   0
    .balign 4096
tables:
    .fill   512, 8, 0
