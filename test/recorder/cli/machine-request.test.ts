import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { MACHINE_PROPERTIES } from '../../../engine/boards/virt/properties.ts';
import { HelpAnswer } from '../../../recorder/cli/errors.ts';
import { readCount, readMachineRequest } from '../../../recorder/cli/machine-request.ts';
import type { RawOptions } from '../../../recorder/cli/raw-options.ts';

const MiB = 1024 * 1024;
const QEMU = 'qemu-system-aarch64';
const hasQemu = spawnSync(QEMU, ['--version']).status === 0;

function request(raw: RawOptions) {
  return readMachineRequest({ cpu: 'cortex-a57', ...raw });
}

function refusal(raw: RawOptions): string {
  try {
    request(raw);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

describe('readMachineRequest', () => {
  it('takes properties of max that say what it is anyway', () => {
    expect(request({ cpu: 'max,sve=off,sme=off,pauth=on,pauth-impdef=off,lpa2=on' }).config.cpu).toEqual(
      request({ cpu: 'max' }).config.cpu,
    );
  });

  it('gives the board with its defaults', () => {
    const { config, rtc, reboot } = request({});
    expect(config).toMatchObject({
      machine: 'virt-7.2',
      cpu: { model: 'cortex-a57' },
      smp: { cpus: 1, maxCpus: 1 },
      ram: { size: 128 * MiB },
      gicVersion: 2,
      icountShift: 0,
      serial: ['stdio'],
      virtioMmio: [],
    });
    expect({ rtc, reboot }).toEqual({ rtc: 'utc', reboot: true });
  });

  it.each<[string, RawOptions, object]>([
    ['-M virt,gic-version=3', { machine: ['virt,gic-version=3'] }, { gicVersion: 3 }],
    ['-M gic-version=max', { machine: ['gic-version=max'] }, { gicVersion: 3 }],
    ['two -M', { machine: ['virt,gic-version=3', 'highmem=off'] }, { gicVersion: 3, highmem: false }],
    ['-M virt-6.0', { machine: ['virt-6.0'] }, { machine: 'virt-6.0' }],
    ['-M type=virt', { machine: ['type=virt,acpi=auto'] }, { machine: 'virt-7.2', acpi: true }],
    ['-M dtb-kaslr-seed=off', { machine: ['dtb-kaslr-seed=off'] }, { dtbRandomness: false }],
    ['-smp 4', { smp: '4' }, { smp: { cpus: 4, maxCpus: 4, sockets: 1, clusters: 1, cores: 4, threads: 1 } }],
    ['-smp on old versions', { machine: ['virt-6.1'], smp: '4' }, { smp: { cpus: 4, sockets: 4, cores: 1 } }],
    ['-m 1G', { m: '1G' }, { ram: { size: 1024 * MiB } }],
    ['-cpu cortex-a72,pmu=off', { cpu: 'cortex-a72,pmu=off' }, { cpu: { model: 'cortex-a72', pmu: false } }],
    ['-icount shift=3,sleep=off', { icount: 'shift=3,sleep=off' }, { icountShift: 3 }],
    ['-icount 7', { icount: '7' }, { icountShift: 7 }],
    ['-serial null', { serial: ['null'] }, { serial: ['null'] }],
    ['-accel tcg,thread=single', { accel: 'tcg,thread=single' }, {}],
  ])('%s', (_name, raw, expected) => {
    expect(request(raw).config).toMatchObject(expected);
  });

  it('takes the files of -M as those of the options', () => {
    const { kernel, commandLine, firmware } = request({ machine: ['virt,kernel=k,append=a,,b'] });
    expect({ kernel, commandLine, firmware }).toEqual({
      kernel: { option: '-kernel', path: 'k' },
      commandLine: 'a,b',
      firmware: undefined,
    });
  });

  it.each<[string, RawOptions['rtc'], unknown]>([
    ['nothing', undefined, 'utc'],
    ['a date', '2024-02-29', Date.parse('2024-02-29T00:00:00Z') / 1000],
    ['a time', 'base=2006-06-17T16:01:21,clock=vm', Date.parse('2006-06-17T16:01:21Z') / 1000],
    ['localtime', 'base=localtime', 'localtime'],
  ])('-rtc: %s', (_name, rtc, expected) => {
    expect(request(rtc === undefined ? {} : { rtc }).rtc).toBe(expected);
  });

  it('plugs virtio devices from the highest transport down, as QEMU does', () => {
    const { config, drives } = request({
      drive: ['file=a.img,if=none,format=raw,id=hd0,readonly=on'],
      device: [
        'virtio-rng-device',
        'virtio-blk-device,drive=hd0,serial=S1',
        'virtio-rng-device,bus=virtio-mmio-bus.0',
      ],
    });
    expect(config.virtioMmio).toEqual([
      { slot: 31, type: 'virtio-rng', id: 'virtio-rng0', properties: {} },
      { slot: 30, type: 'virtio-blk', id: 'virtio-blk0', properties: { drive: 'hd0', serial: 'S1' } },
      { slot: 0, type: 'virtio-rng', id: 'virtio-rng1', properties: {} },
    ]);
    expect(drives.get('hd0')).toMatchObject({ file: 'a.img', readOnly: true });
  });

  it.skipIf(!hasQemu)("puts them where QEMU's own are", () => {
    const devices = [
      'virtio-rng-device,id=a',
      'virtio-rng-device,id=b,bus=virtio-mmio-bus.31',
      'virtio-rng-device,id=c',
    ];
    const args = [
      '-M',
      'virt',
      '-cpu',
      'cortex-a57',
      '-display',
      'none',
      '-serial',
      'none',
      '-monitor',
      'stdio',
    ];
    const order = [devices[1]!, devices[0]!, devices[2]!];
    const { stdout } = spawnSync(QEMU, [...args, ...order.flatMap((device) => ['-device', device])], {
      encoding: 'utf8',
      input: 'info qtree\nquit\n',
    });
    const found: { [id: string]: number } = {};
    let address = 0;
    for (const line of stdout.split('\n')) {
      address = Number(
        /mmio 0*([0-9a-f]+)\//.exec(line)?.[1] ? `0x${/mmio 0*([0-9a-f]+)\//.exec(line)![1]}` : address,
      );
      const id = /dev: virtio-rng-device, id "(\w)"/.exec(line)?.[1];
      if (id !== undefined) found[id] = (address - 0x0a00_0000) / 0x200;
    }
    const ours = Object.fromEntries(
      request({ device: order }).config.virtioMmio.map(({ id, slot }) => [id, slot]),
    );
    expect(ours).toEqual(found);
  });

  it('places PCI devices, those of -drive if=virtio last', () => {
    const { config, drives } = request({
      drive: ['file=a.img,format=raw', 'file=b.img,if=none,id=hd0'],
      device: [
        'pcie-root-port,id=rp,slot=3',
        'virtio-rng-pci,bus=rp',
        'virtio-blk-pci,drive=hd0,addr=5.1,multifunction=on,num-queues=2',
      ],
    });
    expect(config.pciDevices).toEqual([
      { devfn: 8, type: 'pcie-root-port', id: 'rp', properties: { slot: 3 } },
      { devfn: 0, type: 'virtio-rng-pci', id: 'virtio-rng0', properties: { bus: 'rp' } },
      {
        devfn: 0x29,
        type: 'virtio-blk-pci',
        id: 'virtio-blk0',
        properties: { drive: 'hd0', multifunction: true, 'num-queues': 2 },
      },
      { devfn: 16, type: 'virtio-blk-pci', id: 'virtio-blk1', properties: { drive: 'virtio0' } },
    ]);
    expect(drives.get('virtio0')?.file).toBe('a.img');
  });

  it('connects consoles', () => {
    const { characters, config } = request({
      chardev: ['stdio,id=con,mux=on', 'file,id=log,path=/tmp/x'],
      serial: ['chardev:log'],
      device: ['virtio-serial-device,id=vs', 'virtconsole,chardev=con,bus=vs.0'],
    });
    expect(characters).toEqual(
      new Map([
        ['uart0', { kind: 'file', path: '/tmp/x' }],
        ['vs', { kind: 'stdio' }],
      ]),
    );
    expect(config.virtioMmio).toMatchObject([{ type: 'virtio-serial', id: 'vs', slot: 31 }]);
    expect(config.serial).toEqual(['file']);
  });

  it('makes transports of version 2 with -global virtio-mmio.force-legacy=false', () => {
    const { config } = request({ global: ['virtio-mmio.force-legacy=false'], device: ['virtio-rng-device'] });
    expect(config.virtioMmio[0]?.properties).toEqual({ 'force-legacy': false });
  });

  it('fills the flash banks in order', () => {
    const { firmware, flash1 } = request({ pflash: ['a', 'b'] });
    expect([firmware?.path, flash1?.path]).toEqual(['a', 'b']);
    const swapped = request({ drive: ['if=pflash,file=v,unit=1', 'if=pflash,file=c,unit=0,readonly=on'] });
    expect([swapped.firmware?.path, swapped.flash1?.path]).toEqual(['c', 'v']);
  });

  it.each<[RawOptions, string | RegExp]>([
    [{ machine: ['q35'] }, '-M q35: virtrace has the virt board only; see -M help'],
    [{ machine: ['virt-9.0'] }, '-M virt-9.0: the newest virtrace has is virt-7.2'],
    [{ machine: ['virt,foo=1'] }, /^-M: unknown key 'foo'; allowed are type, secure, /],
    [{ machine: ['virt,usb=on'] }, '-M usb=: QEMU has it, virtrace does not: the virt board gets no USB'],
    [{ machine: ['virt,gic-version=5'] }, "-M gic-version: '5'; allowed are 2, 3, 4, max"],
    [{ machine: ['virt,gic-version=host'] }, /^-M gic-version=host needs KVM/],
    [{ machine: ['virt,secure=maybe'] }, "-M secure expects 'on' or 'off', not 'maybe'"],
    [{ machine: ['virt,secure=on'] }, /^-M secure=on: virtrace has no EL3/],
    [{ machine: ['virt,accel=kvm'] }, /^-M accel kvm: only the deterministic engine/],
    [{ accel: 'kvm' }, /^-accel kvm: only the deterministic engine/],
    [{ accel: 'tcg,thread=multi' }, /^-accel thread=multi: CPUs take turns/],
    [
      { cpu: 'cortex-a99' },
      '-cpu cortex-a99: unknown CPU type; allowed are cortex-a35, cortex-a53, cortex-a57, cortex-a72, cortex-a76, neoverse-n1, max',
    ],
    [{ cpu: 'cortex-a15' }, /^-cpu cortex-a15: virtrace has no AArch32 yet/],
    [
      { cpu: 'cortex-a57,foo=1' },
      "-cpu: unknown key 'foo'; allowed are model, aarch64, pmu, sve, sme, pauth, pauth-impdef, lpa2",
    ],
    [{ cpu: 'cortex-a57,sve=off' }, '-cpu cortex-a57,sve=: only max has this property'],
    [{ cpu: 'max,sve=on' }, '-cpu max,sve=on: virtrace has no SVE yet'],
    [{ cpu: 'max,pauth=off' }, '-cpu max,pauth=off: max always has pointer authentication'],
    [{ smp: '9' }, '-smp 9: GICv2 allows at most 8 CPUs; use -M gic-version=3'],
    [{ m: '512.5' }, /^-m size: '512.5' is a fraction/],
    [{ m: '1T' }, 'accepted'],
    [{ m: '100T' }, /^-m: memory ends \d+ bytes beyond the 44 address bits of -cpu cortex-a57; give less$/],
    [{ icount: 'shift=auto' }, /^-icount shift=auto: it follows the speed of the host/],
    [{ icount: 'shift=11' }, "-icount shift: '11'; allowed is a whole number from 0 to 10"],
    [{ icount: 'shift=0,rr=record' }, /^-icount rr=: .*use `virtrace record/],
    [{ icount: 'shift=0,sleep=on' }, /^-icount sleep=on/],
    [{ rtc: 'base=2023-02-30' }, /^-rtc base: '2023-02-30'; allowed are utc, localtime or a date/],
    [{ rtc: 'clock=host' }, '-rtc clock=host: the clock goes with the time of the machine; use clock=vm'],
    [{ drive: ['if=none,id=x'] }, '-drive: file= is missing'],
    [{ drive: ['file=a,if=scsi'] }, '-drive if=scsi: not on this board; use if=virtio, if=none or if=pflash'],
    [{ drive: ['file=a,if=none,id=x,format=vmdk'] }, /^-drive format=vmdk: virtrace has raw and qcow2/],
    [{ drive: ['file=a,if=none,id=x,cache=writethrough'] }, /^-drive cache=writethrough: QEMU has it/],
    [{ drive: ['file=a,if=none,id=x'] }, '-drive id=x: no -device has drive=x'],
    [{ device: ['virtio-blk-device'] }, '-device virtio-blk-device: drive= is missing'],
    [{ device: ['virtio-blk-device,drive=x'] }, /no -drive if=none has this id; there is none$/],
    [
      { device: ['virtio-blk-pci,drive=x'] },
      /^-device virtio-blk-pci,drive=x: no -drive if=none has this id; there is none$/,
    ],
    [{ device: ['virtio-rng-pci,addr=20'] }, /^-device virtio-rng-pci,addr=20: allowed are 0 to 1f/],
    [
      { device: ['virtio-rng-pci,addr=2', 'virtio-rng-pci,addr=2.1'] },
      /addr=2\.1: function 0 there is alone/,
    ],
    [{ device: ['virtio-rng-pci,addr=2.1', 'virtio-rng-pci,addr=2'] }, /add multifunction=on/],
    [{ device: ['virtio-rng-pci,romfile=x.rom'] }, /romfile=x\.rom: virtrace has no option ROMs/],
    [{ device: ['virtio-rng-pci,bootindex=1'] }, /bootindex=: QEMU has it, virtrace does not: firmware/],
    [{ device: ['x3130-upstream,id=u'] }, /use pcie-root-port/],
    [
      { device: ['virtio-rng-pci,bus=rp'] },
      /^-device virtio-rng-pci,bus=rp: no pcie-root-port before it has this id/,
    ],
    [
      { device: ['virtio-rng-pci-transitional'] },
      '-device virtio-rng-pci-transitional: QEMU has it, virtrace does not; use virtio-rng-pci',
    ],
    [{ device: ['e1000'] }, '-device e1000: QEMU has it, virtrace does not; use virtio-net-pci'],
    [
      { device: ['virtio-net-pci,netdev=n'] },
      '-device virtio-net-pci,netdev=n: there is no -netdev with id=n',
    ],
    [{ device: ['nonsense'] }, /^-device nonsense: unknown device; allowed are virtio-blk-device, /],
    [{ device: ['virtio-rng-device,foo=1'] }, /^-device virtio-rng-device: unknown key 'foo'; allowed are/],
    [{ device: ['virtio-rng-device,packed=on'] }, /^-device virtio-rng-device packed=on: QEMU has it/],
    [
      { device: ['virtio-rng-device,bus=virtio-mmio-bus.32'] },
      /allowed are virtio-mmio-bus.0 to virtio-mmio-bus.31$/,
    ],
    [{ device: ['virtio-rng-device,id=uart0'] }, '-device id=uart0: a part of the board is called so'],
    [{ device: ['virtio-rng-device,id=a', 'virtio-rng-device,id=a'] }, '-device id=a: this id is used twice'],
    [
      { device: ['virtconsole'] },
      '-device virtconsole: needs -device virtio-serial-device or virtio-serial-pci before it',
    ],
    [
      { device: Array.from({ length: 33 }, () => 'virtio-rng-device') },
      /all 32 virtio-mmio transports are taken/,
    ],
    [
      { object: ['memory-backend-ram,id=x'] },
      /^-object memory-backend-ram: .*allowed are rng-builtin, rng-random$/,
    ],
    [
      { device: ['virtio-rng-device,rng=r'] },
      '-device virtio-rng-device,rng=r: there is no -object with id=r',
    ],
    [{ net: ['user'] }, '-net: -net nic is missing, which is the device'],
    [{ net: ['nic'] }, '-net nic: a network is missing, e.g. -net user'],
    [{ serial: ['tcp:1234'] }, /^-serial tcp:1234: QEMU has it, virtrace does not; allowed are stdio/],
    [{ serial: ['stdio', 'null'] }, '-serial: 2 given, this machine has 1'],
    [
      { chardev: ['stdio,id=c'], device: ['virtio-serial-device', 'virtconsole,chardev=c'] },
      'stdio: both uart0 and virtio-serial0 would use it; e.g. give -serial null',
    ],
    [{ d: 'in_asm' }, '-d in_asm: QEMU has it, virtrace does not; allowed are guest_errors, unimp, int'],
    [{ bios: 'a', pflash: ['b'] }, /^-bios a: flash bank 0 has the image of -pflash already/],
    [{ pflash: ['a', 'b', 'c'] }, '-pflash: flash bank 1 is taken already'],
    [{ global: ['pl011.x=y'] }, '-global pl011.x=y: allowed is virtio-mmio.force-legacy=on|off'],
    [{ seed: '-1' }, /^-seed: '-1'; allowed is a whole number from 0$/],
  ])('%j: %s', (raw, message) => {
    const text = refusal(raw);
    if (typeof message === 'string') expect(text).toBe(message);
    else expect(text).toMatch(message);
    expect(text).not.toContain('\n');
  });

  it('names what to give when -cpu is missing', () => {
    expect(() => readMachineRequest({})).toThrow(
      "-cpu is missing: the board's default, cortex-a15, is a 32-bit CPU that virtrace does not have yet; " +
        'name one of cortex-a35, cortex-a53, cortex-a57, cortex-a72, cortex-a76, neoverse-n1, max, e.g. -cpu cortex-a57',
    );
  });

  it.each<[RawOptions, string]>([
    [{ machine: ['help'] }, 'virt-2.6'],
    [{ machine: ['virt,help'] }, 'gic-version=2|3|4|max|host'],
    [{ cpu: 'help' }, 'cortex-a72'],
    [{ device: ['help'] }, 'virtio-blk-device'],
    [{ device: ['virtio-blk-device,help'] }, 'serial='],
    [{ d: 'help' }, 'guest_errors'],
  ])('answers %j', (raw, part) => {
    try {
      readMachineRequest(raw.cpu === undefined ? { cpu: 'cortex-a57', ...raw } : raw);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(HelpAnswer);
      expect((error as HelpAnswer).text).toContain(part);
    }
  });

  it.skipIf(!hasQemu)("knows every property of QEMU's board, as there or as refused", () => {
    const help = spawnSync(QEMU, ['-M', 'virt,help'], { encoding: 'utf8' }).stdout;
    const names = [...help.matchAll(/^ {2}([\w-]+)=/gm)].map((match) => match[1]!);
    expect(names.length).toBeGreaterThan(30);
    const known = MACHINE_PROPERTIES.map(({ name }) => name);
    for (const name of names.filter((candidate) => !known.includes(candidate))) {
      expect(refusal({ machine: [`virt,${name}=x`] })).toMatch(/QEMU has it, virtrace does not/);
    }
  });
});

describe('readCount', () => {
  it.each([
    ['0', 0],
    ['1300k', 1_300_000],
    ['2M', 2_000_000],
    ['1G', 1_000_000_000],
  ])('%s', (text, value) => {
    expect(readCount('--limit', text)).toBe(value);
  });

  it.each(['', '-1', '1.5M', '1T', 'x', '99999999999G'])("refuses '%s'", (text) => {
    expect(() => readCount('--limit', text)).toThrow(`--limit: '${text}'; allowed is a whole number`);
  });
});
