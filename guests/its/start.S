/* Stack, zeroed data, then C; CPUs other than the first come in at `secondary`. Exceptions print and power off. */
    .section .text.start, "ax"
    .global _start
    .type _start, %function
_start:
    adrp    x0, stack_top
    add     sp, x0, :lo12:stack_top
    adr     x0, vectors
    msr     vbar_el1, x0
    isb
    adrp    x0, bss_start
    add     x0, x0, :lo12:bss_start
    adrp    x1, bss_end
    add     x1, x1, :lo12:bss_end
1:  cmp     x0, x1
    b.hs    2f
    str     xzr, [x0], #8
    b       1b
2:  bl      main
power_off:
    movz    w0, #0x0008
    movk    w0, #0x8400, lsl #16
    hvc     #0
3:  wfi
    b       3b
    .size _start, . - _start

/* x0: number of the CPU. Each has 4 KiB of stack below that of the one before. */
    .global secondary
    .type secondary, %function
secondary:
    adrp    x1, stack_top
    add     x1, x1, :lo12:stack_top
    sub     x1, x1, x0, lsl #12
    mov     sp, x1
    adr     x1, vectors
    msr     vbar_el1, x1
    isb
    bl      serve
    b       power_off
    .size secondary, . - secondary

/* long hvc(long function, long a, long b, long c) */
    .global hvc
    .type hvc, %function
hvc:
    hvc     #0
    ret
    .size hvc, . - hvc

    .balign 2048
vectors:
    .rept 16
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    bl      unexpected
    b       power_off
    .balign 128
    .endr
