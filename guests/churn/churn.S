/*
 * Makes code as fast as it can: writes a function into the next of 4,096 pages, runs it until it is hot, and goes on
 * to the next page; after the last page the first function is written over. No two functions are alike. Never ends;
 * prints a dot for each 4,096 functions.
 */
    .equ    PAGES, 4096
    .equ    TURNS, 16384                /* of the loop in a function: enough to be worth compiling */
    .section .text, "ax"
    .global _start
    .type _start, %function
_start:
    mov     x20, #0x41000000            /* first page */
    mov     x19, x20                    /* this page */
    mov     w21, #PAGES
    mov     x22, #12345                 /* random numbers */
    movz    x23, #0x7f2d, lsl #16
    movk    x23, #0x4c95
    mov     w24, #0x09000000            /* UARTDR */
    movz    w25, #0x9100, lsl #16       /* ADD X0, X0, #0 */
    movz    w26, #0xf100, lsl #16       /* SUBS X0, X0, #1 */
    movk    w26, #0x0400
    movz    w27, #0xd65f, lsl #16       /* RET */
    movk    w27, #0x03c0

function:
    madd    x22, x22, x23, x23
    ubfx    x2, x22, #40, #5            /* 8 to 39 additions */
    add     x2, x2, #8
    mov     x3, x19
1:  madd    x22, x22, x23, x23
    ubfx    x4, x22, #33, #3            /* ADD Xd, Xn, #imm with d and n from 8 to 15 */
    add     x4, x4, #8
    ubfx    x5, x22, #36, #3
    add     x5, x5, #8
    ubfx    x6, x22, #40, #12
    orr     w7, w25, w4
    orr     w7, w7, w5, lsl #5
    orr     w7, w7, w6, lsl #10
    str     w7, [x3], #4
    subs    x2, x2, #1
    b.ne    1b
    str     w26, [x3], #4
    sub     x4, x19, x3                 /* B.NE to the first instruction */
    asr     x4, x4, #2
    and     w4, w4, #0x7ffff
    movz    w5, #0x5400, lsl #16
    orr     w5, w5, w4, lsl #5
    add     w5, w5, #1
    str     w5, [x3], #4
    str     w27, [x3], #4

    mov     x4, x19
2:  dc      cvau, x4
    ic      ivau, x4
    add     x4, x4, #16
    cmp     x4, x3
    b.lo    2b
    dsb     ish
    isb

    mov     x0, #TURNS
    blr     x19
    add     x19, x19, #0x1000
    subs    w21, w21, #1
    b.ne    function
    mov     w0, #'.'
    str     w0, [x24]
    mov     x19, x20
    mov     w21, #PAGES
    b       function
    .size _start, . - _start
