import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SysregTrap } from '../../../../engine/cpu/a64/sysreg-types.ts';
import { announced } from '../../../../engine/cpu/cpu-announced.ts';
import type { CpuOptions } from '../../../../engine/cpu/cpu-models.ts';
import { SysregMachine } from './sysreg-harness.ts';

/*
 * A bare-metal program (../qemu/sysreg-probe.c) tries every encoding on QEMU 7.2; this test asks the table the
 * same questions in the same order.
 */

const CC = 'aarch64-linux-gnu-gcc';
const QEMU = 'qemu-system-aarch64';

function available(): boolean {
  const version = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  return spawnSync(CC, ['--version']).status === 0 && /version 7\.2/.test(version.stdout ?? '');
}

interface Setup {
  readonly cpu: Partial<CpuOptions>;
  readonly startEl: 1 | 2 | 3;
  readonly el: 0 | 1 | 2 | 3;
  /** Registers set before, by Arm's name. */
  readonly controls?: { readonly [register: string]: bigint };
}

/** Lines `tag key ...` by `tag key`, where r, x, s, l stand for a trap other than UNDEFINED. */
function probe(setup: Setup): Map<string, string> {
  const directory = mkdtempSync(join(tmpdir(), 'sysreg-probe-'));
  try {
    const elf = join(directory, 'probe.elf');
    const out = join(directory, 'out.txt');
    const source = join(import.meta.dirname, '../qemu');
    const sets = Object.entries(setup.controls ?? {})
      .map(([name, value]) => `SET("${name.toLowerCase()}", 0x${value.toString(16)}ul)`)
      .join(' ');
    execFileSync(CC, [
      ...'-O1 -mgeneral-regs-only -mstrict-align -fno-stack-protector -fno-pic -ffreestanding'.split(' '),
      ...'-nostdlib -static -Wl,--build-id=none,-Ttext=0x40080000,-e,_start,--no-warn-rwx-segments'.split(
        ' ',
      ),
      `-DSTART_EL=${setup.startEl}`,
      `-DPROBE_EL=${setup.el}`,
      `-DPROBE_SETUP=${sets}`,
      '-o',
      elf,
      join(source, 'sysreg-probe-start.S'),
      join(source, 'sysreg-probe.c'),
    ]);
    const { cpu } = setup;
    const machine = [
      `virt,gic-version=${cpu.gicVersion ?? 3}`,
      `virtualization=${cpu.el2 === true ? 'on' : 'off'}`,
      `secure=${cpu.el3 === true ? 'on' : 'off'}`,
    ].join(',');
    const model = `${cpu.model ?? 'cortex-a57'},pmu=${cpu.pmu === false ? 'off' : 'on'}`;
    const args = ['-M', machine, '-cpu', model, '-smp', String(cpu.cpuCount ?? 1), '-display', 'none'];
    args.push('-serial', `file:${out}`, '-monitor', 'none', '-semihosting', '-icount', 'shift=0,sleep=off');
    execFileSync(QEMU, [...args, '-kernel', elf], { timeout: 60_000, stdio: 'ignore' });
    const lines = readFileSync(out, 'utf8').trim().split('\n');
    expect(lines.pop()).toBe('.');
    return new Map(
      lines.map((line) => {
        const [tag, key, ...rest] = line.split(' ');
        return [`${tag} ${key}`, rest.join(' ')];
      }),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const hex = (value: bigint | number) => value.toString(16);

function trapText(trap: SysregTrap): string | undefined {
  if (trap.ec === 0) return undefined;
  return `${hex((BigInt(trap.ec) << 26n) | (1n << 25n) | BigInt(trap.iss))} ${trap.target}`;
}

/** What the probe would print if it ran on the table. */
function model(setup: Setup): Map<string, string> {
  const machine = new SysregMachine(setup.cpu);
  for (const [name, value] of Object.entries(setup.controls ?? {})) machine.write(name, value);
  machine.el = setup.el;
  machine.time.time = 1_000_000;
  const lines = new Map<string, string>();
  const context = machine.context();
  const { table } = machine;
  const clean = machine.buffers[0]!.buffer.slice(0);
  const restore = () => {
    new Uint8Array(machine.buffers[0]!.buffer).set(new Uint8Array(clean));
    machine.specials.clear();
  };
  const trapped = (tag: string, key: number, trap: SysregTrap) => {
    const text = trapText(trap);
    if (text !== undefined) lines.set(`${tag} ${hex(key)}`, text);
  };
  for (let key = 2 << 14; key < 4 << 14; key++) {
    restore();
    const value = table.read(key, 0, context);
    if (typeof value === 'bigint') lines.set(`R ${hex(key)}`, hex(value));
    else trapped('r', key, value);
  }
  for (let key = 2 << 14; key < 4 << 14; key++) {
    restore();
    const readable = table.read(key, 0, context);
    const trap = table.write(key, 0, typeof readable === 'bigint' ? readable : 0n, context);
    if (trap !== undefined) {
      trapped('x', key, trap);
      continue;
    }
    if (typeof readable !== 'bigint') {
      lines.set(`w ${hex(key)}`, '');
      continue;
    }
    table.write(key, 0, 0xffff_ffff_ffff_ffffn, context);
    const ones = table.read(key, 0, context);
    table.write(key, 0, 0n, context);
    const zeros = table.read(key, 0, context);
    lines.set(`W ${hex(key)}`, `${hex(ones as bigint)} ${hex(zeros as bigint)}`);
  }
  restore();
  for (let key = 1 << 14; key < 2 << 14; key++) {
    for (const [sysl, done, not] of [
      [false, 'S', 's'],
      [true, 'L', 'l'],
    ] as const) {
      const trap = table.system(key, 0, 0n, context, sysl);
      if (trap === undefined) lines.set(`${done} ${hex(key)}`, '');
      else trapped(not, key, trap);
    }
  }
  return lines;
}

/** Here on purpose although QEMU 7.2 has them UNDEFINED or as no-operations (see sysreg-list-debug.ts). */
const NOT_IN_7_2 =
  /^(MDCCINT_EL1|DBGVCR32_EL2|OSDTRRX_EL1|OSDTRTX_EL1|OSECCR_EL1|DBGCLAIM...|DBGDTR\w*|DBGCLAIM\w*)/;
/** Values that depend on what ran before, on time, or on parts that the harness does not have. */
const NO_VALUE =
  /^(CNT\w+_TVAL|CNT[PV]CT|IC[CH]_|NZCV|DAIF|CurrentEL|FPCR|FPSR|SPSel|SP_EL|ELR_|SPSR_EL|ESR_|FAR_|PAR_|VBAR_|PMCCNTR|PMXEVCNTR|PMEVCNTR)/;

function compare(setup: Setup): string[] {
  const theirs = probe(setup);
  const ours = model(setup);
  const names = new SysregMachine(setup.cpu).table;
  const differences: string[] = [];
  for (const line of new Set([...theirs.keys(), ...ours.keys()])) {
    const [tag, keyText] = line.split(' ') as [string, string];
    const key = Number.parseInt(keyText, 16);
    const name = names.nameOf(key);
    if (NOT_IN_7_2.test(name) || name === 'SPSel') continue;
    let expected = theirs.get(line);
    let actual = ours.get(line);
    // The probe does not vary what would break it; the model may.
    if (tag === 'w' && expected === '' && ours.has(`W ${keyText}`)) continue;
    if (tag === 'W' && theirs.has(`w ${keyText}`)) continue;
    if ((tag === 'R' || tag === 'W') && NO_VALUE.test(name)) {
      if (expected !== undefined) expected = 'done';
      if (actual !== undefined) actual = 'done';
    }
    // Without a prefix, as the probe prints it.
    if (tag === 'R' && name.startsWith('ID_') && expected !== undefined && /^[0-9a-f]+$/.test(expected))
      expected = announced(name, BigInt(`0x${expected}`)).toString(16);
    if (expected !== actual) differences.push(`${tag} ${name}: QEMU ${expected}, table ${actual}`);
  }
  return differences;
}

const SCTLR = 0xc50838n;
/** RW (EL1 is AArch64); with EL3 also NS, HCE and SMC allowed. */
const HCR_RW = 1n << 31n;
const SCR = 0x531n;
const el2 = { el2: true } as const;
const el3 = { el3: true } as const;
const both = { el2: true, el3: true } as const;

const SETUPS: { readonly [name: string]: Setup } = {
  'A57 at EL1': { cpu: {}, startEl: 1, el: 1 },
  'A53 at EL1': { cpu: { model: 'cortex-a53' }, startEl: 1, el: 1 },
  'A72 at EL1': { cpu: { model: 'cortex-a72' }, startEl: 1, el: 1 },
  'A57 with GICv2': { cpu: { gicVersion: 2 }, startEl: 1, el: 1 },
  'A57 without PMU': { cpu: { pmu: false }, startEl: 1, el: 1 },
  'A57, four CPUs': { cpu: { cpuCount: 4 }, startEl: 1, el: 1 },
  'EL0 with everything closed': { cpu: {}, startEl: 1, el: 0 },
  'EL0 with everything open': {
    cpu: {},
    startEl: 1,
    el: 0,
    controls: {
      SCTLR_EL1: SCTLR | (1n << 9n) | (1n << 14n) | (1n << 15n) | (1n << 26n),
      CNTKCTL_EL1: 0x303n,
      PMUSERENR_EL0: 15n,
      CPACR_EL1: 3n << 20n,
    },
  },
  // Not TDCC, which 7.2 ignores.
  'EL0 with UCT, CNTKCTL.EL0PCTEN and PMUSERENR.ER': {
    cpu: {},
    startEl: 1,
    el: 0,
    controls: {
      SCTLR_EL1: SCTLR | (1n << 15n),
      CNTKCTL_EL1: 1n,
      PMUSERENR_EL0: 8n,
      CPACR_EL1: 1n << 20n,
    },
  },
  'EL0 with UCI, CNTKCTL.EL0VCTEN and EL0PTEN, PMUSERENR.CR and SW': {
    cpu: {},
    startEl: 1,
    el: 0,
    controls: { SCTLR_EL1: SCTLR | (1n << 26n), CNTKCTL_EL1: 0x202n, PMUSERENR_EL0: 6n },
  },
  'EL2 at EL2': { cpu: el2, startEl: 2, el: 2 },
  'EL3 at EL3': { cpu: el3, startEl: 3, el: 3 },
  'EL2 and EL3 at EL3': { cpu: both, startEl: 3, el: 3 },
  'EL2 at EL1': { cpu: el2, startEl: 2, el: 1, controls: { HCR_EL2: HCR_RW } },
  'EL2 at EL1 with the HCR traps of registers': {
    cpu: el2,
    startEl: 2,
    el: 1,
    // Not TRVM (30), which would trap the probe's own handler; not TIDCP (20), which 7.2 does not have.
    controls: { HCR_EL2: HCR_RW | (1n << 26n) | (0xfn << 15n) | (1n << 21n) },
  },
  'EL2 at EL1 with the HCR traps of maintenance': {
    cpu: el2,
    startEl: 2,
    el: 1,
    controls: { HCR_EL2: HCR_RW | (0xfn << 22n) | (1n << 28n) },
  },
  'EL2 at EL1 with the debug, PMU, timer and FP traps': {
    cpu: el2,
    startEl: 2,
    el: 1,
    controls: {
      HCR_EL2: HCR_RW,
      MDCR_EL2: 0xe46n,
      CNTHCTL_EL2: 0n,
      CPTR_EL2: (1n << 31n) | (1n << 10n),
      CPACR_EL1: 3n << 20n,
    },
  },
  'EL2 at EL1 with the interrupts of EL1 virtual': {
    cpu: el2,
    startEl: 2,
    el: 1,
    controls: { HCR_EL2: HCR_RW | (3n << 3n) },
  },
  'EL2 at EL0': {
    cpu: el2,
    startEl: 2,
    el: 0,
    controls: {
      HCR_EL2: HCR_RW | (1n << 17n) | (1n << 23n) | (1n << 24n) | (1n << 28n),
      MDCR_EL2: 6n,
      SCTLR_EL1: SCTLR | (1n << 14n) | (1n << 15n) | (1n << 26n),
      CNTKCTL_EL1: 0x303n,
      // QEMU: up to 8.2 CNTPCT_EL0 at EL0 asks EL1PCEN, not EL1PCTEN; so both or none.
      CNTHCTL_EL2: 0n,
      PMUSERENR_EL0: 15n,
      CPACR_EL1: 3n << 20n,
    },
  },
  'EL2 at EL0 with the PMU trapped': {
    cpu: el2,
    startEl: 2,
    el: 0,
    // QEMU: ER, CR and SW open a counter to EL0 even if EL2 traps it; EN does not.
    controls: { HCR_EL2: HCR_RW, MDCR_EL2: 0x46n, PMUSERENR_EL0: 1n, CNTKCTL_EL1: 0x303n },
  },
  'EL2 at EL0 with general exceptions to EL2': {
    cpu: el2,
    startEl: 2,
    el: 0,
    controls: { HCR_EL2: HCR_RW | (1n << 27n) },
  },
  'EL3 at Secure EL1': { cpu: both, startEl: 3, el: 1, controls: { SCR_EL3: SCR & ~1n } },
  'EL3 at Secure EL1 with the secure timer': {
    cpu: both,
    startEl: 3,
    el: 1,
    controls: { SCR_EL3: (SCR & ~1n) | (1n << 11n) },
  },
  'EL3 at EL1 with the EL3 traps': {
    cpu: both,
    startEl: 3,
    el: 1,
    controls: {
      SCR_EL3: SCR | 6n,
      HCR_EL2: HCR_RW,
      MDCR_EL3: 0x640n,
      CPTR_EL3: (1n << 31n) | (1n << 10n),
      CPACR_EL1: 3n << 20n,
    },
  },
  'EL3 at EL2 with the EL3 traps': {
    cpu: both,
    startEl: 3,
    el: 2,
    controls: { SCR_EL3: SCR | 4n, MDCR_EL3: 0x640n, CPTR_EL3: (1n << 31n) | (1n << 10n) },
  },
  'EL3 at EL2': { cpu: both, startEl: 3, el: 2, controls: { SCR_EL3: SCR } },
};

describe.skipIf(!available())('every encoding does what QEMU 7.2 does', () => {
  test.each(Object.entries(SETUPS))('%s', (_name, setup) => {
    expect(compare(setup)).toEqual([]);
  });
});
