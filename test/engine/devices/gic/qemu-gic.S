// Runs single loads, stores and system-register moves under QEMU and tells what they gave, so that an
// interrupt controller can be compared. Reads records from the file "in" (semihosting), writes to "out".
//
// Record in, 32 bytes: insn u32, flags u32, X1, X2, pad. Flags: 1 = run it at EL1 (only when started at EL3),
// 2 = SCR_EL3.NS, 4 = SCR_EL3.FIQ. Record out, 16 bytes: X0, ISR_EL1 u32, u32: 0 = done, 1 = it trapped,
// 2 = an interrupt came first.
        .text
        .global _start
_start: adr     x0, vectors
        msr     vbar_el1, x0
        mrs     x26, CurrentEL
        cmp     x26, #0xc
        b.ne    1f
        adr     x0, vectors
        msr     vbar_el3, x0
1:      isb
        ldr     x20, =input
        ldr     x21, =output
        ldr     x1, =open_in
        mov     w0, #1                  // SYS_OPEN
        hlt     #0xf000
        ldr     x1, =args
        str     x0, [x1]
        str     x20, [x1, #8]
        ldr     x2, =MAXBYTES
        str     x2, [x1, #16]
        mov     w0, #6                  // SYS_READ
        hlt     #0xf000
        ldr     x2, =MAXBYTES
        sub     x22, x2, x0
        add     x23, x20, x22           // end of input
next:   cmp     x20, x23
        b.hs    done
        ldr     w0, [x20]
        adr     x3, slot
        str     w0, [x3]
        dc      cvau, x3
        dsb     ish
        ic      ivau, x3
        dsb     ish
        isb
        mov     x24, #0
        ldr     w4, [x20, #4]
        mov     x0, #0
        ldp     x1, x2, [x20, #8]
        cmp     x26, #0xc
        b.ne    slot
        mov     x5, #0x430              // RW, RES1
        ubfx    x6, x4, #1, #1
        orr     x5, x5, x6
        and     x6, x4, #4
        orr     x5, x5, x6
        msr     scr_el3, x5
        isb
        tbz     x4, #0, slot
        mov     x5, #0x3c5              // EL1h, everything masked
        msr     spsr_el3, x5
        msr     elr_el3, x3
        eret
slot:   nop
        mrs     x5, CurrentEL
        cmp     x5, x26
        b.eq    after
        smc     #0
after:  mrs     x3, isr_el1
        str     x0, [x21]
        str     w3, [x21, #8]
        str     w24, [x21, #12]
        add     x20, x20, #32
        add     x21, x21, #16
        b       next

        // X25 = vector number
handle: mrs     x5, CurrentEL
        cmp     x5, x26
        b.eq    1f
        mov     x24, #1                 // undefined at EL1: EL3 goes on
        smc     #0
1:      and     x5, x25, #3
        cbnz    x5, 3f
        cmp     x26, #0xc
        b.ne    2f
        mrs     x5, esr_el3
        lsr     x5, x5, #26
        cmp     x5, #0x17               // SMC: the end of an instruction at EL1
        b.eq    after
2:      mov     x24, #1
        b       after
3:      mov     x24, #2
        b       after

done:   ldr     x1, =open_out
        mov     w0, #1
        hlt     #0xf000
        ldr     x1, =args
        str     x0, [x1]
        ldr     x2, =output
        str     x2, [x1, #8]
        sub     x3, x21, x2
        str     x3, [x1, #16]
        mov     w0, #5                  // SYS_WRITE
        hlt     #0xf000
        ldr     x1, =args
        mov     w0, #2                  // SYS_CLOSE
        hlt     #0xf000
        ldr     x1, =exit
        mov     w0, #0x18               // SYS_EXIT
        hlt     #0xf000
        b       .

        .balign 2048
vectors:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .balign 128
        mov     x25, #\n
        b       handle
        .endr

        .data
        .balign 8
open_in:  .quad in_name, 1, 2
open_out: .quad out_name, 5, 3
exit:     .quad 0x20026, 0
args:     .quad 0, 0, 0
in_name:  .asciz "in"
out_name: .asciz "out"

        .equ    MAXBYTES, 0x400000
        .equ    input, 0x42000000
        .equ    output, 0x43000000
