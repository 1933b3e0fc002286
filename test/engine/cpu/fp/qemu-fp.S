// Runs single instructions under QEMU. Reads records from the file "in" (semihosting), executes each, writes
// results to the file "out". Nothing here knows what the instructions do.
//
// Record in, 128 bytes: insn u32, fpcr u32, fpsr u32, nzcv u32 (31:28), V0..V3 16 bytes each, X1, X2, pad.
// Record out, 128 bytes: fpsr u32, nzcv u32, esr u32, pad u32, V0..V3, X0, X2, pad.
        .text
        .global _start
_start: mov     x0, #(3 << 20)
        msr     cpacr_el1, x0
        adr     x0, vectors
        msr     vbar_el1, x0
        isb
        ldr     x20, =input
        ldr     x21, =output
        // SYS_OPEN "in" rb, SYS_READ, SYS_OPEN "out" wb
        ldr     x1, =open_in
        mov     w0, #1
        hlt     #0xf000
        ldr     x1, =args
        str     x0, [x1]
        str     x20, [x1, #8]
        ldr     x2, =MAXBYTES
        str     x2, [x1, #16]
        mov     w0, #6
        hlt     #0xf000
        ldr     x2, =MAXBYTES
        sub     x22, x2, x0             // bytes read
        add     x23, x20, x22           // end of input
next:   cmp     x20, x23
        b.hs    done
        // The caches of the emulator follow the architecture: clean, invalidate, synchronise.
        ldr     w0, [x20]
        adr     x1, slot
        str     w0, [x1]
        dc      cvau, x1
        dsb     ish
        ic      ivau, x1
        dsb     ish
        isb
        mov     x24, #0                 // ESR if it traps
        ldr     w0, [x20, #4]
        msr     fpcr, x0
        ldr     w0, [x20, #8]
        msr     fpsr, x0
        ldp     q0, q1, [x20, #16]
        ldp     q2, q3, [x20, #48]
        ldp     x1, x2, [x20, #80]
        ldr     w0, [x20, #12]
        msr     nzcv, x0
        mov     x0, #0
slot:   nop
        mrs     x4, nzcv
        mrs     x3, fpsr
        str     w3, [x21]
        str     w4, [x21, #4]
        str     w24, [x21, #8]
        str     wzr, [x21, #12]
        stp     q0, q1, [x21, #16]
        stp     q2, q3, [x21, #48]
        stp     x0, x2, [x21, #80]
        add     x20, x20, #128
        add     x21, x21, #128
        b       next
done:   ldr     x1, =open_out
        mov     w0, #1
        hlt     #0xf000
        ldr     x1, =args
        str     x0, [x1]
        ldr     x2, =output
        str     x2, [x1, #8]
        sub     x2, x21, x2
        str     x2, [x1, #16]
        mov     w0, #5
        hlt     #0xf000
        ldr     x1, =args               // SYS_EXIT, ADP_Stopped_ApplicationExit, 0
        mov     x2, #0x26
        movk    x2, #2, lsl #16
        str     x2, [x1]
        str     xzr, [x1, #8]
        mov     w0, #0x18
        hlt     #0xf000
        b       .

        .balign 2048
vectors:.space  0x200
        mrs     x24, esr_el1            // synchronous, current EL with SP_ELx: skip the instruction
        mrs     x5, elr_el1
        add     x5, x5, #4
        msr     elr_el1, x5
        eret
        .space  0x600 - 20

        .data
        .balign 8
open_in:  .quad name_in, 1, 2
open_out: .quad name_out, 5, 3
args:     .quad 0, 0, 0
name_in:  .asciz "in"
name_out: .asciz "out"
        .equ    MAXBYTES, 0x1000000
        .bss
        .balign 16
input:  .space  MAXBYTES
output: .space  MAXBYTES
