import type {
  AccessSource,
  Device,
  DevicePorts,
  DeviceState,
  DmaPort,
  InterruptLine,
} from '../../base/device.ts';
import type { RegisterMap } from '../../base/register-map.ts';
import type { AccessSize } from '../../base/units.ts';
import { CERROR, COMMAND_SIZE, type CommandWords, decodeCommand } from './commands.ts';
import { decodeEvent, EVENT_SIZE, encodeEvent, type SmmuEvent } from './events.ts';
import { executeCommand } from './execute.ts';
import { commandQueueBits, eventQueueBits, SMMU_7_2, type SmmuFeatures } from './features.ts';
import { findStale } from './memory-now.ts';
import {
  CR0,
  CR0ACK_MASK,
  GBPA,
  GERROR,
  ID_BYTES,
  IRQ_CTRL,
  PAGE_1,
  REG,
  smmuRegisters,
} from './registers.ts';
import { initialState, type Queue, queueOf, type State } from './state.ts';
import { StreamTable } from './stream-table.ts';
import { field } from './structures.ts';
import { Tlb } from './tlb.ts';
import { passed, type SmmuAccess, type Translation, Translator } from './translator.ts';
import type { WalkStep } from './walk.ts';

/*
 * System memory management unit, Arm IHI 0070 (SMMUv3). Translates what bus masters send, stream by stream;
 * the guest tells it what changed through a queue of commands and hears of faults through a queue of events.
 *
 *   bus master -> smmu-dma.ts -> translate() -> translator.ts -> stream-table.ts   (STE, CD: remembered)
 *                                                             -> tlb.ts, walk.ts   (pages: remembered)
 */

export interface Smmuv3Ports extends DevicePorts {
  /** Where the SMMU reads tables and commands, and writes events. */
  readonly dma: DmaPort;
  /** The same memory, read unseen: strict mode looks there for what is stale. Default: `dma`. */
  readonly unseen?: DmaPort;
  /** Edge-triggered: each interrupt is a pulse. There is no PRI (SMMU_IDR0.PRI = 0): `priq` stays low. */
  readonly eventq: InterruptLine;
  readonly priq: InterruptLine;
  readonly cmdqSync: InterruptLine;
  readonly gerror: InterruptLine;
}

export interface Smmuv3Options {
  /** Default: that of virt-7.2. */
  readonly features?: SmmuFeatures;
  /**
   * Remember all that real hardware may remember (tlb.ts, stream-table.ts), so that a guest that forgets an
   * invalidation fails. Default false: as QEMU. Part of the machine's configuration.
   */
  readonly strict?: boolean;
}

export class Smmuv3 implements Device {
  readonly id: string;
  readonly registers: RegisterMap;
  readonly features: SmmuFeatures;
  readonly #ports: Smmuv3Ports;
  readonly #streams: StreamTable;
  readonly #tlb: Tlb;
  readonly #translator: Translator;
  readonly #strict: boolean;
  #state: State;

  constructor(ports: Smmuv3Ports, { features = SMMU_7_2, strict = false }: Smmuv3Options = {}) {
    this.id = ports.id;
    this.#ports = ports;
    this.features = features;
    this.#strict = strict;
    this.registers = smmuRegisters(features);
    this.#streams = new StreamTable(features, ports.dma, strict);
    this.#tlb = new Tlb(strict);
    this.#translator = new Translator(features, ports.dma, this.#streams, this.#tlb, strict);
    this.#state = initialState(features);
  }

  /* ------------------------------------------------------------- translation */

  /**
   * Translates one address of a bus master's transaction and, if it faults, writes the event record.
   * @param streamId PCI requester ID
   * @param substreamId PASID, if the transaction has one
   * @param iova 64-bit address; a number is exact below 2^53
   */
  translate(
    streamId: number,
    substreamId: number | undefined,
    iova: bigint | number,
    access: SmmuAccess,
  ): Translation {
    const s = this.#state;
    const detail = this.#ports.observer.wantsDetail?.() ?? true;
    if ((s.cr0 & CR0.SMMUEN) === 0) {
      const result: Translation =
        (s.gbpa & GBPA.ABORT) === 0
          ? passed(iova, 'off')
          : { ok: false, event: undefined, record: false, why: 'SMMU_GBPA.ABORT' };
      if (detail) this.#noteTranslation(streamId, iova, access, result);
      return result;
    }
    const steps: WalkStep[] | undefined = detail ? [] : undefined;
    const config = detail && this.#streams.knows(streamId) ? 'cached' : 'fetched';
    const registers = {
      baseLo: s.strtabBaseLo,
      baseHi: s.strtabBaseHi,
      config: s.strtabBaseCfg,
      twoLevel: s.twoLevel,
      split: s.split,
    };
    const result = this.#translator.translate(streamId, substreamId, iova, access, registers, steps);
    if (detail) this.#noteTranslation(streamId, iova, access, result, config, steps);
    if (this.#strict) {
      const { dma, unseen = dma, observer } = this.#ports;
      const stale = findStale(result, this.features, unseen, streamId, substreamId, iova, access, registers);
      if (stale)
        observer.note('stale', { stream: streamId, address: hex(iova), write: access.write, ...stale });
    }
    if (!result.ok) this.#fault(streamId, iova, access, result);
    return result;
  }

  #fault(
    stream: number,
    iova: bigint | number,
    { write }: SmmuAccess,
    { event, record, why }: Translation & { ok: false },
  ): void {
    const { observer } = this.#ports;
    observer.note('fault', {
      event: event?.event ?? 'none',
      stream,
      address: hex(iova),
      write,
      recorded: record,
      why,
    });
    if (event !== undefined && record) this.#writeEvent(event);
  }

  #noteTranslation(
    stream: number,
    iova: bigint | number,
    { write }: SmmuAccess,
    result: Translation,
    config?: string,
    steps: readonly WalkStep[] = [],
  ): void {
    const walk = steps.map(
      ({ stage, level, address, lo, hi }) =>
        `S${stage}L${level}@${hex(address)}=${hex(hi * 2 ** 32 + (lo >>> 0))}`,
    );
    this.#ports.observer.note('translation', {
      stream,
      address: hex(iova),
      write,
      ...(config === undefined ? {} : { config }),
      ...(result.ok
        ? {
            stages: result.stages,
            physical: hex(result.physicalAddress),
            permits: `${result.readable ? 'r' : '-'}${result.writable ? 'w' : '-'}`,
            cached: result.cached,
          }
        : { fault: result.event?.event ?? 'abort' }),
      ...(walk.length === 0 ? {} : { walk: walk.join(' ') }),
    });
  }

  /* --------------------------------------------------------------- registers */

  accepts(_offset: number, size: AccessSize, _isWrite: boolean): boolean {
    return size >= 4;
  }

  read(at: number, _size: 1 | 2 | 4, _source: AccessSource): number {
    const s = this.#state;
    const offset = at % PAGE_1;
    switch (offset) {
      case REG.IIDR:
        return 0;
      case REG.AIDR:
        return 1;
      case REG.CR0:
        return s.cr0;
      case REG.CR0ACK:
        return s.cr0 & CR0ACK_MASK;
      case REG.CR1:
        return s.cr1;
      case REG.CR2:
        return s.cr2;
      case REG.STATUSR:
        return 0;
      case REG.IRQ_CTRL:
      case REG.IRQ_CTRLACK:
        return s.irqCtrl;
      case REG.GERROR:
        return s.gerror;
      case REG.GERRORN:
        return s.gerrorn;
      case REG.GERROR_IRQ_CFG0:
      case REG.GERROR_IRQ_CFG0 + 4:
      case REG.GERROR_IRQ_CFG1:
      case REG.GERROR_IRQ_CFG2:
        return s.gerrorIrqCfg[(offset - REG.GERROR_IRQ_CFG0) >> 2]!;
      case REG.STRTAB_BASE:
        return s.strtabBaseLo;
      case REG.STRTAB_BASE + 4:
        return s.strtabBaseHi;
      case REG.STRTAB_BASE_CFG:
        return s.strtabBaseCfg;
      case REG.CMDQ_BASE:
        return s.cmdqBaseLo;
      case REG.CMDQ_BASE + 4:
        return s.cmdqBaseHi;
      case REG.CMDQ_PROD:
        return s.cmdqProd;
      case REG.CMDQ_CONS:
        return s.cmdqCons;
      case REG.EVENTQ_BASE:
        return s.eventqBaseLo;
      case REG.EVENTQ_BASE + 4:
        return s.eventqBaseHi;
      case REG.EVENTQ_PROD:
        return s.eventqProd;
      case REG.EVENTQ_CONS:
        return s.eventqCons;
    }
    if (offset < REG.IIDR) return this.features.idr[offset >> 2]!;
    if (offset === REG.GBPA && this.features.gbpa) return s.gbpa;
    if (offset >= REG.ID && offset < REG.ID + 4 * ID_BYTES.length) return ID_BYTES[(offset - REG.ID) >> 2]!;
    if (isEventqIrqCfg(offset)) return 0;
    this.#ports.observer.guestError(at, 'read of an unknown register');
    return 0;
  }

  /** QEMU: only the registers of 64 bits have 64-bit reads; all others give zero (devices.md section 17). */
  read64(at: number, source: AccessSource): bigint {
    if (is64(at % PAGE_1)) {
      return BigInt(this.read(at, 4, source)) | (BigInt(this.read(at + 4, 4, source)) << 32n);
    }
    if (at % PAGE_1 !== REG.EVENTQ_IRQ_CFG0) {
      this.#ports.observer.guestError(at, '64-bit read of what is not a 64-bit register');
    }
    return 0n;
  }

  write(at: number, _size: 1 | 2 | 4, value: number, _source: AccessSource): void {
    const s = this.#state;
    const offset = at % PAGE_1;
    switch (offset) {
      case REG.CR0:
        this.#writeCr0(at, value);
        return;
      case REG.CR1:
        s.cr1 = value;
        return;
      case REG.CR2:
        s.cr2 = value;
        return;
      case REG.IRQ_CTRL:
        s.irqCtrl = value;
        return;
      case REG.GERRORN: {
        // Section 6.3.16: toggling what is not active is CONSTRAINED UNPREDICTABLE. QEMU: it is stored.
        const active = s.gerror ^ s.gerrorn;
        if (((value ^ s.gerrorn) & ~active) !== 0) {
          this.#ports.observer.guestError(at, 'SMMU_GERRORN acknowledges an error that is not active');
        }
        s.gerrorn = value;
        this.#consumeCommands();
        return;
      }
      case REG.GERROR_IRQ_CFG0:
      case REG.GERROR_IRQ_CFG0 + 4:
      case REG.GERROR_IRQ_CFG1:
      case REG.GERROR_IRQ_CFG2:
        s.gerrorIrqCfg[(offset - REG.GERROR_IRQ_CFG0) >> 2] = value;
        return;
      case REG.STRTAB_BASE:
        s.strtabBaseLo = value;
        return;
      case REG.STRTAB_BASE + 4:
        s.strtabBaseHi = value;
        return;
      case REG.STRTAB_BASE_CFG:
        s.strtabBaseCfg = value;
        // QEMU: two-level stays on when FMT is 0 again, until a reset.
        if (field(value, 17, 16) === 1) {
          s.twoLevel = true;
          s.split = field(value, 10, 6);
        }
        return;
      case REG.CMDQ_BASE:
        s.cmdqBaseLo = value;
        return;
      case REG.CMDQ_BASE + 4:
        s.cmdqBaseHi = value;
        return;
      case REG.CMDQ_PROD:
        s.cmdqProd = value;
        this.#consumeCommands();
        return;
      case REG.CMDQ_CONS:
        s.cmdqCons = value;
        return;
      case REG.EVENTQ_BASE:
        s.eventqBaseLo = value;
        return;
      case REG.EVENTQ_BASE + 4:
        s.eventqBaseHi = value;
        return;
      case REG.EVENTQ_PROD:
        s.eventqProd = value;
        return;
      case REG.EVENTQ_CONS:
        s.eventqCons = value;
        return;
    }
    if (offset === REG.GBPA && this.features.gbpa) {
      if ((value & GBPA.UPDATE) !== 0) s.gbpa = (value & ~GBPA.UPDATE) >>> 0;
      return;
    }
    if (isEventqIrqCfg(offset)) return;
    const known = offset < REG.IIDR || isReadOnly(offset);
    this.#ports.observer.guestError(
      at,
      known ? 'write to a read-only register' : 'write to an unknown register',
    );
  }

  write64(at: number, value: bigint, source: AccessSource): void {
    if (is64(at % PAGE_1)) {
      this.write(at, 4, Number(value & 0xffff_ffffn), source);
      this.write(at + 4, 4, Number(value >> 32n), source);
    } else if (at % PAGE_1 !== REG.EVENTQ_IRQ_CFG0) {
      this.#ports.observer.guestError(at, '64-bit write to what is not a 64-bit register');
    }
  }

  #writeCr0(at: number, value: number): void {
    const s = this.#state;
    const risen = value & ~s.cr0;
    s.cr0 = value;
    const { observer } = this.#ports;
    if ((risen & CR0.CMDQEN) !== 0 && this.#commandQueue.misaligned) {
      observer.guestError(
        at,
        'SMMU_CMDQ_BASE is not aligned to the size of the queue; its low bits do not count',
      );
    }
    if ((risen & CR0.EVENTQEN) !== 0 && this.#eventQueue.misaligned) {
      observer.guestError(
        at,
        'SMMU_EVENTQ_BASE is not aligned to the size of the queue; its low bits do not count',
      );
    }
    this.#consumeCommands();
  }

  /* ------------------------------------------------------------------ queues */

  get #commandQueue(): Queue {
    const { cmdqBaseLo, cmdqBaseHi } = this.#state;
    return queueOf(cmdqBaseLo, cmdqBaseHi, COMMAND_SIZE, commandQueueBits(this.features));
  }

  get #eventQueue(): Queue {
    const { eventqBaseLo, eventqBaseHi } = this.#state;
    return queueOf(eventqBaseLo, eventqBaseHi, EVENT_SIZE, eventQueueBits(this.features));
  }

  /**
   * Section 4: commands are carried out at once, in the access that announced them, until the queue is empty or
   * an error stops it. Ends: CONS comes nearer to PROD with each command, and nothing here moves PROD.
   */
  #consumeCommands(): void {
    const s = this.#state;
    const queue = this.#commandQueue;
    const bytes = new Uint8Array(COMMAND_SIZE);
    const view = new DataView(bytes.buffer);
    const { observer, dma } = this.#ports;
    while ((s.cr0 & CR0.CMDQEN) !== 0 && ((s.gerror ^ s.gerrorn) & GERROR.CMDQ_ERR) === 0) {
      if (((s.cmdqProd ^ s.cmdqCons) & queue.wrapMask) === 0) return;
      const index = s.cmdqCons & (queue.entries - 1);
      if (!dma.read(queue.base + index * COMMAND_SIZE, bytes)) {
        this.#stopCommands(CERROR.ABT, 'the command queue cannot be read');
        return;
      }
      const word = (n: number) => view.getUint32(4 * n, true);
      const words: CommandWords = [word(0), word(1), word(2), word(3)];
      const { name, fields } = decodeCommand(words);
      observer.note('command', { name, index, ...fields });
      const done = executeCommand(words, {
        features: this.features,
        streams: this.#streams,
        tlb: this.#tlb,
        split: s.split,
        syncInterrupt: () => pulse(this.#ports.cmdqSync),
      });
      if (!done) {
        this.#stopCommands(CERROR.ILL, `${name} is not a command of this SMMU`);
        return;
      }
      s.cmdqCons = ((s.cmdqCons & ~queue.wrapMask) | ((s.cmdqCons + 1) & queue.wrapMask)) >>> 0;
    }
  }

  #stopCommands(error: number, message: string): void {
    const s = this.#state;
    this.#ports.observer.guestError(REG.CMDQ_CONS, `the command queue stops: ${message}`);
    s.cmdqCons = ((s.cmdqCons & ~0x7f00_0000) | (error << 24)) >>> 0;
    this.#raiseError(GERROR.CMDQ_ERR, 'CMDQ_ERR');
  }

  /** Section 7.2. QEMU: no overflow flag; an event that finds the queue full counts as one that cannot be written. */
  #writeEvent(event: SmmuEvent): void {
    const s = this.#state;
    const { observer, dma } = this.#ports;
    if ((s.cr0 & CR0.EVENTQEN) === 0) {
      observer.note('event-lost', { event: event.event, why: 'the event queue is disabled' });
      return;
    }
    const queue = this.#eventQueue;
    const record = encodeEvent(event);
    const index = s.eventqProd & (queue.entries - 1);
    const full = ((s.eventqProd ^ s.eventqCons) & queue.wrapMask) === queue.entries;
    if (full || !dma.write(queue.base + index * EVENT_SIZE, record)) {
      const why = full ? 'the event queue is full' : 'the event queue cannot be written';
      observer.note('event-lost', { event: event.event, why });
      this.#raiseError(GERROR.EVENTQ_ABT_ERR, 'EVENTQ_ABT_ERR');
      return;
    }
    s.eventqProd = ((s.eventqProd & ~queue.wrapMask) | ((s.eventqProd + 1) & queue.wrapMask)) >>> 0;
    const { name, fields } = decodeEvent(record);
    observer.note('event', { name, index, ...fields });
    const empty = ((s.eventqProd ^ s.eventqCons) & queue.wrapMask) === 0;
    if (!empty && (s.irqCtrl & IRQ_CTRL.EVENTQ_IRQEN) !== 0) pulse(this.#ports.eventq);
  }

  /** Section 6.3.15: an error that is active already stays as it is. */
  #raiseError(mask: number, error: string): void {
    const s = this.#state;
    if (((s.gerror ^ s.gerrorn) & mask) !== 0) return;
    s.gerror = (s.gerror ^ mask) >>> 0;
    this.#ports.observer.note('gerror', { error });
    if ((s.irqCtrl & IRQ_CTRL.GERROR_IRQEN) !== 0) pulse(this.#ports.gerror);
  }

  /* ------------------------------------------------------------------- state */

  reset(): void {
    this.#state = initialState(this.features);
    this.#streams.clear();
    this.#tlb.clear();
  }

  save(): DeviceState {
    const registers = { ...this.#state, gerrorIrqCfg: [...this.#state.gerrorIrqCfg] };
    return { registers, streams: this.#streams.save(), tlb: this.#tlb.save() };
  }

  load(state: DeviceState): void {
    const registers = state['registers'] as unknown as State;
    this.#state = { ...registers, gerrorIrqCfg: [...registers.gerrorIrqCfg] };
    this.#streams.load(state['streams']!);
    this.#tlb.load(state['tlb']!);
  }
}

function pulse(line: InterruptLine): void {
  line.set(true);
  line.set(false);
}

const is64 = (offset: number): boolean =>
  ([REG.GERROR_IRQ_CFG0, REG.STRTAB_BASE, REG.CMDQ_BASE, REG.EVENTQ_BASE] as number[]).includes(offset);

/** RES0, as SMMU_IDR0.MSI is 0. */
const isEventqIrqCfg = (offset: number): boolean =>
  offset >= REG.EVENTQ_IRQ_CFG0 && offset < REG.EVENTQ_IRQ_CFG0 + 16;

const readOnly: readonly number[] = [
  REG.IIDR,
  REG.AIDR,
  REG.CR0ACK,
  REG.STATUSR,
  REG.IRQ_CTRLACK,
  REG.GERROR,
];
const isReadOnly = (offset: number): boolean => readOnly.includes(offset) || offset >= REG.ID;

function hex(value: bigint | number): string {
  return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
}
