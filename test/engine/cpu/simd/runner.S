// Executes instructions one by one on given register files: reads records from the host file `in`, replaces each
// by what the instruction left, writes them to `out`. Calls: Arm "Semihosting for AArch32 and AArch64".
//
// Record, 672 bytes: 0 instruction word, 4 FPSR, 8 (out) 1 when UNDEFINED, 16 X0-X15 (128 bytes), 144 V0-V31,
// 656 padding. Instructions may use X0-X15 and XZR only.
    .arch armv8-a
    .equ RECORD, 672
    .text
    .globl _start
_start:
    mov     x0, #(3 << 20)              // CPACR_EL1.FPEN
    msr     cpacr_el1, x0
    adr     x0, vectors
    msr     vbar_el1, x0
    isb
    ldr     x20, =buffer
    adr     x0, name_in
    mov     x1, #1                      // "rb"
    mov     x2, #2
    bl      open
    mov     x21, x0
    mov     x0, #0x06                   // SYS_READ
    ldr     x23, =(RECORD * 40000)
    bl      transfer                    // returns the bytes that were not read
    sub     x22, x23, x0                // bytes of records
    mov     x19, x20
    add     x24, x20, x22
next:
    cmp     x19, x24
    b.hs    done
    ldr     w0, [x19]
    adr     x1, slot
    str     w0, [x1]
    dc      cvau, x1
    dsb     ish
    ic      ivau, x1
    dsb     ish
    isb
    ldr     w0, [x19, #4]
    msr     fpsr, x0
    str     wzr, [x19, #8]
    add     x16, x19, #144
    ldp     q0, q1, [x16], #32
    ldp     q2, q3, [x16], #32
    ldp     q4, q5, [x16], #32
    ldp     q6, q7, [x16], #32
    ldp     q8, q9, [x16], #32
    ldp     q10, q11, [x16], #32
    ldp     q12, q13, [x16], #32
    ldp     q14, q15, [x16], #32
    ldp     q16, q17, [x16], #32
    ldp     q18, q19, [x16], #32
    ldp     q20, q21, [x16], #32
    ldp     q22, q23, [x16], #32
    ldp     q24, q25, [x16], #32
    ldp     q26, q27, [x16], #32
    ldp     q28, q29, [x16], #32
    ldp     q30, q31, [x16], #32
    add     x16, x19, #16
    ldp     x0, x1, [x16], #16
    ldp     x2, x3, [x16], #16
    ldp     x4, x5, [x16], #16
    ldp     x6, x7, [x16], #16
    ldp     x8, x9, [x16], #16
    ldp     x10, x11, [x16], #16
    ldp     x12, x13, [x16], #16
    ldp     x14, x15, [x16], #16
slot:
    nop
    add     x16, x19, #16
    stp     x0, x1, [x16], #16
    stp     x2, x3, [x16], #16
    stp     x4, x5, [x16], #16
    stp     x6, x7, [x16], #16
    stp     x8, x9, [x16], #16
    stp     x10, x11, [x16], #16
    stp     x12, x13, [x16], #16
    stp     x14, x15, [x16], #16
    stp     q0, q1, [x16], #32
    stp     q2, q3, [x16], #32
    stp     q4, q5, [x16], #32
    stp     q6, q7, [x16], #32
    stp     q8, q9, [x16], #32
    stp     q10, q11, [x16], #32
    stp     q12, q13, [x16], #32
    stp     q14, q15, [x16], #32
    stp     q16, q17, [x16], #32
    stp     q18, q19, [x16], #32
    stp     q20, q21, [x16], #32
    stp     q22, q23, [x16], #32
    stp     q24, q25, [x16], #32
    stp     q26, q27, [x16], #32
    stp     q28, q29, [x16], #32
    stp     q30, q31, [x16], #32
    mrs     x0, fpsr
    str     w0, [x19, #4]
    add     x19, x19, #RECORD
    b       next
done:
    adr     x0, name_out
    mov     x1, #5                      // "wb"
    mov     x2, #3
    bl      open
    mov     x21, x0
    mov     x0, #0x05                   // SYS_WRITE
    mov     x23, x22
    bl      transfer
    ldr     x1, =exit_block
    mov     x0, #0x18                   // SYS_EXIT
    hlt     #0xf000
1:  b       1b

open:                                   // x0 name, x1 mode, x2 length of the name
    ldr     x3, =block
    stp     x0, x1, [x3]
    str     x2, [x3, #16]
    mov     x1, x3
    mov     x0, #0x01                   // SYS_OPEN
    hlt     #0xf000
    ret

transfer:                               // x0 call, x20 buffer, x21 handle, x23 bytes
    ldr     x1, =block
    stp     x21, x20, [x1]
    str     x23, [x1, #16]
    hlt     #0xf000
    ret

name_in:    .asciz "in"
name_out:   .asciz "out"

    .balign 2048
vectors:
    .org    vectors + 0x200             // synchronous, current EL with SP_ELx: the slot was UNDEFINED
    mov     w16, #1
    str     w16, [x19, #8]
    mrs     x16, elr_el1
    add     x16, x16, #4
    msr     elr_el1, x16
    eret
    .org    vectors + 0x800

    .data
    .balign 16
block:      .quad 0, 0, 0
exit_block: .quad 0x20026, 0            // ADP_Stopped_ApplicationExit
    .bss
    .balign 64
buffer:     .skip RECORD * 40000
