/* Stack, zeroed data, then C. Exceptions print a line and power off. */
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
