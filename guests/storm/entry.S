/*
 * Start, exception vectors, and the way into and out of an exception. Everything runs at EL1 on SP_EL1: an
 * exception saves the registers on the stack of the task it interrupts, and leaves through the frame that the
 * C code returns, which may be another task's.
 */
    .section .text.start, "ax"
    .global _start
    .type _start, %function
_start:
    msr     daifset, #0xf
    mrs     x0, CurrentEL
    cmp     x0, #(2 << 2)
    b.ne    1f
    /* Started at EL2 (-M virtualization=on): EL1 is AArch64, may use the counter, the timer and the GIC. */
    mov     x0, #(1 << 31)
    msr     hcr_el2, x0
    mov     x0, #3
    msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr
    mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #24, #4             /* the GIC system registers are there */
    cbz     x0, 2f
    mov     x0, #0xf
    msr     icc_sre_el2, x0
    isb
2:  mov     x0, #0x3c5                  /* EL1h, DAIF masked */
    msr     spsr_el2, x0
    adr     x0, 1f
    msr     elr_el2, x0
    eret
1:  ldr     x0, =0x30d00800             /* SCTLR_EL1: RES1 bits, MMU and caches off */
    msr     sctlr_el1, x0
    adrp    x0, vectors
    add     x0, x0, :lo12:vectors
    msr     vbar_el1, x0
    isb
    adrp    x0, boot_stack_top
    add     x0, x0, :lo12:boot_stack_top
    mov     sp, x0
    /* A warm reset does not clear RAM. */
    adrp    x1, bss_start
    add     x1, x1, :lo12:bss_start
    adrp    x2, bss_end
    add     x2, x2, :lo12:bss_end
3:  cmp     x1, x2
    b.hs    4f
    stp     xzr, xzr, [x1], #16
    b       3b
4:  mov     x29, xzr
    mov     x30, xzr
    bl      kernel_main
5:  wfi
    b       5b
    .size _start, . - _start

    .macro  save_frame
    sub     sp, sp, #272
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x30, x0, [sp, #240]
    str     x1, [sp, #256]
    mov     x0, sp
    .endm

    .section .text
    .global frame_resume
    .type frame_resume, %function
frame_resume:                           /* x0: frame */
    mov     sp, x0
    ldr     x1, [sp, #256]
    ldp     x30, x0, [sp, #240]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldp     x0, x1, [sp, #0]
    add     sp, sp, #272
    eret
    .size frame_resume, . - frame_resume

    .type irq_vector, %function
irq_vector:
    save_frame
    bl      irq_entry
    b       frame_resume
    .size irq_vector, . - irq_vector

    .type sync_vector, %function
sync_vector:
    save_frame
    mrs     x1, esr_el1
    lsr     x1, x1, #26
    cmp     x1, #0x15                   /* SVC: a task gives up the CPU */
    b.ne    1f
    bl      task_switch
    b       frame_resume
1:  mov     x1, #0
    bl      panic_exception
    .size sync_vector, . - sync_vector

    .macro  unexpected kind
    save_frame
    mov     x1, #\kind
    bl      panic_exception
    .endm

    .macro  vector target
    .balign 128
    b       \target
    .endm

    .macro  bad_vector kind
    .balign 128
    unexpected \kind
    .endm

    .balign 2048
    .global vectors
    .type vectors, %function
vectors:
    bad_vector 4                        /* current EL with SP_EL0 */
    bad_vector 5
    bad_vector 6
    bad_vector 7
    vector  sync_vector                 /* current EL with SP_EL1 */
    vector  irq_vector
    bad_vector 2
    bad_vector 3
    bad_vector 8                        /* lower EL: nothing runs there */
    bad_vector 9
    bad_vector 10
    bad_vector 11
    bad_vector 12
    bad_vector 13
    bad_vector 14
    bad_vector 15
    .balign 128
    .size vectors, . - vectors

    .global task_yield
    .type task_yield, %function
task_yield:
    svc     #0
    ret
    .size task_yield, . - task_yield

    .global psci_hvc
    .type psci_hvc, %function
psci_hvc:
    hvc     #0
    ret
    .size psci_hvc, . - psci_hvc

    .global psci_smc
    .type psci_smc, %function
psci_smc:
    smc     #0
    ret
    .size psci_smc, . - psci_smc

    .section .bss.stack, "aw", %nobits
    .balign 4096
    .skip 8192
    .global boot_stack_top
boot_stack_top:
