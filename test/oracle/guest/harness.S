// Runs the cases of a batch one by one and writes down what each leaves. Everything it needs was put into memory
// by the host (layout.ts, which has the same numbers): page tables, header, code, cases, and a template for the
// memory windows. Case and result records: see record.ts.
//
// Code executed here uses X registers only between cases; a case owns all registers but TPIDRRO_EL0 (scratch of
// the vectors), VBAR_EL1 and the translation registers. Every case ends with an exception.
    .arch armv8-a

    // Header, at HEADER_PA
    .equ HEADER_PA,     0x40400000
    .equ H_COUNT,       0
    .equ H_TTBR0_BOOT,  8
    .equ H_TTBR0,       16
    .equ H_TTBR1,       24
    .equ H_TCR,         32
    .equ H_MAIR,        40
    .equ H_SCTLR,       48
    .equ H_CPACR,       56
    .equ H_OFFSET,      64          // virtual minus physical address of this program
    .equ H_CASES,       72          // virtual addresses
    .equ H_RESULTS,     80
    .equ H_DUMPS,       88
    .equ H_WINDOW,      96
    .equ H_TEMPLATE,    104

    // Case record
    .equ C_FLAGS,       0           // 1: memory, 2: system registers
    .equ C_SPSR,        4
    .equ C_PC,          8
    .equ C_FPCR,        16
    .equ C_FPSR,        20
    .equ C_SP_EL0,      24
    .equ C_SP_EL1,      32
    // Result record
    .equ R_VECTOR,      0
    .equ R_SPSR,        4
    .equ R_ELR,         8
    .equ R_FPCR,        16
    .equ R_FPSR,        20
    .equ R_SP_EL0,      24
    .equ R_SP_EL1,      32
    .equ R_ESR,         816
    .equ R_FAR,         824
    // Both
    .equ AT_X,          48
    .equ AT_V,          304
    .equ RECORD,        832

    .equ PAGE,          4096
    .equ PAGES,         4           // of the window
    .equ ZONE,          128         // bytes compared at each end of a page

    .text
    .globl _start
_start:
    ldr     x20, =HEADER_PA
    ldr     x0, [x20, #H_TTBR0_BOOT]
    msr     ttbr0_el1, x0
    ldr     x0, [x20, #H_TTBR1]
    msr     ttbr1_el1, x0
    ldr     x0, [x20, #H_TCR]
    msr     tcr_el1, x0
    ldr     x0, [x20, #H_MAIR]
    msr     mair_el1, x0
    ldr     x0, [x20, #H_CPACR]
    msr     cpacr_el1, x0
    msr     daifset, #15
    msr     spsel, #1
    tlbi    vmalle1
    dsb     sy
    isb
    ldr     x0, [x20, #H_SCTLR]
    msr     sctlr_el1, x0
    isb
    ldr     x21, [x20, #H_OFFSET]
    add     x20, x20, x21
    adr     x0, high
    add     x0, x0, x21
    br      x0
high:                               // at the virtual address from here on
    ldr     x0, [x20, #H_TTBR0]
    msr     ttbr0_el1, x0
    tlbi    vmalle1
    dsb     sy
    isb
    adr     x0, vectors
    msr     vbar_el1, x0
    adr     x1, variables
    ldr     x0, [x20, #H_COUNT]
    str     x0, [x1, #LEFT]
    ldr     x0, [x20, #H_CASES]
    str     x0, [x1, #CASE]
    ldr     x0, [x20, #H_RESULTS]
    str     x0, [x1, #RESULT]
    ldr     x0, [x20, #H_DUMPS]
    str     x0, [x1, #DUMP]
    ldr     x0, [x20, #H_WINDOW]
    str     x0, [x1, #WINDOW]
    ldr     x0, [x20, #H_TEMPLATE]
    str     x0, [x1, #TEMPLATE]

next:
    adr     x30, variables
    ldr     x0, [x30, #LEFT]
    cbz     x0, done
    sub     x0, x0, #1
    str     x0, [x30, #LEFT]
    ldr     x0, [x30, #CASE]
    add     x1, x0, #RECORD
    str     x1, [x30, #CASE]
    ldr     w1, [x0, #C_FLAGS]
    tbz     w1, #0, 1f
    ldr     x2, [x30, #TEMPLATE]
    ldr     x3, [x30, #WINDOW]
    mov     x4, #PAGES
2:  mov     x6, x3                  // first zone of a page, then last
    mov     x5, #2
3:  ldp     q0, q1, [x2], #32
    ldp     q2, q3, [x2], #32
    ldp     q4, q5, [x2], #32
    ldp     q6, q7, [x2], #32
    stp     q0, q1, [x6], #32
    stp     q2, q3, [x6], #32
    stp     q4, q5, [x6], #32
    stp     q6, q7, [x6], #32
    add     x6, x3, #(PAGE - ZONE)
    sub     x5, x5, #1
    cbnz    x5, 3b
    add     x3, x3, #PAGE
    sub     x4, x4, #1
    cbnz    x4, 2b
1:  tbz     w1, #1, 1f
    msr     tpidr_el0, xzr
    msr     tpidr_el1, xzr
    msr     csselr_el1, xzr
    msr     par_el1, xzr
    msr     contextidr_el1, xzr
    msr     afsr0_el1, xzr
    msr     afsr1_el1, xzr
    msr     amair_el1, xzr
1:  msr     tpidrro_el0, xzr
    msr     esr_el1, xzr
    msr     far_el1, xzr
    ldp     w2, w3, [x0, #C_FPCR]
    msr     fpcr, x2
    msr     fpsr, x3
    ldp     x2, x3, [x0, #C_SP_EL0]
    msr     sp_el0, x2
    mov     sp, x3
    ldr     w2, [x0, #C_SPSR]
    msr     spsr_el1, x2
    ldr     x2, [x0, #C_PC]
    msr     elr_el1, x2
    add     x1, x0, #AT_V
    ldp     q0, q1, [x1]
    ldp     q2, q3, [x1, #32]
    ldp     q4, q5, [x1, #64]
    ldp     q6, q7, [x1, #96]
    ldp     q8, q9, [x1, #128]
    ldp     q10, q11, [x1, #160]
    ldp     q12, q13, [x1, #192]
    ldp     q14, q15, [x1, #224]
    ldp     q16, q17, [x1, #256]
    ldp     q18, q19, [x1, #288]
    ldp     q20, q21, [x1, #320]
    ldp     q22, q23, [x1, #352]
    ldp     q24, q25, [x1, #384]
    ldp     q26, q27, [x1, #416]
    ldp     q28, q29, [x1, #448]
    ldp     q30, q31, [x1, #480]
    add     x0, x0, #AT_X
    ldp     x2, x3, [x0, #16]
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x8, x9, [x0, #64]
    ldp     x10, x11, [x0, #80]
    ldp     x12, x13, [x0, #96]
    ldp     x14, x15, [x0, #112]
    ldp     x16, x17, [x0, #128]
    ldp     x18, x19, [x0, #144]
    ldp     x20, x21, [x0, #160]
    ldp     x22, x23, [x0, #176]
    ldp     x24, x25, [x0, #192]
    ldp     x26, x27, [x0, #208]
    ldp     x28, x29, [x0, #224]
    ldr     x30, [x0, #240]
    ldp     x0, x1, [x0]
    eret

// X0 is in TPIDRRO_EL0, X1 in variables, W1 is the vector's number.
taken:
    adr     x0, variables
    ldr     x0, [x0, #RESULT]
    str     w1, [x0, #R_VECTOR]
    stp     x2, x3, [x0, #(AT_X + 16)]
    stp     x4, x5, [x0, #(AT_X + 32)]
    stp     x6, x7, [x0, #(AT_X + 48)]
    stp     x8, x9, [x0, #(AT_X + 64)]
    stp     x10, x11, [x0, #(AT_X + 80)]
    stp     x12, x13, [x0, #(AT_X + 96)]
    stp     x14, x15, [x0, #(AT_X + 112)]
    stp     x16, x17, [x0, #(AT_X + 128)]
    stp     x18, x19, [x0, #(AT_X + 144)]
    stp     x20, x21, [x0, #(AT_X + 160)]
    stp     x22, x23, [x0, #(AT_X + 176)]
    stp     x24, x25, [x0, #(AT_X + 192)]
    stp     x26, x27, [x0, #(AT_X + 208)]
    stp     x28, x29, [x0, #(AT_X + 224)]
    str     x30, [x0, #(AT_X + 240)]
    adr     x30, variables
    mrs     x2, tpidrro_el0
    ldr     x3, [x30, #SAVED_X1]
    stp     x2, x3, [x0, #AT_X]
    mrs     x2, spsr_el1
    str     w2, [x0, #R_SPSR]
    mrs     x2, elr_el1
    str     x2, [x0, #R_ELR]
    mrs     x2, fpcr
    mrs     x3, fpsr
    stp     w2, w3, [x0, #R_FPCR]
    mrs     x2, sp_el0
    mov     x3, sp
    stp     x2, x3, [x0, #R_SP_EL0]
    mrs     x2, esr_el1
    mrs     x3, far_el1
    add     x1, x0, #R_ESR
    stp     x2, x3, [x1]
    add     x1, x0, #AT_V
    stp     q0, q1, [x1]
    stp     q2, q3, [x1, #32]
    stp     q4, q5, [x1, #64]
    stp     q6, q7, [x1, #96]
    stp     q8, q9, [x1, #128]
    stp     q10, q11, [x1, #160]
    stp     q12, q13, [x1, #192]
    stp     q14, q15, [x1, #224]
    stp     q16, q17, [x1, #256]
    stp     q18, q19, [x1, #288]
    stp     q20, q21, [x1, #320]
    stp     q22, q23, [x1, #352]
    stp     q24, q25, [x1, #384]
    stp     q26, q27, [x1, #416]
    stp     q28, q29, [x1, #448]
    stp     q30, q31, [x1, #480]
    add     x0, x0, #RECORD
    str     x0, [x30, #RESULT]
    ldr     x0, [x30, #CASE]
    sub     x0, x0, #RECORD         // the case just run
    ldr     w1, [x0, #C_FLAGS]
    tbz     w1, #0, next
    ldr     x2, [x30, #DUMP]
    ldr     x3, [x30, #WINDOW]
    mov     x4, #PAGES
2:  mov     x6, x3
    mov     x5, #2
3:  ldp     q0, q1, [x6], #32
    ldp     q2, q3, [x6], #32
    ldp     q4, q5, [x6], #32
    ldp     q6, q7, [x6], #32
    stp     q0, q1, [x2], #32
    stp     q2, q3, [x2], #32
    stp     q4, q5, [x2], #32
    stp     q6, q7, [x2], #32
    add     x6, x3, #(PAGE - ZONE)
    sub     x5, x5, #1
    cbnz    x5, 3b
    add     x3, x3, #PAGE
    sub     x4, x4, #1
    cbnz    x4, 2b
    str     x2, [x30, #DUMP]
    b       next

done:
    ldr     w0, =0x84000008         // PSCI SYSTEM_OFF
    hvc     #0
1:  b       1b

    .balign 16
variables:
    .equ LEFT, 0
    .equ CASE, 8
    .equ RESULT, 16
    .equ DUMP, 24
    .equ WINDOW, 32
    .equ TEMPLATE, 40
    .equ SAVED_X1, 48
    .skip   64
    .ltorg

    .balign 2048
vectors:
    .set    number, 0
    .rept   16
    .balign 128
    msr     tpidrro_el0, x0
    adr     x0, variables
    str     x1, [x0, #SAVED_X1]
    mov     w1, #number
    b       taken
    .set    number, number + 1
    .endr
