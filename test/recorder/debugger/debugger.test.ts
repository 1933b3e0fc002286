import { beforeAll, describe, expect, it } from 'vitest';
import { complete as completions, parseLine } from '../../../recorder/debugger/commands.ts';
import type { Debugger } from '../../../recorder/debugger/debugger.ts';
import { complete } from '../../../recorder/session/operation.ts';
import { FOUR_CPUS, recordTrace, STORM } from '../session/debug-support.ts';
import { data, openDebugger, problem, run, text } from './support.ts';

let storm: Debugger;
let inputs: Debugger;
let four: Debugger;
/** Position of the wrong write. */
let wrong: number;

beforeAll(() => {
  storm = openDebugger(recordTrace({ kernel: STORM, gic: 3 }), {
    'System.map': '0000000040101000 T first_name\n0000000040102000 t second_name\n',
    empty: 'nothing\n',
  });
  inputs = openDebugger(recordTrace({ kernel: STORM, gic: 3, level: 'inputs', until: 1_500_000 }));
  run(storm, 'goto end');
  wrong = data(storm, 'last write gic-cpu.ICC_CTLR_EL1.EOImode').found.position;
  four = openDebugger(recordTrace({ kernel: FOUR_CPUS, cpus: 4, until: 1_000_000 }));
}, 120_000);

describe('going', () => {
  it('to positions, forwards and backwards, says where that is', () => {
    expect(data(storm, 'goto 12345')).toMatchObject({ stop: 'there', position: 12_345 });
    expect(data(storm, 'goto +1k')).toMatchObject({ position: 13_345 });
    expect(data(storm, 'goto -345')).toMatchObject({ position: 13_000 });
    expect(data(storm, 'step')).toMatchObject({ position: 13_001 });
    expect(data(storm, 's 9')).toMatchObject({ position: 13_010 });
    expect(data(storm, 'rstep 10')).toMatchObject({ position: 13_000 });
    expect(data(storm, 'goto start')).toMatchObject({ position: 0 });
    expect(data(storm, 'rstep')).toMatchObject({ stop: 'begin', why: 'the recording begins here' });
    expect(data(storm, 'goto end')).toMatchObject({ stop: 'end', position: storm.timeline.length });
    expect(text(storm, 'when')).toContain('0 instructions before the end');
  });

  it.each(['1.25ms', '8249us', '0ns', '100001ns', '0.003s'])(
    'to %s is to the last position not later',
    (time) => {
      run(storm, `goto ${time}`);
      const { position } = storm.timeline;
      const wanted = Math.round(
        Number.parseFloat(time) * { ms: 1e6, us: 1e3, ns: 1, s: 1e9 }[/[a-z]+/.exec(time)![0]]!,
      );
      expect(storm.timeline.time).toBeLessThanOrEqual(wanted);
      complete(storm.timeline.seek(position + 1));
      expect(storm.timeline.time).toBeGreaterThan(wanted);
    },
  );

  it('to bookmarks, and to events by their number', () => {
    run(storm, 'goto 5000');
    run(storm, 'bookmark here');
    run(storm, 'goto 300000');
    const { events } = data(storm, 'events 1 after');
    run(storm, `goto #${events[0].number}`);
    expect(storm.timeline.position).toBe(events[0].position);
    expect(data(storm, 'goto here')).toMatchObject({ position: 5000 });
    expect(text(storm, 'info bookmarks')).toBe('here: position 5000');
    run(storm, 'delete here');
    expect(text(storm, 'bookmark')).toBe('no bookmarks');
  });

  it.each([
    ['goto', 'goto: where?'],
    ['goto nowhere', 'goto nowhere: neither a position'],
    ['goto 99G', 'goto 99G: the recording ends at position'],
    ['goto 9s', 'goto: the recording ends at 0.0'],
    ['goto -1G', 'goto -1G: that is before the start'],
    ['goto #999999', 'goto #999999: '],
    ['step x', 'step x: allowed is a whole number from 1'],
    ['step 0', 'step 0: allowed'],
    ['continue now', 'continue now: nothing is expected'],
    ['until', 'until: which text?'],
    ['bookmark end', 'bookmark end: a name begins with a letter'],
  ])('%s is refused in one line', (line, message) => {
    expect(problem(storm, line)).toContain(message);
    expect(problem(storm, line)).not.toContain('\n');
  });
});

describe('breakpoints', () => {
  it('at a symbol stop there, in both directions, and count', () => {
    run(storm, 'goto 400000');
    expect(text(storm, 'break gic_share_binary_point')).toMatch(
      /^breakpoint \d+: at 0x401030b8 <gic_share_binary_point>$/,
    );
    const back = data(storm, 'rcontinue');
    expect(back).toMatchObject({ stop: 'breakpoint', symbol: 'gic_share_binary_point' });
    run(storm, 'goto start');
    expect(data(storm, 'continue').position).toBe(back.position);
    expect(text(storm, 'info breakpoints')).toContain('hit 2 times');
    // A run of many steps stops as well.
    run(storm, 'rstep 50');
    expect(data(storm, 'step 1000')).toMatchObject({ stop: 'breakpoint', position: back.position });
    run(storm, 'disable');
    run(storm, 'rstep 50');
    expect(data(storm, 'step 1000')).toMatchObject({ stop: 'there', position: back.position + 950 });
    run(storm, 'delete');
    expect(text(storm, 'info breakpoints')).toBe('no breakpoints');
  });

  it('on the value of a field stop at the write', () => {
    run(storm, 'goto start');
    run(storm, 'break gic-cpu.ICC_CTLR_EL1.EOImode == 0');
    expect(text(storm, 'continue')).toContain('ICC_CTLR_EL1 write 0x1 (CBPR=1)');
    run(storm, 'delete');
  });

  it('of a watch tell what the write changes', () => {
    run(storm, 'goto 300000');
    run(storm, 'watch irqs_taken');
    const hit = data(storm, 'continue').breakpoints[0];
    expect(BigInt(hit.after)).toBe(BigInt(hit.before) + 1n);
    expect(data(storm, 'print *irqs_taken').value).toBe(`0x${BigInt(hit.before).toString(16)}`);
    run(storm, 'step');
    expect(BigInt(data(storm, 'print *irqs_taken').value) & 0xffff_ffffn).toBe(BigInt(hit.after));
    run(storm, 'delete');
  });

  it.each([
    ['break uart0.UARTDX', 'uart0.UARTDX: uart0 has no register UARTDX; nearest: UARTDR'],
    ['break gic-cpu.ICC_CTLR_EL1.EOImod == 0', 'ICC_CTLR_EL1 has no field EOImod; nearest: EOImode'],
    ['break uart0.UARTDR == many', "break: '== many': read, write, or =="],
    ['break gic_share_binary_piont', 'no such symbol; nearest: gic_share_binary_point'],
    ['break irq', 'which INTID?'],
    ['break irq 34 often', 'irq 34 often: there are line-high'],
    ['break 0x40100000 cpu 7', 'cpu 7: there is only cpu 0'],
    ['watch', 'watch: which address?'],
    ['delete 77', 'delete 77: no breakpoint has this number'],
    ['info weather', 'info weather: there are info breakpoints'],
  ])('%s is refused with the nearest', (line, message) => {
    expect(problem(storm, line)).toContain(message);
  });
});

describe('questions', () => {
  it('about a field are answered from the trace, without moving', () => {
    run(storm, 'goto end');
    const before = storm.timeline.position;
    const { found } = data(storm, 'last write gic-cpu.ICC_CTLR_EL1.EOImode');
    expect(found).toMatchObject({ value: '0x1', symbol: 'gic_share_binary_point+0x28' });
    expect(storm.timeline.position).toBe(before);
    run(storm, 'goto there');
    expect(text(storm, 'x/i $pc')).toContain('msr icc_ctlr_el1, x0');
    expect(data(storm, 'last write gic-cpu.ICC_CTLR_EL1.EOImode').found).toMatchObject({ value: '0x2' });
    expect(data(storm, 'next write gic-cpu.ICC_CTLR_EL1.EOImode').found).toBeNull();
    run(storm, 'goto start');
    expect(data(storm, 'next write gic-cpu.ICC_CTLR_EL1.EOImode == 0').found.position).toBe(found.position);
  });

  it('are answered by running where the trace does not know', () => {
    run(storm, 'goto 1200000');
    run(inputs, 'goto 1200000');
    const known = data(storm, 'last write gic-cpu.ICC_CTLR_EL1').found;
    const found = data(inputs, 'last write gic-cpu.ICC_CTLR_EL1').found;
    expect(found.position).toBe(known.position);
    expect(inputs.timeline.position).toBe(1_200_000);
    expect(text(inputs, 'console')).toBe(text(storm, 'console'));
    expect(problem(inputs, 'interrupt 34')).toContain(
      'level inputs, which keeps no events of kind interrupt',
    );
  });

  it('about memory find the write that stepping finds', () => {
    run(storm, 'goto 262000');
    const { found } = data(storm, 'last write irqs_taken');
    const { timeline, machine } = storm;
    const address = storm.symbols.addressOf('irqs_taken')!;
    const value = (): number => {
      const bytes = new Uint8Array(4);
      machine.memory.read(Number(address), bytes);
      return new DataView(bytes.buffer).getUint32(0, true);
    };
    const now = value();
    complete(timeline.seek(found.position + 1));
    expect(value()).toBe(now);
    complete(timeline.seek(found.position));
    expect(value()).toBe(now - 1);
    run(storm, 'goto start');
    expect(text(storm, 'last write irqs_taken')).toBe('none before this');
  });

  it('about an interrupt tell the last and the next of each step', () => {
    run(storm, 'goto 5M');
    const answer = data(storm, 'interrupt 34');
    expect(answer.name).toBe('rtc');
    expect(answer.last.acknowledge.position).toBeLessThan(5_000_000);
    expect(answer.next.acknowledge.position).toBeGreaterThan(5_000_000);
    expect(answer.now).toMatchObject({ enabled: true, pending: false, why: 'not pending' });
  });

  it.each([
    ['last', 'last : allowed is last write|read'],
    ['last write', 'allowed is last write|read'],
    ['last write gicc.GICC_CTLR', 'gicc: no such device; nearest: gicd'],
    ['last write uart0.UARTDR = x', 'only == VALUE can stand'],
    ['last write 0x40000000 0', 'allowed are 1 to 1048576 bytes'],
    ['interrupt', 'which INTID?'],
    ['events sometimes', 'events sometimes: neither a count'],
    ['events 0', 'allowed are 1 to'],
  ])('%s is refused in one line', (line, message) => {
    expect(problem(storm, line)).toContain(message);
  });

  it('about events show those around the position', () => {
    run(storm, `goto ${wrong}`);
    const lines = text(storm, 'events 2 gic-cpu').split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[2]).toBe(`=> position ${wrong}`);
    expect(data(storm, 'events 3 before uart0.UARTDR writes').events).toHaveLength(3);
  });

  it('until a text stop behind it', () => {
    run(storm, 'goto start');
    run(storm, 'until "tuning the interrupt"');
    expect(text(storm, 'console 1')).toMatch(/tuning the interrupt$/);
  });
});

describe('looking', () => {
  it('at registers shows what the machine has', () => {
    run(storm, `goto ${wrong}`);
    const s = storm.machine.cluster.states[0]!;
    expect(BigInt(data(storm, 'regs x30').registers.x30)).toBe(s.x(30));
    expect(text(storm, 'regs')).toContain('<gic_share_binary_point+0x28>');
    expect(text(storm, 'regs v')).toContain('v31 ');
    expect(problem(storm, 'regs x99')).toContain('x99: no such register');
    expect(BigInt(data(storm, 'sysregs TTBR0_EL1').registers[0].value)).toBe(0x4010_b000n);
    expect(data(storm, 'sysregs icc_ctlr*').registers[0].fields).toContain('EOImode=1');
    expect(problem(storm, 'sysregs TTRB0_EL1')).toContain('nearest: TTBR0_EL1');
  });

  it('at memory takes the forms of gdb', () => {
    run(storm, 'goto end');
    expect(text(storm, 'x/2gx irqs_taken')).toMatch(
      /^0x4010c508 <irqs_taken>: {2}0x[0-9a-f]{16} {2}0x[0-9a-f]{16}$/,
    );
    expect(text(storm, 'x')).toMatch(/^0x4010c518 <lines>: {2}0x[0-9a-f]{16}$/);
    expect(text(storm, 'x/3i gic_share_binary_point')).toBe(
      [
        '   0x401030b8 <gic_share_binary_point>:  adrp x0, #0x40108000 <total_size>',
        '   0x401030bc <gic_share_binary_point+0x4>:  ldr w0, [x0, #0x30]',
        '   0x401030c0 <gic_share_binary_point+0x8>:  cmp w0, #3',
      ].join('\n'),
    );
    const virtual = data(storm, 'x/4wx gic_share_binary_point').values;
    expect(data(storm, 'x/4wx phys gic_share_binary_point').values).toEqual(virtual);
    expect(data(storm, 'xp/4wx gic_share_binary_point').values).toEqual(virtual);
    // Big-endian magic of a device tree, at the start of RAM.
    expect(text(storm, 'x/4bx 0x40000000')).toBe('0x40000000:  0xd0  0x0d  0xfe  0xed');
    expect(text(storm, 'x/dw 0x40000000')).toBe('0x40000000:  -302117424');
  });

  it.each([
    ['x/4z 0', "x/4z: 'z' is neither"],
    ['x/0x 0', 'x/0x: allowed is a count from 1'],
    ['x/99999gx 0x40000000', 'at most 65536 bytes'],
    ['x 0x3000000000', 'x: nothing can be read at 0x3000000000'],
    ['x phys 0xffffffffffffffff', 'nothing can be read at physical'],
    ['disas 0x3000000000', 'nothing is mapped'],
    ['print 1+', 'something is missing after +'],
    ['cpu 9', 'cpu 9: there is only cpu 0'],
  ])('%s is refused in one line', (line, message) => {
    expect(problem(storm, line)).toContain(message);
  });

  it('at the stack names the callers once each', () => {
    run(storm, 'goto start');
    run(storm, 'until "WATCHDOG"');
    const names = data(storm, 'bt').frames.map(({ symbol }: { symbol: string }) =>
      symbol.replace(/\+.*/, ''),
    );
    expect(names).toEqual([
      ...['put', 'format_list', 'print', 'watchdog_check', 'irq_entry', 'irq_vector', 'task_exit'],
    ]);
    expect(data(storm, 'bt 2').frames).toHaveLength(2);
  });

  it('at the interrupt controller says why an interrupt is not taken', () => {
    const { interrupts } = data(storm, 'irqs 34');
    expect(interrupts).toHaveLength(1);
    expect(interrupts[0]).toMatchObject({ pending: true, taken: false, why: 'masked by PSTATE.I at EL1' });
    expect(text(storm, 'irqs all').split('\n').length).toBe(2 + storm.machine.board.gic.intids);
    expect(problem(storm, 'irqs 5000')).toContain('allowed are INTIDs from 0 to');
  });

  it('at devices decodes every register, and finds the nearest name', () => {
    expect(text(storm, 'dev')).toContain('uart0');
    expect(text(storm, 'dev uart0')).toContain('UARTLCR_H      0x70   FEN=1 WLEN=8 bits');
    expect(text(storm, 'dev gic-cpu.ICC_CTLR_EL1')).toContain('CBPR=1');
    expect(text(storm, 'dev gic-cpu.ICC_CTLR_EL1.EOImode')).toBe('ICC_CTLR_EL1.EOImode = 0x0');
    expect(problem(storm, 'dev uart9')).toContain('nearest: uart0');
    expect(problem(storm, 'dev uart0.UARTCX')).toContain('nearest: UARTCR');
    for (const id of storm.devices) {
      // Some say why they have nothing to show; none fails.
      try {
        run(storm, `dev ${id}`);
      } catch (error) {
        expect((error as Error).message).toMatch(new RegExp(`^dev ${id}: `));
      }
    }
  });

  it('changes nothing', () => {
    run(storm, 'goto 6700000');
    const before = storm.machine.hash().all;
    for (const line of [
      'irqs all',
      'regs all',
      'sysregs',
      'bt',
      'disas',
      'mmu $pc',
      'x/64gx $sp',
      'console',
      'events',
      'interrupt 34',
      'cpu',
      'when',
      'last write gicd.GICD_CTLR',
    ])
      run(storm, line);
    for (const id of storm.devices) {
      try {
        run(storm, `dev ${id}`);
      } catch {
        // as above
      }
    }
    expect(storm.machine.hash().all).toBe(before);
  });

  it('at translation walks to the address that the CPU uses', () => {
    const walk = data(storm, 'mmu gic_share_binary_point');
    expect(walk.steps.map(({ kind }: { kind: string }) => kind)).toEqual(['table', 'table', 'page']);
    expect(walk.physical).toBe('0x401030b8');
    expect(text(storm, 'mmu 0xffff000000000000')).toContain('EPD1 forbids walks');
  });
});

describe('several CPUs', () => {
  it('are followed one at a time', () => {
    run(four, 'goto 600000');
    expect(data(four, 'cpu').cpus).toHaveLength(4);
    run(four, 'cpu 2');
    const retired = four.machine.retired(2);
    expect(data(four, 'step 5').cpu).toBe(2);
    expect(four.machine.retired(2)).toBe(retired + 5);
    run(four, 'rstep 5');
    expect(four.machine.retired(2)).toBe(retired);
    const { position } = four.timeline;
    expect(data(four, 'step 5 any').position).toBe(position + 5);
    expect(text(four, 'when').split('\n')).toHaveLength(6);
  });
});

describe('words', () => {
  it('are found shortened, by other names, or with the nearest', () => {
    expect(parseLine('  rcont ')!.command.name).toBe('rcontinue');
    expect(parseLine('x/8gx $sp')).toMatchObject({ command: { name: 'x' }, rest: '/8gx $sp' });
    expect(parseLine('# a remark')).toBeUndefined();
    expect(() => parseLine('contineu')).toThrow('contineu: no such command; nearest: continue');
    expect(() => parseLine('s')).not.toThrow();
    expect(() => parseLine('un')).not.toThrow();
    expect(() => parseLine('di')).toThrow('di: which one? disable, disas');
    expect(() => parseLine('%')).toThrow('%: no such command');
  });

  it('are completed: commands, symbols, devices, registers, fields', () => {
    expect(completions(storm, 'rc').words).toEqual(['rcontinue']);
    expect(completions(storm, 'break gic_share_b').words).toContain('gic_share_binary_point');
    expect(completions(storm, 'dev ua').words).toEqual(['uart0']);
    expect(completions(storm, 'last write gic-cpu.ICC_CTLR').words).toContain('gic-cpu.ICC_CTLR_EL1');
    expect(completions(storm, 'last write gic-cpu.ICC_CTLR_EL1.EO').words).toEqual([
      'gic-cpu.ICC_CTLR_EL1.EOImode',
    ]);
    expect(completions(storm, 'nonsense x').words).toEqual([]);
  });

  it('are explained', () => {
    for (const word of ['step', 'break', 'x', 'last']) expect(text(storm, `help ${word}`)).toContain(word);
    expect(text(storm, 'help').split('\n').length).toBeGreaterThan(30);
  });

  it('of symbol files are told apart from mistakes', () => {
    expect(problem(storm, 'symbols none')).toBe('symbols none: no such file');
    expect(problem(storm, 'symbols empty')).toContain('empty: neither an ELF file nor lines');
    const before = storm.symbols.size;
    run(storm, 'symbols System.map 0x10000000');
    expect(storm.symbols.size).toBe(before + 2);
    expect(data(storm, 'print second_name').value).toBe('0x50102000');
  });
});
