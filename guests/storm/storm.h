/*
 * Types, register access and the interfaces of the kernel's parts. The addresses of devices are never written
 * here: they come from the device tree (fdt.c, platform.c).
 */
#ifndef STORM_H
#define STORM_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum { TICK_US = 1000, WATCHDOG_TICKS = 5, PAGE_SIZE = 4096 };

/* Macros, not functions: the debugger then shows the line of the access, not a line of this header. */
#define read8(address) (*(volatile const u8 *)(u64)(address))
#define read32(address) (*(volatile const u32 *)(u64)(address))
#define write8(address, value) (*(volatile u8 *)(u64)(address) = (u8)(value))
#define write32(address, value) (*(volatile u32 *)(u64)(address) = (u32)(value))
#define write64(address, value) (*(volatile u64 *)(u64)(address) = (u64)(value))

#define read_sysreg(name) ({ u64 value_; asm volatile("mrs %0, " #name : "=r"(value_)::"memory"); value_; })
#define write_sysreg(name, value) asm volatile("msr " #name ", %x0" ::"rZ"((u64)(value)) : "memory")
#define isb() asm volatile("isb" ::: "memory")
#define dsb() asm volatile("dsb sy" ::: "memory")
#define irq_disable() asm volatile("msr daifset, #2" ::: "memory")
#define irq_enable() asm volatile("msr daifclr, #2" ::: "memory")

/* What entry.S saves on the stack of the interrupted task. */
struct frame {
    u64 x[31];
    u64 elr, spsr, unused;
};

/* fdt.c: the flattened device tree (Devicetree Specification, chapter 5). */
struct node {
    const char *name;
    const u8 *properties; /* first token behind the name */
    const u8 *next;       /* where the search for the next node goes on */
};
int fdt_open(const void *blob);
u32 fdt_size(void);
int fdt_next(struct node *node); /* walks all nodes in the tree's order; start with a zeroed node */
int fdt_find_compatible(struct node *node, const char *compatible);
int fdt_find_path(struct node *node, const char *name);
const u8 *fdt_property(const struct node *node, const char *name, u32 *length);
u32 fdt_u32(const u8 *cells, u32 index);
u64 fdt_u64(const u8 *cells, u32 index);

/* platform.c: what the tree says about this machine. */
struct irq_line {
    u32 intid; /* 0: none */
    u32 edge;
};
struct device {
    u64 base; /* 0: not there */
    struct irq_line irq;
};
struct platform {
    u64 ram_base, ram_size;
    u32 gic_version;
    u64 gicd, gicc, gicr;
    struct device uart, rtc, timer;
    struct device virtio[32];
    u32 virtio_count;
    u32 psci_smc;
    const char *bootargs;
};
extern struct platform platform;
int platform_probe(const void *blob);
int boot_option(const char *word);

/* console.c: PL011 and formatted output. */
void console_init(void);
void console_irq_init(void);
void print(const char *format, ...); /* %s %c %u %x %%, with l, zero padding and width */
void say(const char *part, const char *format, ...); /* a line with time and the kernel's part in front */

/* mmu.c */
void mmu_init(void);

/* gic.c: GICv2 (Arm IHI 0048B) and GICv3 (Arm IHI 0069). */
enum { SPURIOUS = 1020 };
void gic_init(void);
void gic_configure(const struct irq_line *line, u32 priority);
void gic_enable(u32 intid);
u32 gic_acknowledge(void);
void gic_end(u32 intid);
void gic_deactivate(u32 intid);
void gic_share_binary_point(void);
void gic_share_binary_point_fixed(void);
void gic_print_state(u32 intid);

/* irq.c: handlers, in the interrupt itself or in a task. */
enum irq_kind { IRQ_DIRECT, IRQ_THREADED };
typedef void (*irq_handler)(void);
extern u64 irqs_taken;
extern u32 last_intid; /* the timer's not counted */
void irq_request(const struct irq_line *line, irq_handler handler, enum irq_kind kind, const char *name);
void irq_task(void);
void irq_print_counts(u32 intid);
struct frame *irq_entry(struct frame *frame);

/* task.c */
extern u32 ticks;
extern volatile u64 progress;
void task_init(void);
void task_create(const char *name, void (*body)(void), u32 urgent);
void task_block(void);           /* with interrupts disabled; returns after task_wake */
void task_sleep(u32 tick_count); /* at least that many ticks */
void task_wake(const char *name);
const char *task_name(void);
void task_exit(void) __attribute__((noreturn));
void task_tick(void);
struct frame *task_switch(struct frame *frame);

/* timer.c, watchdog.c */
void timer_init(void);
u64 now_us(void);
void watchdog_check(const struct frame *frame);

/* rtc.c, virtio.c, workload.c */
void rtc_init(void);
int rtc_alarm_test(void);
void virtio_init(void);
void workload_start(void);
int workload_done(void);

/* main.c, entry.S */
void power_off(void) __attribute__((noreturn));
void panic_exception(const struct frame *frame, u64 kind) __attribute__((noreturn));
void task_yield(void); /* an SVC, which entry.S turns into task_switch() */
long psci_hvc(u64 function);
long psci_smc(u64 function);

#endif
