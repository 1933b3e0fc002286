/* The smallest useful guest: prints a line on the first PL011 of the virt board and powers off through PSCI. */
    .section .text, "ax"
    .global _start
    .type _start, %function
_start:
    adr     x1, message
    mov     x2, #0x09000000             /* UARTDR */
1:  ldrb    w0, [x1], #1
    cbz     w0, 2f
    str     w0, [x2]
    b       1b
2:  mov     w0, #0x8                    /* PSCI SYSTEM_OFF, 0x84000008 */
    movk    w0, #0x8400, lsl #16
    hvc     #0
3:  wfi
    b       3b
    .size _start, . - _start

message:
    .asciz  "hello from EL1\r\n"
