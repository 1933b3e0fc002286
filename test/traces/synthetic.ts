import type { MachineEvent } from '../../engine/base/events.ts';

/**
 * A stream of events in the manner of a Linux boot at level `devices`: console lines through the PL011 (FR
 * polled before each DR), the timer's interrupts through a GICv3's system registers, counter reads in delay
 * loops, GIC set-up and bursts of virtio requests. Text, work between events and addresses vary with a fixed
 * generator, so that it does not compress better than a real one.
 */
export function* syntheticBoot(accesses: number): Generator<MachineEvent> {
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  let position = 0;
  let asleep = 0;
  let made = 0;
  const stamp = () => ({ position, time: position + asleep, cpu: 0 });
  const text = 0xffff_8000_1000_0000n;
  const access = (
    device: string,
    offset: number,
    write: boolean,
    value: bigint,
    pc: number,
    size = 4,
  ): MachineEvent => {
    made++;
    return { kind: 'access', ...stamp(), device, offset, size, write, value, pc: text + BigInt(pc) };
  };
  const words = 'mapping reserved memory region node kernel bytes at irq driver bus device virtio init'.split(
    ' ',
  );
  const counter = (): bigint => BigInt(Math.floor((position + asleep) / 16));

  function* line(): Generator<MachineEvent> {
    const count = 4 + random(8);
    const message = Array.from({ length: count }, () => words[random(words.length)]).join(' ');
    const stampText = `[${(position / 1e9).toFixed(6).padStart(12)}] ${message} 0x${random(2 ** 32).toString(16)}\r\n`;
    for (const char of stampText) {
      position += 14;
      yield access('uart0', 0x18, false, 0x90n, 0x8124);
      position += 9;
      const value = BigInt(char.charCodeAt(0));
      yield access('uart0', 0, true, value, 0x8150);
      yield { kind: 'output', ...stamp(), device: 'uart0', bytes: Uint8Array.of(Number(value)) };
      position += 31;
    }
    position += 12;
    yield access('uart0', 0x18, false, 0x90n, 0x8188);
    position += random(20_000);
  }
  function* interrupt(intid: number, idle: boolean): Generator<MachineEvent> {
    if (idle) asleep += 1_000_000 + random(3_000_000);
    const irq = { kind: 'interrupt', intid } as const;
    yield { ...irq, ...stamp(), what: 'line-high', target: 0 };
    yield { ...irq, ...stamp(), what: 'pending', target: 0 };
    position += 180 + random(4);
    yield { ...irq, ...stamp(), what: 'acknowledge', target: 0 };
    yield { ...irq, ...stamp(), what: 'active', target: 0 };
    yield access('gicc-sysreg', 0xc, false, BigInt(intid), 0x2040, 8);
    position += 60;
    yield access('gicc-sysreg', 0x10, true, BigInt(intid), 0x2080, 8);
    position += 300 + random(50);
    yield access('timer', 0x8, true, counter() + 62_500n + BigInt(random(40_000)), 0x3010, 8);
    yield { ...irq, ...stamp(), what: 'line-low', target: 0 };
    position += 400 + random(600);
    yield { ...irq, ...stamp(), what: 'complete', target: 0 };
    yield access('gicc-sysreg', 0x14, true, BigInt(intid), 0x20c0, 8);
    position += 20;
    yield access('gicc-sysreg', 0xc, false, 1023n, 0x2040, 8);
    position += random(100_000);
  }
  function* delay(): Generator<MachineEvent> {
    const reads = 5 + random(60);
    for (let i = 0; i < reads; i++) {
      position += 7;
      yield access('timer', 0x20, false, counter(), 0x4004, 8);
    }
    position += random(3000);
  }
  function* enable(): Generator<MachineEvent> {
    const register = random(32);
    position += 500 + random(5000);
    yield access('gicd', 0x100 + 4 * register, true, 1n << BigInt(random(32)), 0x5000);
    position += 40;
    yield access('gicd', 0x400 + 4 * random(256), true, 0xa0a0a0a0n, 0x5040);
  }
  function* request(): Generator<MachineEvent> {
    const slot = random(3);
    position += 2000 + random(9000);
    yield access(`virtio${slot}`, 0x50, true, 0n, 0x6000);
    position += 150;
    yield access(`virtio${slot}`, 0x60, false, 1n, 0x6100);
    position += 12;
    yield access(`virtio${slot}`, 0x64, true, 1n, 0x6120);
  }
  while (made < accesses) {
    const choice = random(100);
    if (choice < 30) yield* line();
    else if (choice < 60) yield* interrupt(choice < 55 ? 27 : 33 + random(3), choice < 45);
    else if (choice < 70) yield* delay();
    else if (choice < 80) yield* enable();
    else yield* request();
  }
}
