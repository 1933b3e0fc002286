/*
 * Input devices beside QEMU's: everything a driver can select, and the buffers that the same events of QEMU's protocol
 * arrive in.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { KEY_CODES } from '../../../../engine/devices/virtio/input-codes.ts';
import { type InputKind, VirtioInput } from '../../../../engine/devices/virtio/virtio-input.ts';
import { eventsFor, type InputEvent } from '../../../../recorder/session/input-events.ts';
import { haveQemu, Qemu } from '../qemu.ts';
import { bringUp, type DriverQueue, EngineGuest, type Guest, QemuGuest } from './driver.ts';

/** QEMU's protocol, as far as it is needed here: one command after the other. */
class Qmp {
  readonly #socket: Socket;
  #text = '';
  #answers: ((line: string) => void)[] = [];
  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.setEncoding('utf8').on('data', (part: string) => {
      const lines = (this.#text + part).split('\n');
      this.#text = lines.pop()!;
      for (const line of lines) {
        if (line.includes('"return"') || line.includes('"error"')) this.#answers.shift()?.(line);
      }
    });
  }
  async command(execute: string, args: object = {}): Promise<void> {
    const answer = await new Promise<string>((resolve) => {
      this.#answers.push(resolve);
      this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
    if (answer.includes('"error"')) throw new Error(answer);
  }
  end(): void {
    this.#socket.destroy();
  }
}

type Side = { readonly guest: Guest; send(events: readonly InputEvent[]): Promise<void> };

describe.skipIf(!haveQemu)('virtio-input against QEMU', () => {
  const folder = mkdtempSync(join(tmpdir(), 'input-'));
  const ends: (() => void)[] = [];
  afterAll(() => {
    for (const end of ends) end();
    rmSync(folder, { recursive: true });
  });

  async function sides(kind: InputKind, serial?: string): Promise<{ ours: Side; theirs: Side }> {
    const path = join(folder, `qmp${ends.length}`);
    const device = `virtio-${kind}-device${serial === undefined ? '' : `,serial=${serial}`}`;
    const qemu = new Qemu(
      [
        '-global',
        'virtio-mmio.force-legacy=false',
        '-device',
        device,
        '-qmp',
        `unix:${path},server=on,wait=off`,
      ],
      true,
    );
    const there = new QemuGuest(qemu);
    await there.read(0);
    const qmp = new Qmp(path);
    await qmp.command('qmp_capabilities');
    ends.push(() => {
      qmp.end();
      qemu.end();
    });
    const here = new EngineGuest({
      legacy: false,
      backend: new VirtioInput({ kind, ...(serial === undefined ? {} : { serial }) }),
    });
    return {
      ours: {
        guest: here,
        send: async (events) => {
          for (const { what, data } of eventsFor([{ id: 'virtio', kind }], events)) {
            here.device.receive(what, data);
          }
        },
      },
      theirs: { guest: there, send: (events) => qmp.command('input-send-event', { events }) },
    };
  }

  async function same<T>(at: { ours: Side; theirs: Side }, scenario: (side: Side) => Promise<T>): Promise<T> {
    const mine = await scenario(at.ours);
    expect(mine).toStrictEqual(await scenario(at.theirs));
    return mine;
  }

  it.each([
    ['keyboard', undefined],
    ['keyboard', 'a-serial-number-that-is-longer-than-all-of-the-bitmaps-together'],
    ['mouse', undefined],
    ['tablet', '7'],
  ] as const)('answers every selection alike: %s %s', async (kind, serial) => {
    await same(await sides(kind, serial), async ({ guest }) => {
      const seen: string[] = [];
      for (const select of [0, 1, 2, 3, 4, 0x10, 0x11, 0x12, 0x13, 0xff]) {
        for (let subsel = 0; subsel < 0x20; subsel++) {
          await guest.write(0x100, select, 1);
          await guest.write(0x101, subsel, 1);
          const size = await guest.read(0x102, 1);
          seen.push(`${select} ${subsel}: ${size}`);
          if (size === 0 && subsel > 0) continue;
          for (let at = 0x100; at < 0x190; at++) seen.push(`${at} ${await guest.read(at, 1)}`);
        }
      }
      return seen;
    });
  });

  const key = (name: string, down: boolean): InputEvent => ({
    type: 'key',
    data: { down, key: { type: 'qcode', data: name } },
  });
  const number = (data: number): InputEvent => ({
    type: 'key',
    data: { down: true, key: { type: 'number', data } },
  });
  const button = (name: string, down: boolean): InputEvent => ({ type: 'btn', data: { down, button: name } });

  /** What arrives of each list of events, sent one by one. */
  async function arrivals(side: Side, lists: readonly (readonly InputEvent[])[]) {
    const { guest } = side;
    const seen: unknown[] = [];
    const [queue] = (await bringUp(guest, { modern: true, queues: { 0: 64, 1: 64 } })) as [DriverQueue];
    for (const list of lists) {
      const heads: number[] = [];
      for (let n = 0; n < list.length + 1; n++) heads.push(await queue.offer([8]));
      await queue.notify();
      await side.send(list);
      seen.push(await queue.take(list.length + 1));
      for (const head of heads) seen.push([...(await queue.written(head))]);
      seen.push(await guest.read(0x60));
      await guest.write(0x64, 3);
    }
    return seen;
  }

  it('sends every key alike, by name and by number', async () => {
    const names = [...Object.keys(KEY_CODES), 'asterisk', 'print'];
    const numbers = [1, 2, 28, 57, 83, 87, 88, 156, 157, 181, 184, 199, 200, 205, 208, 211, 219, 220, 221];
    const lists = [
      ...names.map((name) => [key(name, true)]),
      ...numbers.map((n) => [number(n)]),
      [key('shift', true), key('a', true), key('a', false), key('shift', false)],
    ];
    await same(await sides('keyboard'), (side) => arrivals(side, lists));
  });

  it('sends moves and buttons alike', async () => {
    const buttons = ['left', 'right', 'middle', 'side', 'extra', 'wheel-up', 'wheel-down'];
    const clicks = buttons.flatMap((name) => [[button(name, true)], [button(name, false)]]);
    const rel = (axis: 'x' | 'y', value: number): InputEvent => ({ type: 'rel', data: { axis, value } });
    const abs = (axis: 'x' | 'y', value: number): InputEvent => ({ type: 'abs', data: { axis, value } });
    await same(await sides('mouse'), (side) =>
      arrivals(side, [...clicks, [rel('x', 5), rel('y', -7)], [rel('x', -40_000), button('left', true)]]),
    );
    await same(await sides('tablet'), (side) =>
      arrivals(side, [...clicks, [abs('x', 0), abs('y', 0x7fff)], [abs('x', 16_000)]]),
    );
  });

  it('gives a report whole or not at all, and takes what the guest says about its LEDs, alike', async () => {
    await same(await sides('keyboard'), async (side) => {
      const { guest } = side;
      const [events, status] = (await bringUp(guest, {
        modern: true,
        queues: { 0: 64, 1: 64 },
      })) as [DriverQueue, DriverQueue];
      const heads = [await events.offer([8])];
      await side.send([key('b', true)]);
      const seen: unknown[] = [await events.word(events.used + 2)];
      heads.push(await events.offer([4]), await events.offer([16]), await events.offer([8]));
      await side.send([key('b', false)]);
      seen.push(await events.take(2));
      for (const head of heads) seen.push([...(await events.written(head))]);
      const led = (code: number, value: number) => Uint8Array.of(0x11, 0, code, 0, value, 0, 0, 0);
      for (const bytes of [led(0, 1), led(1, 1), led(0, 0), led(9, 1), led(2, 1).subarray(0, 5)]) {
        seen.push(await status.request([bytes]));
      }
      return seen;
    });
  });
});
