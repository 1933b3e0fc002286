import type { Device, DeviceObserver, DevicePorts, DeviceState, DmaPort, StateValue } from './base/device.ts';
import { deviceTimers, EventQueue } from './base/event-queue.ts';
import type { EventSink, MachineEvent } from './base/events.ts';
import type { RegisterMap } from './base/register-map.ts';
import { hashState } from './base/state-hash.ts';
import type { Ns, Position } from './base/units.ts';
import type { BootImage } from './boards/boot.ts';
import { callPsci, type PsciMachine } from './boards/psci.ts';
import { bootVirt, segmentsAfterReset, type VirtImages } from './boards/virt/boot-virt.ts';
import { affinityGroupSize, type VirtConfig } from './boards/virt/config.ts';
import { MEMORY_MAP, RAM_BASE } from './boards/virt/memory-map.ts';
import { type Board, wireVirt } from './boards/virt/wiring.ts';
import { GIC_CPU_MAP, PMU_MAP, TIMER_MAP } from './cpu/a64/sysreg-register-maps.ts';
import type { GicSysregs, SysregContext } from './cpu/a64/sysreg-types.ts';
import { SysregTable } from './cpu/a64/sysregs.ts';
import { CpuCluster, GuestMemoryError, type WatchHit } from './cpu/cluster.ts';
import { Compiler, type CompilerOptions, DEFAULT_COMPILER, FORCED_COMPILER } from './cpu/compiler.ts';
import { type CpuConfig, type CpuModelName, makeCpuConfig } from './cpu/cpu-models.ts';
import { loadCpu, saveCpu } from './cpu/cpu-snapshot.ts';
import { GenericTimers, TIMER_INTID } from './cpu/generic-timer.ts';
import * as L from './cpu/helpers/layout.ts';
import { PMU_INTID, Pmu } from './cpu/pmu.ts';
import { makeSysregContext, type SysregPorts } from './cpu/sysreg-context.ts';
import { MemorySysregSlots } from './cpu/sysreg-storage.ts';
import { DEBUGGER, debuggerWrite } from './debugger-input.ts';
import type { Gicv3 } from './devices/gic/gicv3.ts';
import { SINGLE_STATE_CONTEXT } from './devices/gic/gicv3-sysregs.ts';
import type { BlockStorage } from './devices/virtio/block-storage.ts';
import { type FolderQuestion, folderError } from './devices/virtio/p9/folder.ts';
import { ERRNO } from './devices/virtio/p9/messages.ts';
import { MACHINE, machineCommand } from './machine-input.ts';
import { Bus } from './memory/bus.ts';
import { FlashFrames } from './memory/flash-frames.ts';
import { GuestMemory } from './memory/guest-memory.ts';
import { Heap } from './memory/heap.ts';

/** The one door in, for values the machine asks for. Record mode asks the host and logs; replay answers from the log. */
export interface HostInputs {
  /** Random bytes for a device, or `device-tree` for the seeds. */
  entropy(device: string, length: number): Uint8Array;
  /** What a folder of the host that a device shares holds. Absent: there are no such folders. */
  folder?(device: string, question: FolderQuestion): Uint8Array;
}

/** Everything a machine is made from. With equal specs and equal inputs two machines are equal for ever. */
export interface MachineSpec {
  readonly config: VirtConfig;
  readonly images: VirtImages;
  /** Contents of drives by id (`-drive id=`). */
  readonly drives?: { readonly [id: string]: BlockStorage };
  /** Contents of the flash banks. */
  readonly flash?: readonly (Uint8Array | undefined)[];
  /** Time of day at virtual time 0, seconds since 1970. */
  readonly baseSeconds: number;
  readonly inputs: HostInputs;
  /** Longest block in instructions; for tests of determinism. */
  readonly blockLimit?: number;
  /** How code is run; never changes what happens. Default: interpreted first, compiled when hot. */
  readonly tier?: 'interpreted' | 'compiled' | CompilerOptions;
  /** Called for every event the kinds of which are in `observe`. */
  readonly sink?: EventSink;
  readonly observe?: Observed;
}

/** Which events are made. Interrupt, power, output, input and error events always are when there is a sink. */
export interface Observed {
  readonly accesses: boolean;
  readonly exceptions: boolean;
  readonly dma: boolean;
}

export type StopReason =
  /** The position was reached. */
  | { readonly reason: 'limit' }
  | { readonly reason: 'power-off' }
  /** PSCI SYSTEM_RESET; `reset()` carries it out. */
  | { readonly reason: 'reset' }
  /** Every CPU is asleep or off and no timer is armed: only an input can wake the machine. */
  | { readonly reason: 'idle' }
  /** Every CPU is asleep until `deadline` (ns); only with `pauseWhenIdle`, otherwise time jumps there. */
  | { readonly reason: 'waiting'; readonly deadline: Ns }
  /** `requestStop` or a debugger's condition. */
  | { readonly reason: 'stopped' }
  | { readonly reason: 'error'; readonly message: string };

/** Instructions a CPU runs before the next one's turn; a machine with one CPU has no turns. */
const QUANTUM = 50_000;
/** A CPU in WFE wakes by itself at the latest after this time, as the architecture allows. */
const WFE_NS = 65_536;

/** A state of the whole machine but its memory, as plain data. */
export type MachineState = { [key: string]: StateValue };

export interface StateHashes {
  readonly cpus: readonly string[];
  readonly memory: string;
  readonly devices: { readonly [id: string]: string };
  /** Scheduler, clock and timers. */
  readonly machine: string;
  /** Hash of all of these. */
  readonly all: string;
}

/** The GICv3 CPU interface as the table of system registers wants it. */
function gicSysregs(gic: Gicv3): GicSysregs {
  // SPEC-GAP: one security state only, until EL3 is there.
  const context = (el: number) => ({ ...SINGLE_STATE_CONTEXT, el });
  return {
    readSysreg: (cpu, key, el) => BigInt(gic.readSysreg(cpu, key, context(el)) ?? 0),
    writeSysreg: (cpu, key, value, el) => {
      gic.writeSysreg(cpu, key, Number(value & 0xffffffffn), Number(value >> 32n), context(el));
    },
  };
}

/** The whole machine: CPUs, memory, devices and the clock that they share. Synchronous and deterministic. */
export class Machine {
  readonly config: VirtConfig;
  readonly cpuConfig: CpuConfig;
  readonly cluster: CpuCluster;
  readonly compiler: Compiler | undefined;
  readonly memory: GuestMemory;
  readonly board: Board;
  readonly timers: GenericTimers;
  readonly pmu: Pmu;
  readonly boot: BootImage;
  /** Time jumps to the next deadline when every CPU sleeps; with true, `run` returns `waiting` instead. */
  pauseWhenIdle = false;
  readonly #spec: MachineSpec;
  readonly #queue = new EventQueue();
  readonly #bus = new Bus();
  readonly #devices = new Map<string, Device>();
  readonly #contexts: SysregContext[] = [];
  /** Contents of the flash banks. */
  readonly flash: readonly FlashFrames[];
  readonly #shiftFactor: number;
  readonly #drives: { readonly [id: string]: BlockStorage };
  #position: Position = 0;
  /** Virtual time that does not come from instructions: jumps while asleep. */
  #jumped: Ns = 0;
  #cpu = 0;
  #quantum = 0;
  readonly #retired: number[];
  #stop: StopReason | undefined;
  #resets = 0;
  #gicSysregs: GicSysregs | undefined;
  #sink: EventSink | undefined;
  #observe: Observed;

  constructor(spec: MachineSpec) {
    this.#spec = spec;
    const { config } = spec;
    this.config = config;
    this.#sink = spec.sink;
    this.#observe = spec.observe ?? { accesses: true, exceptions: false, dma: false };
    this.#shiftFactor = 2 ** config.icountShift;
    this.#drives = spec.drives ?? {};
    const cpus = config.smp.cpus;
    this.#retired = Array.from({ length: cpus }, () => 0);
    this.cpuConfig = makeCpuConfig({
      model: config.cpu.model as CpuModelName,
      el2: config.virtualization,
      el3: config.secure,
      gicVersion: config.gicVersion,
      pmu: config.cpu.pmu,
      cpuCount: cpus,
      clusterSize: affinityGroupSize(config),
    });
    this.boot = bootVirt(config, spec.images, (length) => this.#entropy('device-tree', length));

    const heap = new Heap(cpus, config.ram.size + 2 * MEMORY_MAP.flash0.size);
    const table = new SysregTable(this.cpuConfig);
    const sysregPorts: SysregPorts = {
      cluster: () => this.cluster,
      timers: () => this.timers,
      pmu: () => this.pmu,
      gic: () => this.#gicSysregs,
      now: () => this.time,
      random: (cpu, length) => this.#entropy(`cpu${cpu}`, length),
      observe: (cpu, device, offset, write, value) => this.#observeSysreg(cpu, device, offset, write, value),
      unknown: (cpu, message) => this.#guestError(`cpu${cpu}`, 0, message),
    };
    for (let i = 0; i < cpus; i++) {
      this.#contexts.push(makeSysregContext(sysregPorts, i, new MemorySysregSlots(heap.memory, i)));
    }
    this.cluster = new CpuCluster(heap, this.cpuConfig, table, {
      read: (cpu, access) => this.#read(cpu, access),
      write: (cpu, access) => this.#write(cpu, access),
      hypercall: (cpu, kind) => this.#hypercall(cpu, kind),
      exception: (cpu, what, fromEl, toEl, syndrome, far, pc) => {
        if (fromEl !== toEl && this.pmu.watchesEl(cpu)) this.pmu.elChanged(cpu, fromEl, toEl);
        if (!this.#observe.exceptions || this.#sink === undefined) return;
        this.#emit({
          position: this.position,
          time: this.time,
          cpu,
          kind: 'exception',
          what,
          fromEl,
          toEl,
          syndrome: BigInt(syndrome),
          faultAddress: far,
          pc,
        });
      },
      guestError: (cpu, message) => this.#guestError(`cpu${cpu}`, 0, message),
      sendEvent: (cpu) => this.#sendEvent(cpu),
      sysregContext: (cpu) => this.#contexts[cpu]!,
      unshare: (frame) => this.memory.onUnshare(frame),
      watched: (hit) => this.onWatch(hit),
    });
    if (spec.blockLimit !== undefined) this.cluster.code.blockLimit = spec.blockLimit;
    const { tier } = spec;
    if (tier !== 'interpreted') {
      this.compiler = new Compiler(
        this.cluster,
        tier === 'compiled' ? FORCED_COMPILER : (tier ?? DEFAULT_COMPILER),
      );
    }
    this.memory = new GuestMemory(heap, this.cluster.helpers);
    this.memory.onWrite = () => {
      for (let i = 0; i < cpus; i++) this.cluster.clearExclusive(i);
    };
    this.memory.declare(RAM_BASE, config.ram.size);
    this.flash = [MEMORY_MAP.flash0, MEMORY_MAP.flash1].map(
      (region) => new FlashFrames(region.base, region.size, this.memory, this.cluster),
    );
    this.board = wireVirt(config, this.boot, spec.baseSeconds, {
      ports: (id) => this.#ports(id),
      dma: (id, target, requester) => this.#dma(id, target, requester),
      memory: this.memory,
      entropy: (id, length) => this.#entropy(id, length),
      flashStorage: (bank) => this.flash[bank]!,
      drive: (id) => this.#drives[id],
      folder: (id, question) => spec.inputs.folder?.(id, question) ?? folderError(ERRNO.EIO),
      gic: {
        outputs: (cpu, { irq, fiq }) => this.cluster.setInterrupts(cpu, irq, fiq),
        observer: (what, intid, target) => {
          if (this.#sink !== undefined)
            this.#emit({
              position: this.position,
              time: this.time,
              cpu: this.cluster.running,
              kind: 'interrupt',
              what,
              intid,
              target,
            });
        },
        guestError: (device, offset, message) => this.#guestError(device, offset, message),
      },
    });
    for (const placed of this.board.placed) this.#bus.add(placed);
    this.#nameDevices();
    this.board.pcie.hotPlug.onChange = (gone) => {
      for (const { id } of gone) this.#queue.cancelAll(id);
      this.#nameDevices();
    };
    const { gic } = this.board;
    this.#gicSysregs = gic.version === 3 ? gicSysregs(gic as Gicv3) : undefined;
    const slots = (cpu: number): MemorySysregSlots => this.#contexts[cpu]!.slots as MemorySysregSlots;
    this.timers = new GenericTimers(
      {
        timers: this.#timers('timer'),
        slots,
        lines: Array.from({ length: cpus }, (_, cpu) => ({
          CNTP: gic.ppi(cpu, TIMER_INTID.CNTP),
          CNTV: gic.ppi(cpu, TIMER_INTID.CNTV),
        })),
      },
      this.cpuConfig.cntfrq,
    );
    this.pmu = new Pmu(
      {
        timers: this.#timers('pmu'),
        slots,
        lines: Array.from({ length: cpus }, (_, cpu) =>
          config.cpu.pmu ? gic.ppi(cpu, PMU_INTID) : undefined,
        ),
        el: (cpu) => this.cluster.states[cpu]!.el,
        instructions: (cpu) => this.retired(cpu),
        nsPerInstruction: this.#shiftFactor,
      },
      this.cpuConfig,
    );
    spec.flash?.forEach((image, bank) => {
      if (image !== undefined) this.flash[bank]!.load(image);
    });
    this.#start();
  }

  /** DETERMINISM: the order is that of their places, not of history; a reset goes by it. */
  #nameDevices(): void {
    this.#devices.clear();
    for (const device of [...this.board.placed.map((placed) => placed.device), ...this.board.unplaced]) {
      if (this.#devices.has(device.id)) throw new Error(`two devices are called ${device.id}`);
      this.#devices.set(device.id, device);
    }
  }

  /* ---------------------------------------------------------------- clock and position */

  /** Instructions retired by the whole machine. */
  get position(): Position {
    return this.cluster.running < 0 ? this.#position : this.#position + this.cluster.executed;
  }

  /** Virtual time in ns. */
  get time(): Ns {
    return this.position * this.#shiftFactor + this.#jumped;
  }

  /** Instructions retired by one CPU. */
  retired(cpu: number): number {
    return this.#retired[cpu]! + (this.cluster.running === cpu ? this.cluster.executed : 0);
  }

  /** System resets since power-on. */
  get resets(): number {
    return this.#resets;
  }

  /** Deadline of the next timer in ns, Infinity if there is none. */
  get nextDeadline(): Ns {
    return this.#queue.nextDeadline();
  }

  /* ---------------------------------------------------------------- running */

  /** Runs until `until` instructions are retired, or until something stops the machine. */
  run(until: Position): StopReason {
    try {
      return this.#run(until);
    } catch (error) {
      if (!(error instanceof GuestMemoryError)) throw error;
      this.#stop = { reason: 'error', message: error.message };
      return this.#stop;
    }
  }

  #run(until: Position): StopReason {
    for (;;) {
      if (this.#stop !== undefined) return this.#takeStop();
      const time = this.#position * this.#shiftFactor + this.#jumped;
      const deadline = this.#queue.nextDeadline();
      if (deadline <= time) {
        this.#fire(time);
        continue;
      }
      if (!this.#chooseCpu()) {
        const wake = this.#sleepUntil(time, deadline);
        if (wake === Infinity) return { reason: 'idle' };
        if (this.pauseWhenIdle) return { reason: 'waiting', deadline: wake };
        this.#jumpTo(wake);
        continue;
      }
      if (this.#position >= until) return { reason: 'limit' };
      const toDeadline = Math.ceil((deadline - time) / this.#shiftFactor);
      const limit = Math.min(until - this.#position, this.#quantum, toDeadline);
      const end = this.cluster.run(this.#cpu, limit);
      const { executed } = this.cluster;
      this.#position += executed;
      this.#retired[this.#cpu]! += executed;
      if (this.cluster.states.length > 1) this.#quantum -= executed;
      if (end === 'yield') this.#quantum = 0;
      else if (end === 'stop' && this.#stop === undefined) return { reason: 'stopped' };
    }
  }

  /**
   * For debuggers, after `run` returned `limit`: takes the interrupt, if there is one, that comes before the next
   * instruction. So PC is what will be executed; running on gives the same as without.
   */
  settle(): void {
    this.cluster.takePending(this.#cpu);
  }

  /** The CPU that executes the next instruction, after `run` returned `limit` or `stopped`. */
  get currentCpu(): number {
    return this.#cpu;
  }

  #takeStop(): StopReason {
    const stop = this.#stop!;
    if (stop.reason === 'stopped') this.#stop = undefined;
    return stop;
  }

  /** Stops `run` before the next instruction (a debugger). */
  requestStop(): void {
    this.#stop ??= { reason: 'stopped' };
    this.cluster.requestStop();
  }

  #fire(time: Ns): void {
    for (;;) {
      const due = this.#queue.popDue(time);
      if (due === undefined) return;
      if (due.device === 'timer') this.timers.timer(due.kind);
      else if (due.device === 'pmu') this.pmu.timer(due.kind);
      else this.#devices.get(due.device)?.timer?.(due.kind);
    }
  }

  #fullQuantum(): number {
    return this.cluster.states.length === 1 ? Number.MAX_SAFE_INTEGER : QUANTUM;
  }

  /** Moves on to the next CPU that can run when the turn is over. False: none can. */
  #chooseCpu(): boolean {
    const { cluster } = this;
    if (this.#quantum > 0 && cluster.canRun(this.#cpu)) return true;
    const count = cluster.states.length;
    // DETERMINISM: a turn's end clears the exclusive monitor, so that stores of other CPUs need not be watched.
    cluster.clearExclusive(this.#cpu);
    for (let i = 1; i <= count; i++) {
      const next = (this.#cpu + i) % count;
      // A CPU in WFE may wake at any time: it does at its next turn if somebody else has run.
      if (i < count && cluster.power[next] === 'on' && cluster.wait[next] === 'wfe') cluster.wake(next);
      if (cluster.canRun(next)) {
        this.#cpu = next;
        this.#quantum = this.#fullQuantum();
        return true;
      }
    }
    return false;
  }

  /** When a machine of which every CPU sleeps goes on: the next deadline, or a CPU in WFE waking by itself. */
  #sleepUntil(time: Ns, deadline: Ns): Ns {
    const { power, wait } = this.cluster;
    const inWfe = power.some((p, i) => p === 'on' && wait[i] === 'wfe');
    return inWfe ? Math.min(deadline, time + WFE_NS) : deadline;
  }

  /** Virtual time passes while every CPU sleeps; also the host's way to let time pass up to an input. */
  #jumpTo(target: Ns): void {
    const now = this.time;
    if (target > now) this.#jumped += target - now;
    const { power, wait } = this.cluster;
    power.forEach((p, i) => {
      if (p === 'on' && wait[i] === 'wfe') this.cluster.wake(i);
    });
  }

  /** After `waiting`: time passes to `target`, at most to the deadline. */
  passTime(target: Ns): void {
    const time = this.time;
    const wake = this.#sleepUntil(time, this.#queue.nextDeadline());
    if (target >= wake) this.#jumpTo(wake);
    else if (target > time) this.#jumped += target - time;
  }

  /* ---------------------------------------------------------------- inputs */

  /** Bytes from outside, between two instructions. */
  receive(device: string, what: string, data: Uint8Array): void {
    if (device === DEBUGGER) {
      this.#receiveChange(what, data);
      return;
    }
    if (device === MACHINE) {
      this.#receiveCommand(what, data);
      return;
    }
    const target = this.#devices.get(device);
    if (target?.receive === undefined) throw new Error(`device '${device}' takes no input`);
    if (this.#sink !== undefined)
      this.#emit({
        position: this.position,
        time: this.time,
        cpu: -1,
        kind: 'input',
        device,
        what,
        data: data.slice(),
      });
    target.receive(what, data);
  }

  /** A debugger shows a machine that is settled, so what it changes is meant for that one. */
  #receiveChange(what: string, data: Uint8Array): void {
    this.settle();
    const apply = debuggerWrite(this, what, data);
    if (apply === undefined) throw new Error(`a debugger cannot write ${what}`);
    const { position, time } = this;
    this.#emit({ position, time, cpu: -1, kind: 'input', device: DEBUGGER, what, data: data.slice() });
    apply();
  }

  /** What is done to the machine as a whole, from its monitor (machine-input.ts). */
  #receiveCommand(what: string, data: Uint8Array): void {
    const machine = {
      pcie: this.board.pcie,
      has: (id: string) => this.#devices.has(id),
      reset: () => {
        this.#stop = { reason: 'reset' };
      },
    };
    const apply = machineCommand(machine, what, data);
    const { position, time } = this;
    this.#emit({ position, time, cpu: -1, kind: 'input', device: MACHINE, what, data: data.slice() });
    apply();
  }

  /** Bytes the device takes now without losing any. */
  receiveCapacity(device: string): number {
    const target = this.#devices.get(device) as (Device & { receiveCapacity?(): number }) | undefined;
    return target?.receiveCapacity?.() ?? 0;
  }

  #entropy(device: string, length: number): Uint8Array {
    return this.#spec.inputs.entropy(device, length);
  }

  /* ---------------------------------------------------------------- power and reset */

  #start(): void {
    for (const segment of this.boot.segments) this.#loadSegment(segment);
    this.#startCpus();
  }

  #loadSegment(segment: { address: number; bytes: Uint8Array; size: number }): void {
    const bank = Math.floor(segment.address / MEMORY_MAP.flash0.size);
    if (bank < 2)
      this.flash[bank]!.loadAt(segment.address % MEMORY_MAP.flash0.size, segment.bytes, segment.size);
    else if (!this.memory.load(segment.address, segment.bytes, segment.size))
      throw new Error('a boot segment is outside RAM');
  }

  #startCpus(): void {
    const start = this.boot.cpuReset;
    this.cluster.states.forEach((s, i) => {
      this.cluster.resetCpu(i);
      this.cluster.power[i] = i === 0 || this.boot.secondaries === 'running' ? 'on' : 'off';
      if (i > 0 && this.boot.secondaries === 'off') return;
      s.pc = BigInt(start.pc);
      s.setX(0, BigInt(start.x0));
      s.setX(1, BigInt(start.x1));
      s.setX(2, BigInt(start.x2));
      s.setX(3, BigInt(start.x3));
      s.setWord(L.CPU_EL, start.el);
      this.cluster.contextChanged(s);
    });
    for (let i = 0; i < this.cluster.states.length; i++) {
      const { gic } = this.board;
      this.cluster.setInterrupts(i, gic.irq(i), gic.fiq(i));
    }
    this.#cpu = 0;
    this.#quantum = this.#fullQuantum();
  }

  /** System reset: devices and CPUs reset, images are written again, other memory keeps its contents. */
  reset(): void {
    this.#stop = undefined;
    this.#resets += 1;
    for (const device of this.#devices.values()) device.reset();
    for (const segment of segmentsAfterReset(this.boot, (length) => this.#entropy('device-tree', length))) {
      this.#loadSegment(segment);
    }
    this.#startCpus();
    for (let i = 0; i < this.cluster.states.length; i++) {
      this.timers.recompute(i);
      this.pmu.recompute(i);
    }
  }

  #hypercall(cpu: number, kind: 'hvc' | 'smc'): boolean {
    if (this.boot.psciConduit !== kind) return false;
    const { cluster } = this;
    const power = (what: 'cpu-on' | 'cpu-off' | 'system-off' | 'system-reset', target: number): void => {
      if (this.#sink !== undefined)
        this.#emit({ position: this.position, time: this.time, cpu, kind: 'power', what, target });
    };
    const psci: PsciMachine = {
      x: (index, register) => cluster.states[index]!.x(register),
      setX0: (index, value) => cluster.states[index]!.setX(0, value),
      cpuOf: (mpidr) => {
        const found = cluster.states.findIndex((_, i) => (this.cpuConfig.mpidr(i) & 0xff00ffffffn) === mpidr);
        return found < 0 ? undefined : found;
      },
      isOn: (index) => cluster.power[index] === 'on',
      cpuOn: (index, entry, context) => {
        cluster.resetCpu(index);
        const s = cluster.states[index]!;
        s.setWord(L.CPU_EL, this.config.virtualization ? 2 : 1);
        s.pc = entry;
        s.setX(0, context);
        cluster.contextChanged(s);
        cluster.power[index] = 'on';
        cluster.setInterrupts(index, this.board.gic.irq(index), this.board.gic.fiq(index));
        this.timers.recompute(index);
        this.pmu.recompute(index);
        power('cpu-on', index);
      },
      cpuOff: (index) => {
        cluster.power[index] = 'off';
        power('cpu-off', index);
      },
      suspend: (index) => {
        if (cluster.states[index]!.word(L.CPU_IRQ) === 0) cluster.wait[index] = 'wfi';
      },
      systemOff: () => {
        power('system-off', -1);
        cluster.power[cpu] = 'off';
        this.#stop = { reason: 'power-off' };
        cluster.requestStop();
      },
      systemReset: () => {
        power('system-reset', -1);
        cluster.power[cpu] = 'off';
        this.#stop = { reason: 'reset' };
        cluster.requestStop();
      },
    };
    callPsci(psci, cpu);
    return true;
  }

  #sendEvent(cpu: number): void {
    const { cluster } = this;
    cluster.states.forEach((_, i) => {
      if (i === cpu) return;
      cluster.event[i] = true;
      if (cluster.wait[i] === 'wfe') {
        cluster.event[i] = false;
        cluster.wake(i);
      }
    });
  }

  /* ---------------------------------------------------------------- devices */

  #read(
    cpu: number,
    access: { address: number; sizeLog2: number; valueLo: number; valueHi: number },
  ): boolean {
    const region = this.#bus.read(access, { cpu, secure: this.config.secure });
    if (region === undefined) return this.#unassigned(cpu, access, false);
    if (this.#sink !== undefined && this.#observe.accesses) this.#observeAccess(cpu, region, access, false);
    return true;
  }

  #write(
    cpu: number,
    access: { address: number; sizeLog2: number; valueLo: number; valueHi: number },
  ): boolean {
    const region = this.#bus.find(access.address);
    // Before the write, so that what it causes follows it.
    if (region !== undefined && this.#sink !== undefined && this.#observe.accesses)
      this.#observeAccess(cpu, region, access, true);
    return (
      this.#bus.write(access, { cpu, secure: this.config.secure }) !== undefined ||
      this.#unassigned(cpu, access, true)
    );
  }

  #unassigned(cpu: number, access: { address: number }, isWrite: boolean): boolean {
    this.#guestError(
      `cpu${cpu}`,
      0,
      `${isWrite ? 'write to' : 'read of'} physical address 0x${access.address.toString(16)}: external abort`,
    );
    return false;
  }

  #observeAccess(
    cpu: number,
    region: { base: number; device: Device },
    access: { address: number; sizeLog2: number; valueLo: number; valueHi: number },
    write: boolean,
  ): void {
    const size = 1 << access.sizeLog2;
    const offset = access.address - region.base;
    const target = region.device.resolve?.(offset) ?? { device: region.device.id, offset };
    const lo = size < 4 ? access.valueLo & ((1 << (size * 8)) - 1) : access.valueLo >>> 0;
    this.#emit({
      position: this.position,
      time: this.time,
      cpu,
      kind: 'access',
      device: target.device,
      offset: target.offset,
      size,
      write,
      value: size === 8 ? BigInt(lo) | (BigInt(access.valueHi >>> 0) << 32n) : BigInt(lo),
      pc: this.cluster.states[cpu]!.pc,
    });
  }

  /** System-register interfaces report their accesses here. */
  #observeSysreg(cpu: number, device: string, offset: number, write: boolean, value: bigint): void {
    // Nothing follows from reading a timer, and firmware does little else while it waits.
    if (write || device !== 'timer') this.cluster.noteEffect();
    if (this.#sink === undefined || !this.#observe.accesses) return;
    this.#emit({
      position: this.position,
      time: this.time,
      cpu,
      kind: 'access',
      device,
      offset,
      size: 8,
      write,
      value,
      pc: this.cluster.states[cpu]!.pc,
    });
  }

  #emit(event: MachineEvent): void {
    this.#sink?.(event);
  }

  /** Replaces the listener; returns the one before. */
  listen(sink: EventSink | undefined, observe?: Observed): EventSink | undefined {
    const before = this.#sink;
    this.#sink = sink;
    if (observe !== undefined) this.#observe = observe;
    return before;
  }

  /** Changes which events are made. */
  observe(observed: Observed): void {
    this.#observe = observed;
  }

  #guestError(device: string, offset: number, message: string): void {
    if (this.#sink === undefined) return;
    this.#emit({
      position: this.position,
      time: this.time,
      cpu: this.cluster?.running ?? -1,
      kind: 'guest-error',
      device,
      offset,
      message,
    });
  }

  #timers(id: string): DevicePorts['timers'] {
    const timers = deviceTimers(this.#queue, id, () => this.time);
    return {
      now: () => timers.now(),
      schedule: (kind, deadline) => {
        timers.schedule(kind, deadline);
        this.cluster.noteEffect();
      },
      cancel: (kind) => timers.cancel(kind),
    };
  }

  #ports(id: string): DevicePorts {
    const observer: DeviceObserver = {
      guestError: (offset, message) => this.#guestError(id, offset, message),
      output: (bytes) => {
        if (this.#sink !== undefined)
          this.#emit({
            position: this.position,
            time: this.time,
            cpu: this.cluster.running,
            kind: 'output',
            device: id,
            bytes,
          });
      },
      note: (what, fields) => {
        if (this.#sink !== undefined)
          this.#emit({
            position: this.position,
            time: this.time,
            cpu: this.cluster.running,
            kind: 'note',
            device: id,
            what,
            fields,
          });
      },
      wantsDetail: () => this.#sink !== undefined && this.#observe.dma,
    };
    return { id, timers: this.#timers(id), observer };
  }

  #dma(id: string, target: DmaPort = this.memory, requester?: () => number): DmaPort {
    const observe = (address: number, length: number, write: boolean): void => {
      this.onDma(id, address, length, write);
      if (this.#sink === undefined || !this.#observe.dma) return;
      this.#emit({
        position: this.position,
        time: this.time,
        cpu: this.cluster.running,
        kind: 'dma',
        device: id,
        address: address < 2 ** 63 ? address : address - 2 ** 64,
        length,
        write,
        ...(requester === undefined ? {} : { requester: requester() }),
      });
    };
    return {
      read: (address, into) => {
        observe(address, into.length, false);
        return target.read(address, into);
      },
      write: (address, from) => {
        observe(address, from.length, true);
        return target.write(address, from);
      },
    };
  }

  device(id: string): Device | undefined {
    return this.#devices.get(id);
  }

  get devices(): ReadonlyMap<string, Device> {
    return this.#devices;
  }

  /** Register maps of everything that appears in access events, by device id. */
  registerMaps(): { readonly [device: string]: RegisterMap } {
    const maps: { [device: string]: RegisterMap } = {};
    for (const [id, device] of this.#devices) maps[id] = device.registers;
    Object.assign(maps, this.board.pcie.registerMaps());
    return { ...maps, timer: TIMER_MAP, pmu: PMU_MAP, 'gic-cpu': GIC_CPU_MAP };
  }

  /* ---------------------------------------------------------------- state */

  /** For watchpoints: true stops before the access. */
  onWatch: (hit: WatchHit) => boolean = () => false;
  /** For watchpoints: a bus master is about to read or write memory. */
  onDma: (device: string, address: number, length: number, isWrite: boolean) => void = () => {};

  #saveMachine(): DeviceState {
    const hotPlug = this.board.pcie.hotPlug.save();
    return {
      ...(hotPlug === undefined ? {} : { hotPlug }),
      position: this.#position,
      jumped: this.#jumped,
      cpu: this.#cpu,
      quantum: this.#quantum,
      retired: [...this.#retired],
      resets: this.#resets,
      stop: this.#stop === undefined ? null : this.#stop.reason,
      queue: this.#queue.save(),
    };
  }

  /** Everything but memory. */
  save(): MachineState {
    const devices: { [id: string]: StateValue } = {};
    for (const [id, device] of this.#devices) devices[id] = device.save();
    const drives: { [id: string]: StateValue } = {};
    for (const [id, drive] of Object.entries(this.#drives))
      if (drive.save !== undefined) drives[id] = drive.save();
    return {
      machine: this.#saveMachine(),
      cpus: this.cluster.states.map((_, i) => saveCpu(this.cluster, i)),
      devices,
      drives,
    };
  }

  load(state: MachineState): void {
    const machine = state['machine'] as DeviceState;
    this.#position = machine['position'] as number;
    this.#jumped = machine['jumped'] as number;
    this.#cpu = machine['cpu'] as number;
    this.#quantum = machine['quantum'] as number;
    (machine['retired'] as number[]).forEach((count, i) => {
      this.#retired[i] = count;
    });
    this.#resets = machine['resets'] as number;
    const stop = machine['stop'] as string | null;
    this.#stop = stop === 'power-off' || stop === 'reset' ? { reason: stop } : undefined;
    this.board.pcie.hotPlug.load(machine['hotPlug']);
    this.#queue.load(machine['queue'] as DeviceState);
    const devices = state['devices'] as { [id: string]: DeviceState };
    for (const [id, device] of this.#devices) device.load(devices[id]!);
    const drives = state['drives'] as { [id: string]: DeviceState };
    for (const [id, drive] of Object.entries(this.#drives))
      if (drives[id] !== undefined) drive.load?.(drives[id]);
    (state['cpus'] as DeviceState[]).forEach((cpu, i) => {
      loadCpu(this.cluster, i, cpu);
    });
    for (let i = 0; i < this.cluster.states.length; i++) {
      this.cluster.states[i]!.setWord(
        L.CPU_IRQ,
        (this.board.gic.irq(i) ? 2 : 0) | (this.board.gic.fiq(i) ? 1 : 0),
      );
    }
  }

  /** Hashes of the whole state. Equal states give equal hashes, however they were reached. */
  hash(): StateHashes {
    const cpus = this.cluster.states.map((_, i) => hashState(saveCpu(this.cluster, i)));
    const memory = this.memory.hash();
    const devices: { [id: string]: string } = {};
    for (const [id, device] of this.#devices) devices[id] = hashState(device.save());
    for (const [id, drive] of Object.entries(this.#drives))
      if (drive.save !== undefined) devices[`drive ${id}`] = hashState(drive.save());
    const machine = hashState(this.#saveMachine());
    return { cpus, memory, devices, machine, all: hashState({ cpus, memory, devices, machine }) };
  }
}
