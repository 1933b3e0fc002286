/*
 * Tasks, switched round robin at the end of every interrupt and when one blocks. Task 0 is the boot flow itself;
 * task 1 is idle and runs when nothing else can. An urgent
 * task runs before all others.
 */
#include "storm.h"

enum { TASKS = 6, STACK_BYTES = 4096, IDLE = 1 };
enum task_state { FREE, READY, BLOCKED, SLEEPING };

struct task {
    struct frame *frame;
    const char *name;
    enum task_state state;
    u32 urgent; /* runs before all others */
    u32 wake_at;
};

static struct task tasks[TASKS];
static u8 stacks[TASKS][STACK_BYTES] __attribute__((aligned(16)));
static u32 current;

u32 ticks;
volatile u64 progress; /* counted up by every task that gets something done */

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static void idle(void)
{
    for (;;)
        asm volatile("wfi" ::: "memory");
}

static void start_task(u32 index, const char *name, void (*body)(void))
{
    struct frame *frame = (struct frame *)(stacks[index] + STACK_BYTES) - 1;
    frame->x[30] = (u64)task_exit; /* where a body that returns goes */
    frame->elr = (u64)body;
    frame->spsr = 5; /* EL1h, interrupts enabled */
    tasks[index].frame = frame;
    tasks[index].name = name;
    tasks[index].state = READY;
}

void task_init(void)
{
    tasks[0].name = "init";
    tasks[0].state = READY;
    start_task(IDLE, "idle", idle);
}

void task_create(const char *name, void (*body)(void), u32 urgent)
{
    irq_disable();
    for (u32 i = 0; i < TASKS; i++) {
        if (tasks[i].state == FREE) {
            start_task(i, name, body);
            tasks[i].urgent = urgent;
            break;
        }
    }
    irq_enable();
}

void task_block(void)
{
    tasks[current].state = BLOCKED;
    task_yield();
}

void task_sleep(u32 tick_count)
{
    irq_disable();
    tasks[current].wake_at = ticks + tick_count;
    tasks[current].state = SLEEPING;
    task_yield();
    irq_enable();
    progress++;
}

void task_wake(const char *name)
{
    for (u32 i = 0; i < TASKS; i++)
        if (tasks[i].state == BLOCKED && same(tasks[i].name, name))
            tasks[i].state = READY;
}

const char *task_name(void)
{
    return tasks[current].name;
}

void task_exit(void)
{
    irq_disable();
    tasks[current].state = FREE;
    for (;;)
        task_yield();
}

/* Called by the timer interrupt. */
void task_tick(void)
{
    ticks++;
    for (u32 i = 0; i < TASKS; i++)
        if (tasks[i].state == SLEEPING && (int)(ticks - tasks[i].wake_at) >= 0)
            tasks[i].state = READY;
}

static u32 pick_next(u32 urgent)
{
    u32 next = current;
    for (u32 i = 0; i < TASKS; i++) {
        next = (next + 1) % TASKS;
        if (next != IDLE && tasks[next].state == READY && tasks[next].urgent >= urgent)
            return next;
    }
    return IDLE;
}

/* Saves the frame of the current task and picks the next one that can run. */
struct frame *task_switch(struct frame *frame)
{
    tasks[current].frame = frame;
    u32 next = pick_next(1);
    current = next != IDLE ? next : pick_next(0);
    return tasks[current].frame;
}
