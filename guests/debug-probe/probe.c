/*
 * First process of a guest whose Linux debugs itself: single steps, hardware breakpoints and watchpoints with ptrace
 * and perf events. What it prints depends on nothing but the processor's debug exceptions. Statically linked at fixed
 * addresses, so that addresses in it can be told.
 */
#include <elf.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <asm/ptrace.h>
#include <signal.h>
#include <unistd.h>

static volatile uint64_t cells[8] __attribute__((aligned(64)));
static volatile uint32_t lock;

/* Exclusives, calls, a system call: what a debugger steps through. */
__attribute__((noinline)) static int increment(volatile uint32_t *at) {
  uint32_t old, failed;
  __asm__ volatile("1: ldxr %w0, %2\n add %w0, %w0, #1\n stxr %w1, %w0, %2\n cbnz %w1, 1b"
                   : "=&r"(old), "=&r"(failed), "+Q"(*at));
  return (int)old;
}

__attribute__((noinline)) static void touch(int i) {
  volatile char *bytes = (volatile char *)cells;
  bytes[i & 63] = (char)(bytes[(i + 8) & 63] + i);
  cells[(i >> 3) & 7] += 3;
}

__attribute__((noinline)) static void work(void) {
  for (int i = 0; i < 24; i++) {
    touch(i * 5);
    if (i % 8 == 0) syscall(SYS_getppid);
    increment(&lock);
  }
}

static pid_t start(void) {
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    work();
    _exit(7);
  }
  int status;
  waitpid(child, &status, 0);
  return child;
}

static uint64_t pc_of(pid_t child) {
  struct user_regs_struct regs;
  struct iovec io = {&regs, sizeof regs};
  ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &io);
  return regs.pc;
}

static int set(pid_t child, int type, int slot, uint64_t address, uint32_t control) {
  struct user_hwdebug_state state;
  struct iovec io = {&state, sizeof state};
  if (ptrace(PTRACE_GETREGSET, child, type, &io) != 0) return errno;
  state.dbg_regs[slot].addr = address;
  state.dbg_regs[slot].ctrl = control;
  io.iov_len = offsetof(struct user_hwdebug_state, dbg_regs) + sizeof state.dbg_regs[0] * (slot + 1);
  return ptrace(PTRACE_SETREGSET, child, type, &io) == 0 ? 0 : errno;
}

/* Runs on to the next stop: 0 when the child has ended. */
static int stop_of(pid_t child, int request, siginfo_t *info) {
  int status;
  ptrace(request, child, 0, 0);
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) {
    printf("  exit %d\n", WEXITSTATUS(status));
    return 0;
  }
  memset(info, 0, sizeof *info);
  ptrace(PTRACE_GETSIGINFO, child, 0, info);
  return WSTOPSIG(status);
}

static void single_steps(void) {
  pid_t child = start();
  siginfo_t info;
  uint64_t sum = 0;
  int steps = 0, exclusives = 0, signal;
  while ((signal = stop_of(child, PTRACE_SINGLESTEP, &info)) != 0) {
    uint64_t pc = pc_of(child);
    sum = sum * 31 + pc;
    steps++;
    if (pc >= (uint64_t)increment && pc < (uint64_t)increment + 16) exclusives++;
    if (signal != SIGTRAP) printf("  signal %d\n", signal);
    /* A debugger has to step over a load-exclusive and its store at once, or they never succeed. */
    if (exclusives > 100) {
      exclusives = 0;
      set(child, NT_ARM_HW_BREAK, 0, (uint64_t)touch, (0xf << 5) | 1);
      signal = stop_of(child, PTRACE_CONT, &info);
      if (signal == 0) break;
      printf("  went on to touch+%ld, code %d\n", (long)(pc_of(child) - (uint64_t)touch), info.si_code);
      set(child, NT_ARM_HW_BREAK, 0, (uint64_t)touch, 0);
    }
  }
  printf("single steps: %d, sum %016llx\n", steps, (unsigned long long)sum);
}

static void breakpoints(void) {
  pid_t child = start();
  siginfo_t info;
  printf("breakpoints: %d %d\n", set(child, NT_ARM_HW_BREAK, 0, (uint64_t)touch, (0xf << 5) | 1),
         set(child, NT_ARM_HW_BREAK, 1, (uint64_t)increment + 4, (0xf << 5) | 1));
  int signal;
  while ((signal = stop_of(child, PTRACE_CONT, &info)) != 0) {
    uint64_t pc = pc_of(child);
    int first = pc == (uint64_t)touch;
    printf("  signal %d code %d at %s+%ld address %d\n", signal, info.si_code, first ? "touch" : "increment",
           (long)(pc - (uint64_t)(first ? (void *)touch : (void *)increment)), (uint64_t)info.si_addr == pc);
    if (pc != (uint64_t)touch) set(child, NT_ARM_HW_BREAK, 1, (uint64_t)increment + 4, 0);
    /* Over the breakpoint: without it, one step, and with it again. */
    if (first) {
      set(child, NT_ARM_HW_BREAK, 0, (uint64_t)touch, 0);
      stop_of(child, PTRACE_SINGLESTEP, &info);
      printf("  stepped to touch+%ld\n", (long)(pc_of(child) - (uint64_t)touch));
      set(child, NT_ARM_HW_BREAK, 0, (uint64_t)touch, (0xf << 5) | 1);
    }
  }
}

static void watchpoint(const char *name, int offset, int bytes, int kind) {
  pid_t child = start();
  siginfo_t info;
  uint64_t at = (uint64_t)cells + (uint64_t)offset;
  uint32_t control = (((1u << bytes) - 1) << 5) | ((unsigned)kind << 3) | 1;
  printf("watchpoint %s %d+%d: %d\n", name, offset, bytes, set(child, NT_ARM_HW_WATCH, 0, at, control));
  int hits = 0, signal;
  while ((signal = stop_of(child, PTRACE_CONT, &info)) != 0) {
    printf("  signal %d code %d at %ld address %ld value %llx\n", signal, info.si_code,
           (long)(pc_of(child) - (uint64_t)touch), (long)((uint64_t)info.si_addr - (uint64_t)cells),
           (unsigned long long)ptrace(PTRACE_PEEKDATA, child, (void *)(uintptr_t)cells, 0));
    if (++hits == 12) set(child, NT_ARM_HW_WATCH, 0, at, 0);
    else {
      set(child, NT_ARM_HW_WATCH, 0, at, 0);
      stop_of(child, PTRACE_SINGLESTEP, &info);
      set(child, NT_ARM_HW_WATCH, 0, at, control);
    }
  }
}

static int event(uint32_t type, uint64_t address, uint64_t length, int kernel) {
  struct perf_event_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.type = PERF_TYPE_BREAKPOINT;
  attr.size = sizeof attr;
  attr.bp_type = type;
  attr.bp_addr = address;
  attr.bp_len = length;
  attr.exclude_kernel = !kernel;
  attr.exclude_hv = 1;
  /* Linux has breakpoints of its own code for a whole CPU only. */
  return (int)syscall(SYS_perf_event_open, &attr, kernel ? -1 : 0, kernel ? 0 : -1, -1, 0);
}

static void count(const char *name, uint32_t type, uint64_t address, uint64_t length, int kernel) {
  uint64_t counted = 0;
  int fd = event(type, address, length, kernel);
  if (fd < 0) {
    printf("event %s: error %d%s\n", name, errno, address == 0 ? ", no address" : "");
    return;
  }
  work();
  for (int i = 0; i < 100; i++) syscall(SYS_getppid);
  if (read(fd, &counted, sizeof counted) != sizeof counted) printf("short read\n");
  close(fd);
  work();
  printf("event %s: %llu\n", name, (unsigned long long)counted);
}

static uint64_t kernel_symbol(const char *wanted) {
  FILE *file = fopen("/proc/kallsyms", "r");
  unsigned long long address, found = 0;
  char kind, name[512];
  char line[600];
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "%llx %c %511s", &address, &kind, name) == 3 && strcmp(name, wanted) == 0) found = address;
  if (file != NULL) fclose(file);
  return found;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  mkdir("/proc", 0755);
  mount("proc", "/proc", "proc", 0, "");
  printf("PROBE-BEGIN\n");
  single_steps();
  breakpoints();
  watchpoint("write", 0, 8, 2);
  watchpoint("read", 8, 4, 1);
  watchpoint("both", 19, 1, 3);
  count("write", HW_BREAKPOINT_W, (uint64_t)&cells[1], 8, 0);
  count("read and write", HW_BREAKPOINT_RW, (uint64_t)&cells[2], 4, 0);
  count("execute", HW_BREAKPOINT_X, (uint64_t)touch, 4, 0);
  count("execute in the kernel", HW_BREAKPOINT_X, kernel_symbol("__arm64_sys_getppid"), 4, 1);
  printf("PROBE-END\n");
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}
