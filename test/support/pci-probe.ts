import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { downloadOf } from './http-probe.ts';
import { LINUX_INITRD } from './machines.ts';
import { project, qemu } from './qemu.ts';

/*
 * The guest of guests/pcie-matrix: its RAM disk, the server it talks to, what it prints, cut into sections, and a run
 * of it under QEMU with the same options, pictures included.
 */

export const LSPCI = LINUX_INITRD.replace('initrd.cpio.gz', 'lspci.cpio.gz');

/** Writes the RAM disk. */
export function makeProbeDisk(folder: string, file: string): void {
  const root = join(folder, 'probe');
  mkdirSync(root);
  for (const from of ['pcie-matrix/init', 'net-probe/udhcpc']) {
    const to = join(root, from.slice(from.indexOf('/') + 1));
    copyFileSync(`${project}guests/${from}`, to);
    spawnSync('chmod', ['755', to]);
  }
  const overlay = join(folder, 'overlay.cpio');
  spawnSync(process.execPath, [`${project}scripts/make-initramfs.mjs`, root, overlay]);
  const archives = [LINUX_INITRD, ...(existsSync(LSPCI) ? [LSPCI] : [])];
  writeFileSync(
    file,
    Buffer.concat([...archives.map((name) => gunzipSync(readFileSync(name))), readFileSync(overlay)]),
  );
}

export const DOWNLOAD = downloadOf(2 ** 20);

export interface Probe {
  /** The kernel's log before anything was used. */
  readonly log: string;
  /** What came of using the devices. */
  readonly use: string;
  /** Configuration spaces, resources, messages, features. */
  readonly functions: string;
  readonly lspci: string;
  /** Number, controller and name of every interrupt, without how often. */
  readonly interrupts: string;
}

/** Cuts what the guest printed. @throws Error if it did not come to its end */
export function readProbe(console: string): Probe {
  const text = console.replaceAll('\r', '');
  const section = (name: string, next: string): string => {
    const begin = text.indexOf(`<<<${name}>>>\n`);
    const end = text.indexOf(`<<<${next}>>>\n`);
    if (begin < 0 || end < begin) throw new Error(`no section ${name}: ${text.slice(-1500)}`);
    // Without lines of the kernel.
    return text.slice(begin + name.length + 7, end).replace(/^\[ *\d+\.\d+\] .*\n/gm, '');
  };
  return {
    log: text.slice(0, text.indexOf('<<<use>>>')),
    use: section('use', 'functions'),
    functions: section('functions', 'lspci'),
    lspci: section('lspci', 'interrupts'),
    interrupts: section('interrupts', 'end')
      .split('\n')
      .map((line) => line.replace(/(?<=:)( +\d+)+ /, ' ').trim())
      .join('\n'),
  };
}

export interface TheirRun {
  /** What came out of stdout, the virtio console. */
  readonly out: string;
  /** Red, green and blue of each pixel when the guest said SCREEN. */
  readonly rgb: Uint8Array | undefined;
}

/** Runs the guest under QEMU, whose `-chardev stdio` is the virtio console. */
export async function runProbeOnQemu(args: readonly string[], folder: string): Promise<TheirRun> {
  const monitor = join(folder, 'monitor');
  const child = spawn(qemu!, [...args, '-icount', 'shift=0', '-monitor', `unix:${monitor},server,nowait`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {});
  child.stdin.write('hello console\n');
  let out = '';
  let rgb: Uint8Array | undefined;
  let asked = false;
  await new Promise<void>((resolve) => {
    child.stdout.setEncoding('latin1').on('data', async (part) => {
      out += part;
      if (asked || !out.includes('SCREEN')) return;
      asked = true;
      if (args.some((arg) => arg.startsWith('virtio-gpu')))
        rgb = await screen(monitor, join(folder, 'screen.ppm'));
      child.stdin.write('go on\n');
    });
    child.on('close', () => resolve());
  });
  return { out: out.replaceAll('\r', ''), rgb };
}

/** A picture through QEMU's monitor. */
async function screen(monitor: string, file: string): Promise<Uint8Array> {
  await new Promise<void>((resolve) => {
    const socket = connect(monitor);
    let answers = '';
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.setEncoding('latin1').on('data', (part) => {
      answers += part;
      // A prompt before, and one after it.
      if (answers.split('(qemu) ').length === 3) socket.destroy();
    });
    socket.write(`screendump ${file}\n`);
  });
  const bytes = readFileSync(file);
  const [, width, height] = /^P6\s(\d+) (\d+)\s255\s/.exec(bytes.toString('latin1', 0, 64))!;
  return new Uint8Array(bytes.subarray(bytes.length - Number(width) * Number(height) * 3));
}
