/*
 * Start-up, exception vectors and the trampoline of sysreg-probe.c. START_EL is the EL that QEMU starts at,
 * PROBE_EL the one at which the instruction under test runs.
 */
#define CAT(a, b) a##b
#define REG(name, el) CAT(name, el)
        .global _start, run_stub, stub, trap_esr, trap_el

_start: ldr x0, =stack_top
        mov sp, x0
        ldr x1, =vectors1
        msr vbar_el1, x1
#if START_EL >= 2
        ldr x1, =vectors2
        msr vbar_el2, x1
#endif
#if START_EL == 3
        ldr x1, =vectors3
        msr vbar_el3, x1
#endif
        bl probe
        mov w0, #0x18           /* semihosting: exit */
        ldr x1, =exit_args
        hlt #0xf000
        b .

/* Runs the instruction at `stub` with x0; whatever happens, ends at `back` with x0. */
run_stub:
        ldr x9, =saved
        mov x10, sp
        stp x10, x30, [x9]
#if PROBE_EL < START_EL
        ldr x10, =stub
        msr REG(elr_el, START_EL), x10
#if PROBE_EL == 0
        mov x10, #0             /* EL0t */
#else
        mov x10, #(0x3c0 + PROBE_EL * 4 + 1)
#endif
        msr REG(spsr_el, START_EL), x10
        eret
#else
        b stub
#endif
back:   msr spsel, #1
        msr daifset, #15
        ldr x9, =saved
        ldp x10, x30, [x9]
        mov sp, x10
        ret

        .balign 256
stub:   nop
        b back

        .macro handler n
handler\n:
        mrs x16, esr_el\n
        lsr x17, x16, #26
        cmp x17, #0x15          /* SVC, HVC, SMC: the way back, and up */
        b.eq 5f
        cmp x17, #0x16
        b.eq 5f
        cmp x17, #0x17
        b.eq 5f
        ldr x17, =trap_esr
        str x16, [x17]
        mov x16, #\n
        str x16, [x17, #8]
5:
        .if \n < START_EL
        .if START_EL == 2
        hvc #0
        .else
        smc #0
        .endif
        .else
        ldr x17, =back
        msr elr_el\n, x17
        mov x18, #(0x3c0 + \n * 4 + 1)
        msr spsr_el\n, x18
        eret
        .endif
        .endm

        .macro vectors n
        .balign 2048
vectors\n:
        .rept 16
        .balign 128
        b handler\n
        .endr
        .endm

        handler 1
#if START_EL >= 2
        handler 2
#endif
#if START_EL == 3
        handler 3
#endif
        .ltorg
        vectors 1
#if START_EL >= 2
        vectors 2
#endif
#if START_EL == 3
        vectors 3
#endif
        .data
        .balign 16
trap_esr: .quad 0
trap_el:  .quad 0
saved:    .quad 0, 0
exit_args: .quad 0x20026, 0
        .bss
        .balign 16
        .skip 65536
stack_top:
